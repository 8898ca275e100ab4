"""Images of a mirror into the demo's registry, by the calls of its API (OCI distribution-spec 1.1): there is
no engine on this machine that could push them.
"""

import hashlib
import json
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from magnum_lite.local.commands.failure import Failure

_SECONDS = 60


def push(archive: Path, registry: str, name: str) -> str:
    """Push the one image of an OCI archive; the reference under which nodes pull it. ``registry`` is
    ``host:port``, spoken to in plain HTTP. Raises Failure.
    """
    try:
        with tarfile.open(archive) as tar:
            index = json.loads(_read(tar, "index.json"))
            manifest = _blob(tar, index["manifests"][0]["digest"])
            parts = json.loads(manifest)
            blobs = [_blob(tar, part["digest"]) for part in (parts["config"], *parts["layers"])]
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError) as error:
        raise Failure(f"{archive} is no OCI archive: {error}") from None
    base = f"http://{registry}/v2/{name}"
    for blob in blobs:
        where = urllib.parse.urljoin(base, _call("POST", f"{base}/blobs/uploads/", b"", "")["Location"])
        joint = "&" if "?" in where else "?"
        digest = f"digest=sha256:{hashlib.sha256(blob).hexdigest()}"
        _call("PUT", f"{where}{joint}{digest}", blob, "application/octet-stream")
    _call("PUT", f"{base}/manifests/1", manifest, str(parts["mediaType"]))
    return f"{registry}/{name}:1"


def _call(method: str, url: str, body: bytes, kind: str) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310  # the registry that this process started
        url, data=body, method=method, headers={"Content-Type": kind} if kind else {}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return dict(answer.headers)
    except urllib.error.HTTPError as error:
        said = error.read(400).decode(errors="replace")
        raise Failure(f"The registry refused {method} {url}: {error.code} {said}") from None
    except OSError as error:
        raise Failure(f"The registry does not answer {method} {url}: {error}") from None


def _blob(tar: tarfile.TarFile, digest: str) -> bytes:
    return _read(tar, f"blobs/{digest.replace(':', '/')}")


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)  # raises KeyError
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()
