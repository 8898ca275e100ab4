"""Images into a registry, by the calls of its API (OCI distribution-spec 1.1)."""

import urllib.parse

import requests

from tests.kubernetes.building import oci


def push(registry, name, image):
    """The reference under which nodes pull it. ``registry`` is host:port, spoken to in plain HTTP."""
    parts = oci.blobs(image)
    base = f"http://{registry}/v2/{name}"
    with requests.Session() as session:
        session.trust_env = False
        for blob in (parts.layer, parts.config):
            begun = session.post(f"{base}/blobs/uploads/", timeout=60)
            assert begun.status_code == 202, begun.text
            where = urllib.parse.urljoin(base, begun.headers["Location"])
            sent = session.put(where, params={"digest": oci.digest(blob)}, data=blob, timeout=60)
            assert sent.status_code == 201, sent.text
        kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        named = session.put(f"{base}/manifests/1", data=parts.manifest, headers=kind, timeout=60)
        assert named.status_code == 201, named.text
    return f"{registry}/{name}:1"
