"""DNAT rules and loop devices on a real machine, in a network namespace of the test's own."""

import subprocess
import uuid

import pytest

from magnum_lite.local.cloud.host import HostError, LinuxHost
from tests.support.outer_docker import missing
from tests.support.waiting import eventually

pytestmark = pytest.mark.local


@pytest.fixture
def netns():
    """A network namespace."""
    if reason := missing():
        pytest.skip(reason)
    name = f"mglhost-{uuid.uuid4().hex[:6]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=False)


def _rules(netns):
    command = ["nsenter", f"--net={netns}", "iptables", "-t", "nat", "-S"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_rules_are_always_the_whole(netns):
    host = LinuxHost(netns, "MGL-10.78")
    host.publish({"10.78.254.1": "10.78.1.10", "10.78.254.2": "10.78.2.10"})
    rules = _rules(netns)
    assert "-A MGL-10.78-FIP -d 10.78.254.1/32 -j DNAT --to-destination 10.78.1.10" in rules
    assert sum("DNAT" in rule for rule in rules) == 2
    assert sum("MASQUERADE" in rule for rule in rules) == 2
    host.publish({"10.78.254.1": "10.78.1.10", "10.78.254.2": "10.78.2.10"})  # again
    assert _rules(netns) == rules
    host.publish({"10.78.254.2": "10.78.3.10"})
    rules = _rules(netns)
    assert [rule for rule in rules if "DNAT" in rule] == [
        "-A MGL-10.78-FIP -d 10.78.254.2/32 -j DNAT --to-destination 10.78.3.10"
    ]
    assert sum(rule.startswith("-A PREROUTING") for rule in rules) == 1
    host.publish({})
    assert not any("DNAT" in rule or "MASQUERADE" in rule for rule in _rules(netns))


def test_a_namespace_that_is_gone():
    if reason := missing():
        pytest.skip(reason)
    with pytest.raises(HostError):
        LinuxHost("/run/netns/mgl-no-such-namespace", "MGL-X").publish({})


def test_loop_devices(tmp_path):
    if reason := missing():
        pytest.skip(reason)
    host, file = LinuxHost(None, "MGL-X"), tmp_path / "v.img"
    assert not host.attached(file)
    host.release(file)  # none is fine
    with file.open("wb") as content:
        content.truncate(1 << 20)
    try:
        major, minor = host.attach(file)
        assert host.attach(file) == (major, minor)  # the one that it has
        assert (major, host.attached(file)) == (7, True)
        with file.open("ab") as content:
            content.truncate(2 << 20)
        host.grow(file)
        size = subprocess.run(
            ["blockdev", "--getsize64", f"/dev/loop{minor}"], capture_output=True, check=True
        )
        assert int(size.stdout) == 2 << 20
    finally:
        host.release(file)
    eventually(lambda: not host.attached(file))
