"""Servers that boot from volumes: made with them and by themselves, and gone when they should be."""

import pytest

from tests.support.local_cloud import BROKEN, IMAGE
from tests.support.waiting import eventually

COMPUTE = "/compute/v2.1"
ROOT = {"boot_index": 0, "destination_type": "volume"}


def of_image(size=3, *, own=True, **more):
    mapping = ROOT | {"source_type": "image", "uuid": IMAGE.id, "delete_on_termination": own}
    return {"imageRef": "", "block_device_mapping_v2": [mapping | {"volume_size": size} | more]}


def of_volume(volume, **more):
    mapping = ROOT | {"source_type": "volume", "uuid": volume["id"], "delete_on_termination": False}
    return {"imageRef": "", "block_device_mapping_v2": [mapping | more]}


def volumes(user):
    return user("GET", f"{user.volume}/volumes/detail").json["volumes"]


def remove(user, server):
    assert user("DELETE", f"{COMPUTE}/servers/{server['id']}").status == 204
    user.gone(f"{COMPUTE}/servers/{server['id']}")


def test_a_volume_comes_and_goes_with_its_server(local_cloud, alice):
    network, _ = alice.network()
    server = alice.server(network, **of_image())
    assert server["image"] == ""
    (volume,) = volumes(alice)
    assert (volume["size"], volume["status"], volume["bootable"]) == (3, "in-use", "true")
    assert volume["volume_image_metadata"] == {"image_id": IMAGE.id, "image_name": IMAGE.name}
    (attached,) = alice("GET", f"{COMPUTE}/servers/{server['id']}/os-volume_attachments").json[
        "volumeAttachments"
    ]
    assert (attached["volumeId"], attached["device"]) == (volume["id"], "/dev/vda")
    assert alice("GET", f"{COMPUTE}/servers/detail?image={IMAGE.id}").json["servers"] == []
    assert local_cloud.engine.nodes[server["id"]].image == IMAGE.ref
    file = local_cloud.settings.state_dir / "volumes" / f"{volume['id']}.img"
    assert file.stat().st_size == 3 << 30
    remove(alice, server)
    assert volumes(alice) == [] and not file.exists() and local_cloud.host.loops == {}


def test_a_volume_that_was_there_before_stays(alice):
    network, _ = alice.network()
    volume = alice.make(f"{alice.volume}/volumes", "volume", size=2, imageRef=IMAGE.id)
    assert volume["bootable"] == "true"
    server = alice.server(network, **of_volume(volume))
    assert volumes(alice)[0]["status"] == "in-use"
    body = {"name": "other", "flavorRef": "1", "networks": [{"uuid": network["id"]}], **of_volume(volume)}
    assert alice("POST", f"{COMPUTE}/servers", {"server": body}).status == 400, "it has a server"
    remove(alice, server)
    assert [v["status"] for v in volumes(alice)] == ["available"]
    again = alice.server(network, **of_volume(volume, delete_on_termination=True))
    remove(alice, again)
    assert volumes(alice) == []


def test_a_full_project_makes_no_server(local_cloud, alice):
    network, _ = alice.network()
    server = alice.server(network, wait="ERROR", **of_image(11))
    assert "VolumeSizeExceedsAvailableQuota" in server["fault"]["message"]
    assert volumes(alice) == [] and local_cloud.engine.nodes == {}
    remove(alice, server)


@pytest.mark.parametrize("held", [True, False])
def test_killed_while_building_and_deleting(local_cloud, alice, held):
    """Before its node is made, and once it is: in the end there is one volume, which has one server."""
    network, _ = alice.network()
    doomed = alice.server(network, **of_image(1))
    if held:
        local_cloud.engine.hold.clear()
    made = alice.server(network, wait=None if held else "ACTIVE", **of_image(2))
    if held:
        eventually(lambda: len(volumes(alice)) == 2)
    (gone,) = [v["id"] for v in volumes(alice) if v["size"] == 1]
    local_cloud.cloud.volumes.detach(doomed["id"], gone)  # and no further
    local_cloud.store.change("server", doomed["id"], task="deleting")
    local_cloud.kill()
    local_cloud.engine.hold.set()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    alice.wait(made["id"], "ACTIVE")
    alice.gone(f"{COMPUTE}/servers/{doomed['id']}")
    (volume,) = volumes(alice)
    assert [a["server_id"] for a in volume["attachments"]] == [made["id"]]
    assert (volume["size"], volume["status"]) == (2, "in-use")


def test_bad_input(alice):
    network, _ = alice.network()
    empty = alice.make(f"{alice.volume}/volumes", "volume", size=1)
    root = of_image()["block_device_mapping_v2"][0]
    for wrong in (
        of_volume(empty),
        of_image(None),
        of_image(0),
        of_image(uuid=BROKEN.id[:-1]),
        of_image(source_type="snapshot"),
        of_image() | {"imageRef": IMAGE.id},
        {"block_device_mapping_v2": [root, root]},
    ):
        body = {"name": "x", "flavorRef": "1", "networks": [{"uuid": network["id"]}]} | wrong
        answer = alice("POST", f"{COMPUTE}/servers", {"server": body})
        assert answer.status == 400, wrong
    assert alice("POST", f"{COMPUTE}/servers", {"server": body | of_volume({"id": "nope"})}).status == 404
    wrong = {"size": 1, "imageRef": "nope"}
    assert alice("POST", f"{alice.volume}/volumes", {"volume": wrong}).status == 400
    assert alice("GET", f"{COMPUTE}/servers").json["servers"] == []
