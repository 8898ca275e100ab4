"""The machine's cloud, for real: from nothing to ready, killed in every part, down, up, purged.

One instance serves all tests of this module, in the order of the file: each leaves it running.
"""

import os
import shutil
import signal
import subprocess
import sys

import openstack
import pytest

from magnum_lite.local import claims, dockerd, host_network, processes, runtime, state, trees
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.local,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs mmdebstrap for the node image"),
]


def host_traces():
    """What an instance could leave behind on the host: its firewall, links, routes, namespaces, loops."""
    commands = (
        ("iptables", "-S"),
        ("iptables", "-t", "nat", "-S"),
        ("ip", "-brief", "link"),
        ("ip", "route"),
        ("ip", "netns", "list"),
    )
    return {
        command: subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in commands
    }


def traces_of(settings):
    """What of the host's things bears this instance's name or addresses."""
    marks = (settings.instance, f"mlite{settings.octet}", f"{settings.network_prefix}.")
    return [
        line
        for text in host_traces().values()
        for line in text.splitlines()
        if any(mark in line for mark in marks)
    ]


def units(settings):
    return {each.name: each for each in runtime.status(settings.state_dir)}


def pids(settings):
    return {name: each.pid for name, each in units(settings).items() if each.pid}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A running instance of its own; whatever happens, nothing of it stays."""
    state_dir = tmp_path_factory.mktemp("cloud") / "state"
    steps = []
    try:
        runtime.up(state_dir, progress=steps.append)
        settings = state.load(state_dir)
        assert any("node image" in step for step in steps)
        yield settings
    finally:
        runtime.down(state_dir, purge_all=True)


@pytest.fixture(scope="module")
def connect(cloud):
    """Connections of the openstack SDK through the written clouds.yaml."""
    config = openstack.config.OpenStackConfig(config_files=[str(cloud.state_dir / "clouds.yaml")])
    return lambda name="magnum-lite": openstack.connection.Connection(config=config.get_one(name))


@pytest.fixture(scope="module")
def node(cloud):
    """A container on the outer dockerd that stays up, from the node image."""
    client = dockerd.connect(cloud)
    made = client.containers.create(
        "magnum-lite/node:debian-12",
        entrypoint=["sleep", "infinity"],
        network_mode="none",
        restart_policy={"Name": "unless-stopped"},
        init=True,
    )
    made.start()
    yield made
    client.close()


def test_every_kind_of_user_gets_a_token_and_sees_the_catalogue(connect):
    for name, project in (
        ("magnum-lite", "demo"),
        ("magnum-lite-demo2", "demo2"),
        ("magnum-lite-reader", "demo"),
        ("magnum-lite-admin", "admin"),
    ):
        connection = connect(name)
        assert connection.current_project.name == project
        kinds = {entry["type"] for entry in connection.service_catalog}
        assert {"orchestration", "compute", "network", "image", "container-infra"} <= kinds


def test_stock_clients_list_what_the_cloud_has(connect):
    connection = connect()
    assert {each.name for each in connection.image.images()} >= {"debian-12-node", "fedora-atomic-23"}
    assert {each.name for each in connection.compute.flavors()} == {"m1.small", "m1.medium", "m2.medium"}
    assert list(connection.orchestration.stacks()) == []
    answer = connection.session.get(
        "/clusters", endpoint_filter={"service_type": "container-infra", "interface": "public"}
    )
    assert answer.json()["clusters"] == []


def test_secrets_are_private_and_services_are_on_loopback(cloud):
    for path in (
        cloud.state_dir / "secrets",
        cloud.state_dir / "magnum_lite.conf",
        cloud.state_dir / "clouds.yaml",
    ):
        assert path.stat().st_mode & 0o077 == 0, path
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    mine = {str(process.pid) for process in processes.of_instance(cloud.state_dir)}
    for line in listening.splitlines():
        if any(f"pid={pid}," in line for pid in mine):
            address = line.split()[3].rsplit(":", 1)[0]
            assert address in ("127.0.0.1", cloud.transit_address), line


def test_no_secret_is_on_a_command_line(cloud):
    secrets = [path.read_text().strip() for path in (cloud.state_dir / "secrets").iterdir()]
    for process in processes.of_instance(cloud.state_dir):
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            line = file.read().decode(errors="replace")
        assert not [secret for secret in secrets if secret in line]


def test_a_second_up_changes_nothing(cloud):
    before = pids(cloud)
    runtime.up(cloud.state_dir, progress=lambda _line: None)
    assert pids(cloud) == before


@pytest.mark.parametrize("name", ["magnum-lite", "local-cloud", "heat", "keystone", "dockerd", "containerd"])
def test_a_killed_process_is_started_again(cloud, node, connect, name):
    before = units(cloud)[name]
    os.kill(before.pid, signal.SIGKILL)
    eventually(
        lambda: units(cloud)[name].pid not in (0, before.pid) and units(cloud)[name].state == "ready", 120
    )
    assert units(cloud)[name].restarts == before.restarts + 1
    eventually(lambda: dockerd.ready(cloud), 120)
    node.reload()
    assert node.status == "running"  # nodes outlive every one of our processes
    eventually(lambda: list(connect().orchestration.stacks()) == [], 120)


def test_up_after_the_supervisor_was_killed(cloud, node, connect):
    before = pids(cloud)
    os.kill(before["supervisor"], signal.SIGKILL)
    eventually(lambda: not pids(cloud), 120)
    runtime.up(cloud.state_dir, progress=lambda _line: None)
    after = pids(cloud)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert [pid for pid in before.values() if processes.identify(pid)] == []
    node.reload()
    assert node.status == "running"
    connect().authorize()


@pytest.mark.parametrize("reboot", [False, True])
def test_down_stops_everything_and_up_brings_the_same_nodes_back(cloud, node, connect, reboot):
    client = dockerd.connect(cloud)
    stopped = client.containers.create(
        "magnum-lite/node:debian-12", entrypoint=["true"], network_mode="none"
    )  # as one that a tenant stopped
    client.close()
    token = connect().authorize()
    runtime.down(cloud.state_dir)
    assert not pids(cloud)
    assert processes.of_instance(cloud.state_dir) == ()
    runtime.down(cloud.state_dir)  # once more is no error
    if reboot:  # what a reboot takes away
        host_network.remove(cloud)
        trees.remove(cloud.run_dir)
        assert traces_of(cloud) == []
    runtime.up(cloud.state_dir, progress=lambda _line: None)
    node.reload()
    assert node.status == "running"
    stopped.reload()
    assert stopped.status == "created"
    answer = connect().session.get(
        f"{cloud.keystone_url}/auth/tokens", headers={"X-Subject-Token": token}
    )  # the same keys as before
    assert answer.status_code == 200


def test_two_instances_live_side_by_side_and_purge_leaves_nothing(cloud, tmp_path):
    """The second is also killed in the middle of its birth, as purge must work on that."""
    other = claims.choose(tmp_path / "other")
    assert other.octet != cloud.octet
    assert not other.ports() & cloud.ports()
    daemon = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env={**os.environ, processes.MARK_INSTANCE: str(other.state_dir)},
    )
    dockerd.prepare(other)
    assert traces_of(other)
    runtime.down(other.state_dir, purge_all=True)
    assert daemon.wait(10) == -signal.SIGKILL
    assert traces_of(other) == []
    assert not other.state_dir.exists()
    assert not other.run_dir.exists()
    runtime.down(other.state_dir, purge_all=True)  # once more is no error
    assert units(cloud)["keystone"].state == "ready"


def test_purge_leaves_nothing(cloud, node):
    """The last test of this module: afterwards the fixture purges what is no longer there."""
    rules = {command: text for command, text in host_traces().items() if command[0] == "iptables"}
    runtime.down(cloud.state_dir, purge_all=True)
    assert traces_of(cloud) == []
    assert host_network.leftovers(cloud) == ()
    assert processes.of_instance(cloud.state_dir) == ()
    assert not cloud.state_dir.exists()
    assert not cloud.run_dir.exists()
    after = host_traces()
    assert {command: after[command] for command in rules} == rules
    assert [other.octet for other in claims.others(cloud.state_dir)].count(cloud.octet) == 0
