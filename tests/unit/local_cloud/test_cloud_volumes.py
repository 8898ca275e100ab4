"""Volumes: attached, taken away, made again after a start, and never lost in between."""

import re

import pytest

COMPUTE = "/compute/v2.1"


@pytest.fixture
def pair(alice):
    """A running server and a free volume."""
    network, _ = alice.network()
    return alice.server(network), alice.make(f"{alice.volume}/volumes", "volume", size=1, name="data")


def _attach(user, server, volume, **more):
    body = {"volumeAttachment": {"volumeId": volume["id"], **more}}
    return user("POST", f"{COMPUTE}/servers/{server['id']}/os-volume_attachments", body)


def _volume(user, volume):
    return user("GET", f"{user.volume}/volumes/{volume['id']}").json["volume"]


def test_attach_and_detach(local_cloud, alice, pair):
    server, volume = pair
    file = local_cloud.settings.state_dir / "volumes" / f"{volume['id']}.img"
    assert file.stat().st_size == 1 << 30
    made = _attach(alice, server, volume, device="/dev/vdb").json["volumeAttachment"]
    assert made["device"] == "/dev/vdb"
    assert _volume(alice, volume)["attachments"][0]["server_id"] == server["id"]
    assert local_cloud.engine.commands[-1][1][3:] == ("sh", "/dev/vdb", "7", "0", volume["id"][:20])
    assert _attach(alice, server, volume).status == 400
    assert alice("DELETE", f"{alice.volume}/volumes/{volume['id']}").status == 400
    url = f"{COMPUTE}/servers/{server['id']}/os-volume_attachments/{volume['id']}"
    assert alice("GET", url).status == 200
    assert alice("DELETE", url).status == 202
    assert alice("GET", url).status == 404
    assert _volume(alice, volume)["status"] == "available"
    assert local_cloud.host.loops == {}
    assert alice("DELETE", f"{alice.volume}/volumes/{volume['id']}").status == 202
    assert not file.exists()


def test_bad_devices(alice, pair):
    server, volume = pair
    assert _attach(alice, server, volume, device="/dev/../etc/passwd").status == 400
    assert _attach(alice, server, {"id": "nope"}).status == 404
    assert _volume(alice, volume)["status"] == "available"


def test_a_volume_that_the_kernel_still_uses(local_cloud, alice, pair):
    server, volume = pair
    _attach(alice, server, volume)
    local_cloud.host.busy = set(local_cloud.host.loops)
    assert (
        alice("DELETE", f"{COMPUTE}/servers/{server['id']}/os-volume_attachments/{volume['id']}").status
        == 202
    )
    # a stack that is being deleted must go on
    assert _volume(alice, volume)["status"] == "available"
    assert _attach(alice, server, volume).status == 409
    assert _volume(alice, volume)["status"] == "available"
    local_cloud.host.busy = set()
    local_cloud.host.loops.clear()
    assert _attach(alice, server, volume).status == 200


def test_made_again_when_the_node_starts(local_cloud, alice, pair):
    server, volume = pair
    _attach(alice, server, volume)
    local_cloud.host.loops.clear()  # as after a reboot of the machine
    before = len(local_cloud.engine.commands)
    local_cloud.cloud.volumes.remake(server["id"])
    assert len(local_cloud.engine.commands) == before + 1
    assert len(local_cloud.host.loops) == 1


def test_attached_to_a_server_that_stands_still(local_cloud, alice, pair):
    server, volume = pair
    alice("POST", f"{COMPUTE}/servers/{server['id']}/action", {"os-stop": None})
    alice.wait(server["id"], "SHUTOFF")
    assert _attach(alice, server, volume).status == 200
    assert local_cloud.engine.commands == []
    alice("POST", f"{COMPUTE}/servers/{server['id']}/action", {"os-start": None})
    alice.wait(server["id"], "ACTIVE")
    local_cloud.cloud.volumes.remake(server["id"])
    assert len(local_cloud.engine.commands) == 1


def test_a_server_that_goes_gives_its_volumes_back(local_cloud, alice, pair):
    server, volume = pair
    _attach(alice, server, volume)
    alice("DELETE", f"{COMPUTE}/servers/{server['id']}")
    alice.gone(f"{COMPUTE}/servers/{server['id']}")
    assert _volume(alice, volume)["status"] == "available"
    assert local_cloud.host.loops == {}


def test_attached_at_boot(alice):
    network, _ = alice.network()
    volume = alice.make(f"{alice.volume}/volumes", "volume", size=1)
    mapping = {"source_type": "volume", "destination_type": "volume", "uuid": volume["id"], "boot_index": -1}
    server = alice.server(network, block_device_mapping_v2=[mapping])
    assert server["os-extended-volumes:volumes_attached"] == [{"id": volume["id"]}]


@pytest.mark.parametrize(
    ("cut_off", "holds"), [("attaching", False), ("detaching", True), ("creating", False)]
)
def test_killed_in_between(local_cloud, alice, pair, cut_off, holds):
    server, volume = pair
    if holds:
        _attach(alice, server, volume)
    local_cloud.store.change("volume", volume["id"], status=cut_off)
    local_cloud.kill()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    assert _volume(alice, volume)["status"] == "available"
    assert _attach(alice, server, volume).status == 200


def test_times_as_cinder_and_nova_write_them(alice, pair):
    """Without a zone, and with microseconds: clients in Go refuse any other form."""
    server, volume = pair
    _attach(alice, server, volume)
    shown = alice("GET", f"{COMPUTE}/servers/{server['id']}").json["server"]["OS-SRV-USG:launched_at"]
    found = [_volume(alice, volume)["created_at"], _volume(alice, volume)["updated_at"], shown]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", t) for t in found if t), found
    assert found[0] and found[2]
