"""The mirror of Kubernetes: what is found, what is served, and that document, recipes and manifests agree."""

import re
import types
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from magnum_lite import paths
from magnum_lite.local.commands.failure import Failure
from magnum_lite.local.demo import debian_programs, mirror, registry
from magnum_lite.local.demo.pushing import push
from tests.kubernetes.building import oci, recipes

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "dl.k8s.io/release/v1.9.3/bin/linux/amd64/kubectl"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, which nothing beside it is taken for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(mirror.ENVIRONMENT, raising=False)
    return tmp_path / "magnum-lite"


def _make(where, *versions):
    for version in versions:
        (where / "dl.k8s.io" / "release" / version).mkdir(parents=True)
    return where


def test_none_is_said_with_what_to_do(cache):
    (cache / "kubernetes-programs").mkdir(parents=True)
    with pytest.raises(Failure, match="no mirror") as caught:
        mirror.find()
    assert any("make kubernetes-mirror" in line for line in caught.value.advice)


def test_a_built_one_is_found_with_its_versions_in_order(cache):
    made = _make(cache / "kubernetes-0123456789abcdef", "v1.10.0", "v1.9.3")
    assert mirror.find() == made
    assert mirror.versions(made) == ("v1.9.3", "v1.10.0")


def test_a_named_one_goes_first_and_must_be_one(cache, tmp_path, monkeypatch):
    _make(cache / "kubernetes-0123456789abcdef", "v1.9.3")
    other = _make(tmp_path / "other", "v1.8.0")
    monkeypatch.setenv(mirror.ENVIRONMENT, str(other))
    assert mirror.find() == other
    monkeypatch.setenv(mirror.ENVIRONMENT, str(tmp_path))
    with pytest.raises(Failure, match=r"has no dl\.k8s\.io/release"):
        mirror.find()


def test_it_is_served_until_the_end(cache, tmp_path):
    made = _make(cache / "kubernetes-0123456789abcdef", "v1.9.3")
    (made / PROGRAM).parent.mkdir(parents=True)
    (made / PROGRAM).write_bytes(b"\x7fELF")
    (tmp_path / "secret").write_text("beside the mirror")
    settings = types.SimpleNamespace(state_dir=tmp_path / "state", transit_address="127.0.0.1")
    settings.state_dir.mkdir()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with mirror.serving(settings, made, keep=False) as address:
        with opener.open(f"http://{address}/{PROGRAM}", timeout=5) as answer:
            assert answer.read() == b"\x7fELF"
        for beside in ("../../secret", "%2e%2e/%2e%2e/secret"):
            with pytest.raises(urllib.error.HTTPError):
                opener.open(f"http://{address}/{beside}", timeout=5)
    with pytest.raises(urllib.error.URLError):
        opener.open(f"http://{address}/", timeout=5)
    assert not (settings.state_dir / mirror.DIRECTORY).exists()


def test_document_and_recipes_name_the_same_versions():
    text = (ROOT / "doc" / "kubernetes-mirror.rst").read_text()
    named = {
        "etcd-io/etcd/releases/download": recipes.ETCD,
        "containerd/containerd/releases/download": recipes.CONTAINERD,
        "opencontainers/runc/releases/download": recipes.RUNC,
        "containernetworking/plugins/releases/download": recipes.CNI,
    }
    for where, version in named.items():
        assert set(re.findall(rf"{where}/(v[\d.]+\d)", text)) == {version}, where
    for reference in _references() | SIDECARS:
        assert reference in text


def test_addons_ask_for_what_is_built():
    asked = set()
    for manifest in (paths.heat_templates() / "kubernetes" / "addons").rglob("*.yaml"):
        asked |= set(re.findall(r"image: (\S+)", manifest.read_text()))
    assert asked == (_references() | SIDECARS) - {f"registry.k8s.io/pause:{recipes.PAUSE}"}


# Beside Cinder's CSI plug-in; not all of them are published as Go modules.
SIDECARS = {
    "registry.k8s.io/sig-storage/csi-attacher:v4.10.0",
    "registry.k8s.io/sig-storage/csi-provisioner:v5.3.0",
    "registry.k8s.io/sig-storage/csi-resizer:v1.14.0",
    "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15.0",
}


def _references():
    return {
        f"registry.k8s.io/pause:{recipes.PAUSE}",
        f"ghcr.io/flannel-io/flannel:{recipes.FLANNEL}",
        f"registry.k8s.io/coredns/coredns:{recipes.COREDNS}",
        f"registry.k8s.io/metrics-server/metrics-server:{recipes.METRICS_SERVER}",
        f"docker.io/rancher/local-path-provisioner:{recipes.LOCAL_PATH}",
        f"registry.k8s.io/provider-os/openstack-cloud-controller-manager:{recipes.CLOUD_PROVIDER}",
        f"registry.k8s.io/provider-os/cinder-csi-plugin:{recipes.CLOUD_PROVIDER}",
    }


def test_an_image_of_it_is_pushed_and_pulled(tmp_path):
    archive = tmp_path / "one.tar"
    image = oci.Image("docker.io/library/one:1", oci.layer({"bin/one": b"\x7fELF"}), ("/bin/one",))
    oci.write(image, archive)
    settings = types.SimpleNamespace(state_dir=tmp_path / "state", transit_address="127.0.0.1")
    settings.state_dir.mkdir()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with registry.serving(settings, debian_programs.registry(), keep=False) as address:
        assert push(archive, address, "tests/one") == f"{address}/tests/one:1"
        asked = urllib.request.Request(
            f"http://{address}/v2/tests/one/manifests/1",
            headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        )
        with opener.open(asked, timeout=5) as answer:
            assert answer.read() == oci.blobs(image).manifest
            assert answer.headers["Docker-Content-Digest"] == oci.blobs(image).digest
        layer = oci.digest(image.layer)
        with opener.open(f"http://{address}/v2/tests/one/blobs/{layer}", timeout=5) as answer:
            assert answer.read() == image.layer
    with pytest.raises(Failure, match="does not answer"):
        push(archive, address, "tests/one")
    archive.write_bytes(b"")
    with pytest.raises(Failure, match="is no OCI archive"):
        push(archive, address, "tests/one")
