"""A mirror, a registry and bays of real Kubernetes.

Cold (nothing built), all of this is skipped. Warm, each check runs the short form; what is marked ``long`` is
for ``make test-kubernetes``, which builds the mirror first.
"""

import contextlib
import time

import pytest

from magnum_lite.local import state
from magnum_lite.local.demo import debian_programs, registry
from magnum_lite.local.demo import mirror as serving
from magnum_lite.local.demo.pushing import push
from tests.kubernetes.building import mirror, recipes
from tests.kubernetes.building.compiler import BuildError
from tests.kubernetes.kubectl import Kubectl, write_config

OLD, NEW = recipes.VERSIONS


def pytest_collection_modifyitems(items):
    """Everything here is Kubernetes."""
    for item in items:
        if "tests/kubernetes/" in item.nodeid:
            item.add_marker(pytest.mark.kubernetes)
            item.add_marker(pytest.mark.local)


@pytest.fixture(scope="session", autouse=True)
def built():
    """The mirror's directory. Before anything else: without it no cloud is started."""
    try:
        where = mirror.path()
    except BuildError as error:
        pytest.skip(f"Kubernetes can't be built on this machine: {error}")
    if not where.exists():
        pytest.skip("Kubernetes is not built on this machine: make kubernetes-mirror (Go; about an hour)")
    return where


@pytest.fixture(scope="package")
def served(machine, built):
    """The mirror's address for nodes."""
    with serving.serving(state.load(machine.state_dir), built, keep=False) as address:
        yield f"http://{address}"


@pytest.fixture(scope="package")
def images(machine, built):
    """A registry with the tests' images: name → reference; and the registry as ``""``."""
    program = debian_programs.registry()
    with registry.serving(state.load(machine.state_dir), program, keep=False) as address:
        names = ("busybox", "redis", "web")
        made = {name: push(built / "images" / f"{name}.tar", address, f"tests/{name}") for name in names}
        yield {**made, "": address}


@pytest.fixture(scope="package")
def tenant(machine):
    """A member of the project demo, with a key pair."""
    found = machine.tenant()
    if not any(pair.name == "my-key" for pair in found.cloud.compute.keypairs()):
        found.cloud.compute.create_keypair(name="my-key")
    return found


@pytest.fixture(scope="package")
def make_bay(tenant, served, images):
    """``make_bay(name, masters, workers, balanced, **labels)``: a bay that is there, removed in the end; its REST view."""
    made = []

    def make(name, *, masters=1, workers=2, balanced=False, **labels):
        wanted = {"kube_tag": OLD, "kube_mirror": served, "etcd_volume_size": "1"} | labels
        model = tenant.model(
            f"model-{name}",
            coe="kubernetes",
            keypair_id="my-key",
            flavor_id="m1.medium",
            master_flavor_id="m2.medium",
            insecure_registry=images[""],
            master_lb_enabled=balanced,
            labels=wanted,
        )
        begun = time.monotonic()
        uuid = tenant.bay(name, model, node_count=workers, master_count=masters)
        made.append((uuid, model["uuid"]))
        found = tenant.complete(uuid, 600)
        print(f"{name}: {masters}+{workers} nodes in {time.monotonic() - begun:.1f} s")
        return found

    yield make
    for uuid, model in made:
        with contextlib.suppress(AssertionError):
            tenant.delete(uuid)
        tenant.call("DELETE", f"/baymodels/{model}")


@pytest.fixture(scope="package")
def bay(make_bay):
    """One master, two workers, of the older version."""
    return make_bay("kube-bay01")


@pytest.fixture(scope="package")
def kubectl_of(tenant, built, tmp_path_factory):
    """``kubectl_of(bay)``: kubectl with a member's certificate of the bay."""

    def make(bay):
        key, certificate, authority = tenant.sign(bay["uuid"])
        file = tmp_path_factory.mktemp("kube") / "config"
        write_config(file, bay["api_address"], authority, key, certificate)
        return Kubectl(built / "dl.k8s.io" / "release" / OLD / "bin/linux/amd64/kubectl", file)

    return make


@pytest.fixture(scope="package")
def kubectl(bay, kubectl_of):
    """For the shared bay."""
    return kubectl_of(bay)
