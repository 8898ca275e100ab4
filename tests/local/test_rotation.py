"""Rotation of CA and credentials on a real Swarm bay: what runs goes on running, and nobody is locked out
before the old CA's time is over.
"""

import os
import subprocess
import time

import docker
import pytest
from cryptography import x509

from magnum_lite.local.demo import debian_programs, images
from tests.support.machine import REFUSED, engine, eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def bay(tenant):
    uuid = tenant.bay("rotated", tenant.model("rotated"), node_count=1)
    yield tenant.complete(uuid)
    tenant.delete(uuid)


@pytest.fixture(scope="module")
def container(tenant, bay):
    """A container that nobody would start again: id and when it was started."""
    busybox = images.IMAGES[0]
    with engine(bay["api_address"], *tenant.sign(bay["uuid"])) as client:
        archive = images.archive(busybox, debian_programs.busybox())
        client.api.import_image_from_data(archive, "runs-on", "1", changes=["ENV PATH=/bin"])
        made = client.containers.run("runs-on:1", ["sleep", "100000"], detach=True, network_mode="none")
        return made.id, client.api.inspect_container(made.id)["State"]["StartedAt"]


def goes_on(client, container):
    state = client.api.inspect_container(container[0])["State"]
    return state["Running"] and state["StartedAt"] == container[1]


def text(machine, node, path):
    code, out = machine.inside(node["server_id"], "cat", path)
    assert code == 0, out
    return out


def serial(pem):
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def rotate(tenant, what, uuid):
    """Until the status is complete; meanwhile the bay is used all the time. Gives how long it took."""
    started = time.monotonic()
    tenant.call("PATCH", f"/{what}/{uuid}", expect=202)
    tenant.complete(uuid, 120)
    return time.monotonic() - started


def test_in_two_steps(machine, tenant, bay, container):
    uuid, address = bay["uuid"], bay["api_address"]
    nodes = tenant.nodes(uuid)
    manager = next(n for n in nodes if n["role"] == "master")
    before = {n["hostname"]: text(machine, n, "/etc/magnum-lite/identity.pem") for n in nodes}
    server = text(machine, manager, "/etc/docker/server.pem")
    old = tenant.sign(uuid)

    tenant.call("PATCH", f"/certificates/{uuid}", expect=202)
    with engine(address, *old) as long_lived:
        used = 0
        while tenant.get(f"/bays/{uuid}")["status"] == "UPDATE_IN_PROGRESS":
            assert goes_on(long_lived, container)
            for credentials in (old, tenant.sign(uuid)):
                with engine(address, *credentials) as client:
                    assert goes_on(client, container)
                    used += 1
        assert tenant.complete(uuid)["status"] == "UPDATE_COMPLETE"
        assert used > 0
        new = tenant.sign(uuid)
        assert new[2].count("BEGIN CERTIFICATE") == 2
        for credentials in (old, new):
            with engine(address, *credentials) as client:
                assert goes_on(client, container)
        for node in nodes:
            assert text(machine, node, "/etc/magnum-lite/identity.pem") != before[node["hostname"]]
        assert serial(text(machine, manager, "/etc/docker/server.pem")) != serial(server)

        print(f"completion: {rotate(tenant, 'certificates', uuid):.1f} s")
        assert tenant.get(f"/certificates/{uuid}")["pem"].count("BEGIN CERTIFICATE") == 1
        with engine(address, *new) as client:
            assert goes_on(client, container), "dockerd and its containers were never stopped"
            assert [n.attrs["Status"]["State"] for n in client.nodes.list()] == ["ready"] * 2
        with pytest.raises(REFUSED), engine(address, *old) as client:
            client.ping()
        with pytest.raises(REFUSED), engine(address, old[0], old[1], new[2]) as client:
            client.ping()
        with pytest.raises(REFUSED):
            eventually("the old connection ends", lambda: not long_lived.ping(), 30)
    now = text(machine, manager, "/etc/docker/ca.pem")
    assert now.strip() == tenant.get(f"/certificates/{uuid}")["pem"].strip()
    eventually("healthy", lambda: tenant.get(f"/bays/{uuid}")["health_status"] == "HEALTHY", 60)


def test_credentials(machine, tenant, bay, container):
    uuid, mine = bay["uuid"], tenant.sign(bay["uuid"])
    with engine(bay["api_address"], *mine) as client:
        tokens = dict(client.swarm.attrs["JoinTokens"])
        print(f"credentials: {rotate(tenant, 'credentials', uuid):.1f} s")
        client.swarm.reload()
        assert set(client.swarm.attrs["JoinTokens"].values()).isdisjoint(tokens.values())
        assert goes_on(client, container)
    # a node that comes now joins with the new token
    tenant.call("PATCH", f"/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": 2}], 202)
    tenant.complete(uuid)
    with engine(bay["api_address"], *mine) as client:
        assert client.info()["Swarm"]["Nodes"] == 3
        assert goes_on(client, container)


def test_streams_pass_through(tenant, bay, container):
    """exec, attach and logs take the connection over: they are not plain requests."""
    with engine(bay["api_address"], *tenant.sign(bay["uuid"])) as client:
        found = client.containers.get(container[0])
        code, out = found.exec_run(["sh", "-c", "echo one; echo two >&2; exit 3"])
        assert (code, sorted(out.split())) == (3, [b"one", b"two"])
        made = client.api.exec_create(container[0], ["sh", "-c", "cat; echo done"], stdin=True)
        stream = client.api.exec_start(made["Id"], socket=True)
        raw = getattr(stream, "_sock", stream)
        raw.sendall(b"typed\n")
        assert b"typed" in raw.recv(4096)
        raw.close()
        with pytest.raises(docker.errors.NotFound):
            client.containers.get("no-such-container")


def test_the_docker_command_and_the_end_of_its_input(tenant, bay, container, tmp_path):
    """`docker run -i` says that its input is over, and still wants all of the output."""
    key, certificate, ca = tenant.sign(bay["uuid"])
    for name, content in (("key.pem", key), ("cert.pem", certificate), ("ca.pem", ca)):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    host = bay["api_address"].replace("https://", "tcp://")
    sent = b"0123456789abcdef" * 2**16
    done = subprocess.run(
        ["docker", "run", "-i", "--rm", "--network", "none", "runs-on:1", "cat"],
        env=os.environ | {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)},
        input=sent, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == sent


def test_killed_in_mid_rotation(machine, tenant, bay, container):
    uuid = bay["uuid"]
    for cas in (2, 1):
        mine = tenant.sign(uuid)
        tenant.call("PATCH", f"/certificates/{uuid}", expect=202)
        machine.kill("magnum-lite")
        tenant.complete(uuid, 120)
        assert tenant.get(f"/certificates/{uuid}")["pem"].count("BEGIN CERTIFICATE") == cas
        with engine(bay["api_address"], *tenant.sign(uuid)) as client:
            assert goes_on(client, container)
        if cas == 2:
            with engine(bay["api_address"], *mine) as client:
                assert goes_on(client, container)
