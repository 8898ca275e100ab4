"""Replacing nodes of a real Swarm bay while a service answers: an upgrade to another image."""

import io
import json
import tarfile
import threading
import time
import urllib.error
import urllib.request
import uuid

import pytest
from docker.types import EndpointSpec, ServiceMode

from magnum_lite.local.demo import debian_programs, images
from tests.support.machine import engine, eventually

pytestmark = [pytest.mark.local, pytest.mark.long, pytest.mark.timeout(1200)]
WEB, PORT = "page:1", 8080
_LOAD = f"""[Service]
ExecStartPost=/bin/sh -c '/usr/bin/docker import --change "ENV PATH=/bin" /opt/page.tar {WEB} > /dev/null'
"""
_PAGE = "mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"


@pytest.fixture(scope="module")
def node_images(machine):
    """Names of two node images; their nodes have the page's image, as they reach no registry."""
    outer, names = machine.outer(), {}
    page = images.archive(images.Image("page", ()), debian_programs.busybox())
    base = json.loads((machine.state_dir / "cloud.json").read_text())["images"][0]
    for name in ("first", "second"):
        made = outer.containers.create(base["ref"])
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, content in (
                ("etc/systemd/system/docker.service.d/page.conf", _LOAD.encode()),
                ("opt/page.tar", page),
                ("etc/image-name", name.encode()),
            ):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        made.put_archive("/", packed.getvalue())
        made.commit("magnum-lite-test-node", name)
        made.remove()
        ref = f"magnum-lite-test-node:{name}"
        names[name] = base | {"id": str(uuid.uuid4()), "name": f"node-{name}", "ref": ref}
    where = machine.state_dir / "cloud" / "images.json"
    where.write_text(json.dumps(list(names.values())))
    yield {name: told["name"] for name, told in names.items()}
    where.unlink()
    for told in names.values():
        outer.images.remove(told["ref"], force=True)


class Visitor(threading.Thread):
    """Asks for the page, without a pause, at the addresses that the bay has, as one who knows them by DNS: a
    visit has failed when none of them answers.
    """

    def __init__(self, tenant, uuid):
        super().__init__(daemon=True)
        self._tenant, self._uuid, self._over = tenant, uuid, threading.Event()
        self.visits, self.failed, self.longest = 0, [], 0.0

    def run(self):
        known, asked = [], 0.0
        while not self._over.wait(0.05):
            if time.monotonic() - asked > 1:
                found = self._tenant.get(f"/bays/{self._uuid}/nodes")["nodes"]
                known = [n["floating_address"] or n["address"] for n in found if n["role"] == "worker"]
                asked = time.monotonic()
            began = time.monotonic()
            good = any(self._answers(address) for address in known if address)
            self.visits += 1
            self.longest = max(self.longest, time.monotonic() - began)
            if not good:
                self.failed.append(round(began, 1))

    def _answers(self, address):
        try:
            with urllib.request.urlopen(f"http://{address}:{PORT}/", timeout=1) as answer:
                return answer.read() == b"hello\n"
        except (OSError, urllib.error.URLError):
            return False

    def end(self):
        self._over.set()
        self.join(10)
        return f"{self.visits} visits, {len(self.failed)} failed, longest {self.longest:.2f} s"


def serve(client):
    """The page on all workers."""
    service = client.services.create(
        WEB,
        command=["sh", "-c", _PAGE],
        name="page",
        constraints=["node.role==worker"],
        endpoint_spec=EndpointSpec(ports={PORT: (PORT, "tcp", "host")}),
        mode=ServiceMode("global"),
    )
    eventually("the page", lambda: _running(service) == 2, 60)


def _running(service):
    tasks = service.tasks(filters={"desired-state": "running"})
    return sum(t["Status"]["State"] == "running" for t in tasks)


def image_of(machine, node):
    return machine.inside(node["server_id"], "cat", "/etc/image-name")[1]


def messages(tenant, uuid, kind):
    found = tenant.get(f"/bays/{uuid}/events")["events"]
    return [e["message"] for e in found if e["kind"] == kind]


def upgraded(tenant, uuid, model, **more):
    """Upgrade and wait; the bay and the seconds that it took."""
    body = {"cluster_template": model["uuid"]} | more
    began = time.monotonic()
    tenant.call("POST", f"/bays/{uuid}/actions/upgrade", body, 202)
    return tenant.complete(uuid, 900), time.monotonic() - began


def test_an_upgrade_replaces_all_nodes_while_the_service_answers(machine, tenant, node_images):
    before = machine.leftovers()
    old = tenant.model("one", image_id=node_images["first"])
    new = tenant.model("two", image_id=node_images["second"])
    uuid = tenant.bay("replaced", old, node_count=2)
    bay = tenant.complete(uuid)
    first = tenant.nodes(uuid)
    assert {image_of(machine, n) for n in first} == {"first"}
    with engine(bay["api_address"], *tenant.sign(uuid)) as client:
        serve(client)

    visitor = Visitor(tenant, uuid)
    visitor.start()
    found, seconds = upgraded(tenant, uuid, new)
    said = visitor.end()
    print(f"upgrade of 1+2: {seconds:.1f} s, {seconds / 3:.1f} s a node; {said}")
    assert visitor.visits > 20 and not visitor.failed, said
    nodes = tenant.nodes(uuid)
    assert {image_of(machine, n) for n in nodes} == {"second"}
    assert len(nodes) == 3 and {n["server_id"] for n in nodes}.isdisjoint(n["server_id"] for n in first)
    assert found["baymodel_id"] == new["uuid"] and found["api_address"] != bay["api_address"]
    with engine(found["api_address"], *tenant.sign(uuid)) as client:
        swarm = client.nodes.list()
        assert len(swarm) == 3, [n.attrs["Description"]["Hostname"] for n in swarm]
        assert {n.attrs["Status"]["State"] for n in swarm} == {"ready"}
        assert _running(client.services.get("page")) == 2, "the swarm is the same one"
    assert messages(tenant, uuid, "replacement")
    tenant.call("POST", f"/bays/{uuid}/actions/resize", {"node_count": 3}, 202)
    tenant.complete(uuid)
    later = tenant.nodes(uuid)
    assert {image_of(machine, n) for n in later} == {"second"}
    assert {n["server_id"] for n in nodes} < {n["server_id"] for n in later}
    tenant.delete(uuid)
    assert machine.leftovers() == before


def test_managers_one_at_a_time(machine, tenant, node_images):
    old = tenant.model("m-one", image_id=node_images["first"])
    uuid = tenant.bay("managers", old, node_count=1, master_count=3)
    bay = tenant.complete(uuid, 400)
    with engine(bay["api_address"], *tenant.sign(uuid)) as client:
        cluster = client.info()["Swarm"]["Cluster"]["ID"]
    new = tenant.model("m-two", image_id=node_images["second"])
    found, seconds = upgraded(tenant, uuid, new)
    print(f"upgrade of 3+1: {seconds:.1f} s, {seconds / 4:.1f} s a node")
    assert {image_of(machine, n) for n in tenant.nodes(uuid)} == {"second"}
    with engine(found["api_address"], *tenant.sign(uuid)) as client:
        info = client.info()["Swarm"]
        assert (info["Cluster"]["ID"], info["Managers"], info["Nodes"]) == (cluster, 3, 4)
    tenant.delete(uuid)
