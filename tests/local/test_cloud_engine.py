"""One contract for the container engine: the in-memory twin and a real dockerd."""

import threading
import uuid

import pytest

from magnum_lite.local.cloud.docker_engine import DockerEngine
from magnum_lite.local.cloud.engine import AddressConflict, EngineAway, EngineError, Link, NodeSpec
from magnum_lite.local.cloud.memory import MemoryEngine
from tests.support.outer_docker import IMAGE, outer_docker
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory):
    """A dockerd for this file."""
    with outer_docker(tmp_path_factory.mktemp("outer")) as made:
        yield made


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.local)])
def engine(request):
    """Each engine."""
    if request.param == "memory":
        yield MemoryEngine(frozenset({IMAGE}))
        return
    made = DockerEngine(request.getfixturevalue("dockerd").socket, uuid.uuid4().hex)
    yield made
    for server_id in made.states():
        made.remove(server_id)
    made.close()


@pytest.fixture
def subnet(engine):
    """A subnet, removed in the end."""
    ident = str(uuid.uuid4())
    engine.ensure_network(ident, "p1", "10.78.1.0/24", "10.78.1.1")
    yield ident
    for server_id in engine.states():
        engine.remove(server_id)
    engine.remove_network(ident)


def _spec(subnet, address="10.78.1.10", **values):
    link = Link(subnet, address, "02:42:" + ":".join(f"{int(part):02x}" for part in address.split(".")))
    wanted = {"image": IMAGE, "ram_mib": 64, "vcpus": 64, "files": {"/seed/user-data": b"hello"}}
    return NodeSpec(
        server_id=str(uuid.uuid4()), project_id="p1", hostname="node", links=(link,), **{**wanted, **values}
    )


def test_networks(engine, subnet):
    engine.ensure_network(subnet, "p1", "10.78.1.0/24", "10.78.1.1")  # again
    with pytest.raises(AddressConflict):
        engine.ensure_network(str(uuid.uuid4()), "p1", "10.78.1.0/25", "10.78.1.1")
    engine.remove_network(subnet)
    engine.remove_network(subnet)  # none is fine
    engine.ensure_network(subnet, "p1", "10.78.1.0/24", "10.78.1.1")


def test_life_of_a_node(engine, subnet):
    spec = _spec(subnet)
    assert engine.state(spec.server_id) is None
    engine.run(spec)
    engine.run(spec)  # again
    assert engine.state(spec.server_id) == "running"
    assert engine.states() == {spec.server_id: "running"}
    with pytest.raises(EngineError):
        engine.remove_network(subnet)
    for action, state in (
        ("pause", "paused"), ("unpause", "running"), ("stop", "exited"), ("start", "running"),
        ("restart", "running"), ("kill", "running"), ("pause", "paused"), ("kill", "running"),
    ):  # fmt: skip
        engine.act(spec.server_id, action)
        assert engine.state(spec.server_id) == state, action
    engine.remove(spec.server_id)
    engine.remove(spec.server_id)  # none is fine
    assert engine.states() == {}


def test_refusals(engine, subnet):
    with pytest.raises(EngineError, match=r"[Nn]o such image"):
        engine.run(_spec(subnet, image="no-such-image:at-all"))
    with pytest.raises(EngineError):
        engine.run(_spec(str(uuid.uuid4())))
    first, second = _spec(subnet), _spec(subnet)
    engine.run(first)
    with pytest.raises(EngineError, match="Address already in use"):
        engine.run(second)
    nobody = str(uuid.uuid4())
    for call in (
        lambda: engine.act(nobody, "start"),
        lambda: engine.execute(nobody, ("true",)),
        lambda: engine.connect(nobody, first.links[0]),
    ):
        with pytest.raises(EngineError):
            call()
    assert engine.console(nobody) == ""


def test_interfaces(engine, subnet):
    other = str(uuid.uuid4())
    engine.ensure_network(other, "p1", "10.78.2.0/24", "10.78.2.1")
    spec = _spec(subnet)
    engine.run(spec)
    engine.connect(spec.server_id, Link(other, "10.78.2.20", "02:42:0a:4e:02:14"))
    with pytest.raises(EngineError):
        engine.remove_network(other)
    engine.disconnect(spec.server_id, other)
    engine.disconnect(spec.server_id, other)  # again
    engine.remove_network(other)


def test_starts_are_reported(engine, subnet):
    started, back = [], threading.Event()
    threading.Thread(target=engine.watch, args=(started.append, back.set), daemon=True).start()
    assert back.wait(20)
    spec = _spec(subnet)
    engine.run(spec)
    eventually(lambda: started == [spec.server_id])
    engine.act(spec.server_id, "restart")
    eventually(lambda: started == [spec.server_id] * 2)
    engine.close()


def test_an_engine_that_is_away(tmp_path):
    engine = DockerEngine(str(tmp_path / "nothing.sock"), "c")
    assert not engine.alive()
    with pytest.raises(EngineAway):
        engine.states()


@pytest.mark.local
def test_what_only_a_real_node_has(dockerd):
    engine = DockerEngine(dockerd.socket, "c1")
    subnet, other = str(uuid.uuid4()), str(uuid.uuid4())
    engine.ensure_network(subnet, "p1", "10.78.3.0/24", "10.78.3.1")
    engine.ensure_network(other, "p1", "10.78.4.0/24", "10.78.4.1")
    links = (Link(subnet, "10.78.3.10", "02:42:0a:4e:03:0a"), Link(other, "10.78.4.10", "02:42:0a:4e:04:0a"))
    spec = NodeSpec(
        "s1", "p1", "bay-node", IMAGE, 64, 1, links, {"/var/lib/seed/user-data": b"hello"}, ("9.9.9.9",)
    )
    engine.run(spec)
    code, output = engine.execute("s1", ("cat", "/var/lib/seed/user-data", "/proc/sys/kernel/hostname"))
    assert (code, output) == (0, "hellobay-node\n")
    code, output = engine.execute("s1", ("cat", "/sys/class/net/eth0/address", "/sys/class/net/eth1/address"))
    assert sorted(output.split()) == [link.mac for link in links]  # dockerd promises no order
    assert engine.execute("s1", ("mknod", "/dev/x", "b", "7", "0"))[0] == 0
    assert engine.console("s1") == "booted\ncloud-init done\n"
    assert DockerEngine(dockerd.socket, "another").states() == {}
    # a node comes back with its dockerd, and the one that watches hears of it
    started, back = [], []
    threading.Thread(target=engine.watch, args=(started.append, lambda: back.append(1)), daemon=True).start()
    eventually(lambda: back)
    dockerd.stop()
    with pytest.raises(EngineAway):
        engine.state("s1")
    dockerd.start()
    eventually(lambda: len(back) == 2 and engine.state("s1") == "running")
    engine.act("s1", "stop")
    assert engine.console("s1").endswith("cloud-init done\n")
    engine.remove("s1")
    engine.close()
    engine.remove_network(subnet)
    engine.remove_network(other)
