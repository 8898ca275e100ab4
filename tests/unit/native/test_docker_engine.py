"""The Docker API of a real swarm, with the certificates that the PKI issues, and refused without them."""

import io
import os
import shutil
import tarfile

import pytest

from magnum_lite.native.docker import SwarmEngine
from magnum_lite.native.engine import EngineRefused, EngineUnreachable
from magnum_lite.native.tls import client_context
from magnum_lite.pki import profiles
from tests.support.waiting import eventually

pytestmark = pytest.mark.local


def _engine(swarm, credentials=None, ca_pem=None, addresses=None):
    certificate, key = credentials or swarm.bay.client()
    return SwarmEngine(
        addresses or [swarm.address], ca_pem or swarm.bay.ca_pem, certificate, key, time_limit=(2, 10)
    )


@pytest.fixture
def engine(swarm):
    """As the conductor uses it: the first address is dead."""
    with _engine(swarm, addresses=["127.0.0.1:9", swarm.address]) as engine:
        yield engine


def _worker(engine):
    return next(node for node in engine.swarm_nodes() if node.role == "worker")


def test_nodes(engine):
    engine.check()
    eventually(lambda: {node.state for node in engine.swarm_nodes()} == {"ready"})
    nodes = {node.role: node for node in engine.swarm_nodes()}
    assert set(nodes) == {"manager", "worker"}
    manager, worker = nodes["manager"], nodes["worker"]
    assert (manager.leader, manager.reachability, manager.address) == (True, "reachable", "10.203.77.5")
    assert (worker.leader, worker.reachability, worker.address) == (False, None, "10.203.77.6")
    assert worker.availability == "active"
    assert worker.engine_version
    assert worker.hostname == os.uname().nodename


def test_labels_are_merged_with_the_tenants_own(engine, swarm):
    worker = _worker(engine)
    swarm.manager.docker("node", "update", "--label-add", "mine=1", worker.id)
    engine.set_labels(worker.id, {"storage": "ssd", "tier": "fast"})
    assert _worker(engine).labels == {"mine": "1", "storage": "ssd", "tier": "fast"}
    engine.set_labels(worker.id, {"storage": None, "tier": "slow", "absent": None})
    assert _worker(engine).labels == {"mine": "1", "tier": "slow"}


def test_promote_and_demote(engine):
    worker = _worker(engine)
    engine.promote(worker.id)
    engine.promote(worker.id)
    eventually(lambda: len([node for node in engine.swarm_nodes() if node.reachability == "reachable"]) == 2)
    engine.demote(worker.id)
    eventually(lambda: len([node for node in engine.swarm_nodes() if node.reachability]) == 1)
    assert _worker(engine).id == worker.id


def test_unknown_nodes_are_refused_with_the_reason(engine):
    for call in (engine.uncordon, engine.promote, engine.demote):
        with pytest.raises(EngineRefused, match="no node nosuchnode"):
            call("nosuchnode")
    assert engine.remove("nosuchnode") is True
    assert engine.drain("nosuchnode") is True


def test_who_is_refused(swarm):
    other = type(swarm.bay)()
    server = swarm.bay.issue(profiles.DOCKER_SERVER, "manager-1", ["10.203.77.2"])
    cases = (
        _engine(swarm, credentials=other.client()),  # another bay's client
        _engine(swarm, credentials=server),  # another manager's certificate as a client's
        _engine(swarm, ca_pem=other.ca_pem),  # the engine is not the one we trust
    )
    for engine in cases:
        with pytest.raises(EngineUnreachable, match=r"10\.203\.77\.2:2376: .*certificate"):
            engine.swarm_nodes()
    certificate, _ = swarm.bay.client()
    _, key = swarm.bay.client()
    with pytest.raises(EngineUnreachable):
        _engine(swarm, credentials=(certificate, key))
    with pytest.raises(EngineUnreachable, match="no manager"):
        SwarmEngine([], swarm.bay.ca_pem, *swarm.bay.client()).check()


def test_only_the_bays_ca_is_trusted_even_after_use(swarm, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    engine = _engine(swarm)
    engine.check()
    assert len(engine._context.get_ca_certs()) == 1
    assert len(client_context(swarm.bay.ca_pem, *swarm.bay.client()).get_ca_certs()) == 1


def _image(swarm):
    """A tiny image on both engines, from the machine's static busybox."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("needs a static busybox for a container")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
    import docker

    for daemon in (swarm.manager, swarm.worker):
        client = docker.APIClient(daemon.url)
        client.import_image_from_data(buffer.getvalue(), repository="mltest", tag="1")
        client.close()


def test_drain_moves_tasks_away(engine, swarm):
    _image(swarm)
    swarm.manager.docker(
        "service", "create", "--detach", "--no-resolve-image", "--mode", "global", "--network", "host",
        "--name", "w", "mltest:1", "/bin/busybox", "sleep", "600",
    )  # fmt: skip
    worker = _worker(engine)
    running = ("ps", "-q")
    try:
        eventually(lambda: swarm.worker.docker(*running))
        assert engine.drain(worker.id) is False
        eventually(lambda: engine.drain(worker.id))
        assert swarm.worker.docker(*running) == ""
        assert _worker(engine).availability == "drain"
    finally:
        swarm.manager.docker("service", "rm", "w")


def test_a_manager_leaves_raft_before_it_is_removed(engine, swarm):
    worker = _worker(engine)
    engine.promote(worker.id)
    eventually(lambda: len([node for node in engine.swarm_nodes() if node.reachability == "reachable"]) == 2)
    assert engine.remove(worker.id) is False
    eventually(lambda: engine.remove(worker.id))
    assert [node.role for node in engine.swarm_nodes()] == ["manager"]
    assert engine.remove(worker.id) is True
    swarm.worker.docker("swarm", "leave", "--force")
    swarm.join()
    eventually(lambda: [node.state for node in engine.swarm_nodes() if node.role == "worker"] == ["ready"])


def test_remove_a_node_that_is_dead(engine, swarm):
    """Last: the worker does not come back."""
    worker = _worker(engine)
    swarm.worker.stop()
    eventually(lambda: _worker(engine).state == "down")
    assert engine.drain(worker.id) is True
    assert engine.remove(worker.id) is True
    assert [node.role for node in engine.swarm_nodes()] == ["manager"]
    assert engine.remove(worker.id) is True


def test_a_node_that_left_the_swarm_is_no_manager(engine, swarm):
    swarm.manager.docker("swarm", "leave", "--force")
    with pytest.raises(EngineRefused, match="not a swarm manager"):
        engine.swarm_nodes()
