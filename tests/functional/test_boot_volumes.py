"""Nodes that boot from volumes, and bays that carried the labels before these did anything."""

import pytest

from magnum_lite.db.schema import cluster, node, nodegroup
from tests.functional.test_conductor import nodes
from tests.functional.test_nodegroup_life import V, add

LABELS = {"boot_volume_size": "20", "boot_volume_type": "fast"}


def boots(stand, bay):
    """Host name's end → what the node boots from, by the stack itself."""
    found = stand.stacks.look(lambda stacks: [n for s in stacks for n in s.nodes])
    servers = {n.server: n.boot for n in found}
    return {name: servers[n["server_id"]] for name, n in nodes(stand, bay).items()}


def servers(stand, bay):
    return {name: n["server_id"] for name, n in nodes(stand, bay).items()}


def resize(stand, bay, count):
    body = {"node_count": count}
    stand.api.post_json(f"/v1/clusters/{bay}/actions/resize", body, headers=V)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"


def test_all_nodes_boot_from_volumes(stand):
    bay = stand.cluster(labels=LABELS)
    assert stand.converge(bay)["status"] == "CREATE_COMPLETE"
    assert set(boots(stand, bay).values()) == {"20:fast"}
    before = servers(stand, bay)
    resize(stand, bay, 3)
    assert before.items() < servers(stand, bay).items()
    assert stand.stacks.requests[-1].parameters["worker_kept"] == {}


def test_a_group_has_its_own(stand):
    bay = stand.cluster(labels=LABELS)
    stand.converge(bay)
    add(stand, bay, labels={"boot_volume_size": "7"}, node_count=1)
    add(stand, bay, name="plain", labels={"boot_volume_size": "0"}, node_count=1)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    found = boots(stand, bay)
    assert (found["gpu-0"], found["plain-0"], found["worker-0"]) == ("7:", "", "20:fast")


def test_a_bay_that_had_the_labels_before_they_did_anything(stand):
    """Its servers are left alone, whatever is changed of it; new nodes have volumes."""
    bay = stand.cluster()
    stand.converge(bay)
    with stand.database.write() as connection:
        connection.execute(cluster.update().values(labels=LABELS))
        connection.execute(nodegroup.update().values(labels=LABELS))
        connection.execute(node.update().values(boot_volume=None))
    before = servers(stand, bay)
    resize(stand, bay, 3)
    assert before.items() < servers(stand, bay).items(), "no server was made anew"
    assert boots(stand, bay) == dict.fromkeys(before, "") | {"worker-2": "20:fast"}
    kept = stand.stacks.requests[-1].parameters["worker_kept"]
    assert kept == {i: {"image": "fedora-atomic-23", "flavor": "m2.medium"} for i in ("0", "1")}


def test_during_an_upgrade_old_nodes_keep_their_volumes(stand):
    bay = stand.cluster(labels=LABELS)
    stand.converge(bay)
    new = stand.template(image_id="debian-12-node")
    body = {"cluster_template": new["uuid"]}
    stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade", body, headers=V)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    kept = [r.parameters["worker_kept"] for r in stand.stacks.requests]
    seen = [entry for one in kept for entry in one.values()]
    assert seen and all(entry["boot_volume"] == {"size": 20, "type": "fast"} for entry in seen)
    assert set(boots(stand, bay).values()) == {"20:fast"}


@pytest.mark.parametrize("name", ["boot_volume_size", "boot_volume_type"])
def test_an_upgrade_does_not_change_them(stand, name):
    template = stand.template(labels=LABELS)
    bay = stand.cluster(template=template)
    stand.converge(bay)
    after = stand.template(labels=LABELS | {name: "9"})
    body = {"cluster_template": after["uuid"]}
    answer = stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade", body, headers=V, expect_errors=True)
    assert answer.status_int == 400 and f"labels/{name}" in answer.text
