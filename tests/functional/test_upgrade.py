"""Upgrades: nodes are replaced, never changed; whatever stops it, the bay works and can go on or back."""

import pytest

from magnum_lite.db.schema import cluster, node, nodegroup
from magnum_lite.orchestration.stacks import StackRefused
from tests.functional.conftest import errors, fields
from tests.functional.test_conductor import machine, nodes, told
from tests.functional.test_leases import killed, rows, whole
from tests.functional.test_nodegroup_life import V, add, group

NEW = "debian-12-node"


def model(stand, **more):
    return stand.template(image_id=NEW, **more)


def upgrade(stand, bay, template, status=202, **more):
    body = {"cluster_template": template["uuid"]} | more
    return stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade", body, headers=V, status=status)


def images(stand, bay):
    return {name: n["image_id"] for name, n in nodes(stand, bay).items()}


def servers(stand, bay):
    return {name: n["server_id"] for name, n in nodes(stand, bay).items()}


def watched(stand, bay):
    """Settle, and what was there meanwhile: (ready masters, ready workers) of each look, and the most nodes."""
    seen = []

    def ended(found):
        stand.offset += 5.0
        there = [n for n in rows(stand, node) if n["cluster_id"] == bay and n["state"] == "ready"]
        seen.append(tuple(sum(n["role"] == role for n in there) for role in ("master", "worker")))
        return not found["status"].endswith("IN_PROGRESS")

    return stand.converge(bay, passes=400, until=ended), seen


@pytest.fixture
def bay(stand):
    uuid = stand.cluster(node_count=3)
    stand.converge(uuid)
    return uuid


def test_all_nodes_are_replaced_and_later_ones_are_of_the_new_kind(stand, bay):
    before = servers(stand, bay)
    new = model(stand)
    assert upgrade(stand, bay, new, max_batch_size=2).json == {"uuid": bay}
    assert stand.get(bay)["status"] == "UPDATE_IN_PROGRESS"
    assert group(stand, bay, "default-worker")["status"] == "UPDATE_IN_PROGRESS"
    found, seen = watched(stand, bay)
    assert (found["status"], found["cluster_template_id"]) == ("UPDATE_COMPLETE", new["uuid"])
    after = servers(stand, bay)
    assert set(after.values()).isdisjoint(before.values()) and len(after) == 4
    assert set(images(stand, bay).values()) == {NEW}
    assert min(masters for masters, _ in seen) == 1 and max(masters for masters, _ in seen) == 2
    assert min(workers for _, workers in seen) == 3 and max(workers for _, workers in seen) == 5
    stack = stand.stacks.requests[-1].parameters
    assert (stack["workers"], stack["managers"]) == (3, 1)
    assert stack["worker_kept"] == stack["manager_kept"] == {}
    assert group(stand, bay, "default-worker")["image_id"] == NEW
    master = nodes(stand, bay)["manager-1"]
    assert found["api_address"] == f"tcp://{master['floating_address']}:2376"
    stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 4}])
    stand.settle(bay)
    assert set(images(stand, bay).values()) == {NEW}
    assert {n: s for n, s in servers(stand, bay).items() if n in after} == after


def test_masters_first_and_one_at_a_time(stand):
    bay = stand.cluster(node_count=2, master_count=3)
    stand.settle(bay)
    upgrade(stand, bay, model(stand), max_batch_size=5)
    found, seen = watched(stand, bay)
    assert found["status"] == "UPDATE_COMPLETE"
    assert {masters for masters, _ in seen} == {3, 4}
    texts = [e["message"] for e in told(stand, bay, "replacement")]
    first_worker = next(i for i, t in enumerate(texts) if t.startswith("default-worker"))
    assert all(t.startswith("default-master") for t in texts[:first_worker])
    assert not any(t.startswith("default-master") for t in texts[first_worker:])
    out = [e["node"] for e in told(stand, bay, "node") if e["message"] == "Out of the swarm."]
    assert [name.split("-", 3)[-1] for name in out][:3] == ["manager-0", "manager-1", "manager-2"]
    whole(stand, bay, 5)


def test_an_upgrade_to_what_is_there_replaces_nobody(stand, bay):
    before = servers(stand, bay)
    upgrade(stand, bay, stand.template())
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert servers(stand, bay) == before


def test_settings_of_nodes_and_flavors_count_as_well(stand, bay):
    before = servers(stand, bay)
    upgrade(stand, bay, stand.template(labels={"registry_mirror": "https://mirror.example"}))
    stand.settle(bay)
    after = servers(stand, bay)
    assert set(after.values()).isdisjoint(before.values())
    wanted = {"registry_mirror": "https://mirror.example", "published_ports": "8080"}
    upgrade(stand, bay, stand.template(labels=wanted))
    stand.settle(bay)
    assert servers(stand, bay) == after, "rules of security groups are changed in place"
    upgrade(stand, bay, stand.template(labels=wanted, flavor_id="m1.medium", master_flavor_id="m2.medium"))
    stand.settle(bay)
    now = nodes(stand, bay)
    assert {n["flavor_id"] for name, n in now.items() if name.startswith("worker")} == {"m1.medium"}
    assert [n["server_id"] for n in now.values() if n["role"] == "master"] == [after["manager-1"]]


def test_what_a_group_has_of_its_own_stays(stand, bay):
    add(stand, bay, "gpu", node_count=1)  # its own flavor
    add(stand, bay, "odd", node_count=1, image_id="1d7d8b6f-6b6c-4c4b-8b4f-1a4c2d3e5f6a")
    stand.settle(bay)
    upgrade(stand, bay, model(stand))
    stand.settle(bay)
    assert (group(stand, bay, "gpu")["image_id"], group(stand, bay, "gpu")["flavor_id"]) == (NEW, "m1.small")
    assert group(stand, bay, "odd")["image_id"] == "1d7d8b6f-6b6c-4c4b-8b4f-1a4c2d3e5f6a"
    assert "odd-0" in nodes(stand, bay) and "gpu-1" in nodes(stand, bay)


def test_one_group_goes_over_to_its_clusters_own_template(stand, bay):
    add(stand, bay, "gpu", node_count=1)
    stand.settle(bay)
    new = model(stand)
    answer = upgrade(stand, bay, new, status=409, nodegroup="gpu")
    assert "own template" in errors(answer, 409)[0]["detail"]
    upgrade(stand, bay, new, nodegroup="default-worker")
    stand.settle(bay)
    assert {"gpu-0", "manager-1"} < set(nodes(stand, bay)), "masters go with the default workers"
    before = servers(stand, bay)
    upgrade(stand, bay, new, nodegroup="gpu")
    stand.settle(bay)
    after = servers(stand, bay)
    assert {n: s for n, s in after.items() if n in before} == {
        n: s for n, s in before.items() if n != "gpu-0"
    }
    assert images(stand, bay)["gpu-1"] == NEW


def test_a_new_node_that_fails_stops_it_and_the_bay_goes_on_or_back(stand, bay):
    before = servers(stand, bay)
    upgrade(stand, bay, model(stand))
    for _ in range(200):
        stand.pass_once()
        fresh = [
            n for name, n in nodes(stand, bay).items() if name.startswith("worker") and name not in before
        ]
        late = {f["uuid"] for f in fresh}
        stand.boot(only=lambda n, late=late: n["uuid"] not in late)
        stand.offset += 5
        if fresh and fresh[0]["server_id"]:
            break
    stand.boot(only=lambda n: n["uuid"] == fresh[0]["uuid"])
    machine(stand, fresh[0]).report("engine", 40, "failed", message="no such kernel module")
    found = stand.settle(bay)
    assert found["status"] == "UPDATE_FAILED" and "no such kernel module" in found["status_reason"]
    ready = {n["hostname"] for n in nodes(stand, bay).values() if n["state"] == "ready"}
    assert len(ready) == 4, "all that worked still do"
    stand.api.patch_json(f"/v1/clusters/{bay}?rollback=true", [], headers=V)
    assert stand.settle(bay)["status"] == "ROLLBACK_COMPLETE"
    back = nodes(stand, bay)
    assert {n["image_id"] for n in back.values()} == {"fedora-atomic-23"}
    kept = {name: s for name, s in before.items() if name.startswith("worker")}
    assert {name: n["server_id"] for name, n in back.items() if name.startswith("worker")} == kept
    assert stand.stacks.requests[-1].parameters["workers"] == 3
    assert stand.get(bay)["cluster_template_id"] != model(stand)["uuid"]
    whole(stand, bay, 4)


def test_an_update_goes_on_with_an_upgrade_that_failed(stand, bay):
    upgrade(stand, bay, model(stand))
    stand.stacks.fail_next("update", StackRefused("the image is gone"))
    assert stand.settle(bay)["status"] == "UPDATE_FAILED"
    stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 2}])
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert set(images(stand, bay).values()) == {NEW}
    whole(stand, bay, 3)


@pytest.mark.parametrize("count", [1, 6])
def test_another_wish_in_the_middle(stand, bay, count):
    upgrade(stand, bay, model(stand), max_batch_size=2)
    for _ in range(60):
        stand.pass_once()
        stand.boot()
        stand.offset += 5
        if any(name.startswith("worker-3") for name in nodes(stand, bay)):
            break
    patch = [{"op": "replace", "path": "/node_count", "value": count}]
    stand.api.patch_json(f"/v1/clusters/{bay}", patch)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert set(images(stand, bay).values()) == {NEW}
    whole(stand, bay, count + 1)


POINTS = [
    "ensure_node_records", "drain_leaving", "ensure_stack_or_help", "observe", "replace_outdated", "confirm_nodes",
]  # fmt: skip


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_killed_in_the_middle(stand, bay, point, times):
    before = servers(stand, bay)
    upgrade(stand, bay, model(stand), max_batch_size=2)
    for _ in range(times):
        killed(stand, bay, point, passes=60)
        stand.boot()
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert set(servers(stand, bay).values()).isdisjoint(before.values())
    assert set(images(stand, bay).values()) == {NEW}
    whole(stand, bay, 4)
    (stack,) = stand.stacks.look(list)
    assert {n.image for n in stack.nodes} == {NEW}
    assert sorted(n.server for n in stack.nodes) == sorted(servers(stand, bay).values())


def test_what_can_not_be_upgraded_to_is_said_at_once(stand, bay):
    bad = stand.template(image_id=NEW, external_network_id="public", docker_volume_size=9,
                         labels={"availability_zone": "z2"})  # fmt: skip
    texts = fields(upgrade(stand, bay, bad, status=400))["cluster_template"]
    assert "make a new cluster" in texts
    plan = stand.api.post_json(
        f"/v1/clusters/{bay}/actions/upgrade?plan=true", {"cluster_template": bad["uuid"]}, headers=V
    ).json
    assert not plan["feasible"]
    named = " ".join(p["message"] for p in plan["problems"])
    assert all(x in named for x in ("external_network", "docker_volume_size", "labels/availability_zone"))
    upgrade(stand, bay, {"uuid": "nobody"}, status=404)
    errors(stand.as_caller(roles="reader").post_json(
        f"/v1/clusters/{bay}/actions/upgrade", {"cluster_template": bad["uuid"]}, headers=V, status=403), 403)  # fmt: skip
    errors(stand.as_caller(project="b" * 32).post_json(
        f"/v1/clusters/{bay}/actions/upgrade", {"cluster_template": bad["uuid"]}, headers=V, status=404), 404)  # fmt: skip
    assert stand.get(bay)["status"] == "CREATE_COMPLETE"


def test_there_must_be_room_for_the_new_before_the_old_go(stand, bay):
    from magnum_lite.cloud.lookups import Allowance

    stand.lookups.limits = {"instances": Allowance(5, 1)}
    answer = upgrade(stand, bay, model(stand), status=403, max_batch_size=2)
    assert "instances: 2 needed, 1 left" in errors(answer, 403)[0]["detail"]
    upgrade(stand, bay, model(stand), max_batch_size=1)


def test_a_plan_names_who_goes_and_who_comes(stand, bay):
    ready = {n["hostname"] for n in nodes(stand, bay).values()}
    body = {"cluster_template": model(stand)["uuid"], "max_batch_size": 2}
    plan = stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade?plan=true", body, headers=V).json
    assert plan["feasible"] and plan["action"] == "upgrade"
    assert set(plan["nodes"]["removed"]) == ready and len(plan["nodes"]["added"]) == 4
    assert plan["resources"]["added"] == plan["resources"]["removed"] == {"OS::Nova::Server": 4}
    assert stand.get(bay)["status"] == "CREATE_COMPLETE"
    stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade", body, headers=V)
    stand.settle(bay)
    assert {n["hostname"] for n in nodes(stand, bay).values()} == set(plan["nodes"]["added"])


def test_each_batch_has_the_time_of_a_whole_change(stand):
    bay = stand.cluster(node_count=2, create_timeout=1)
    stand.converge(bay)
    upgrade(stand, bay, model(stand))
    for _ in range(200):
        stand.pass_once()
        stand.boot()
        stand.offset += 5
        if any(n["state"] == "leaving" for n in rows(stand, node)):
            break
    with stand.database.write() as connection:
        connection.execute(cluster.update().values(accepted_at=cluster.c.accepted_at - 3600))
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"


def test_nodes_of_before_this_was_recorded_are_left_as_they_are(stand, bay):
    with stand.database.write() as connection:
        connection.execute(node.update().values(make=""))
        connection.execute(nodegroup.update().values(make=""))
    before = servers(stand, bay)
    stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 4}])
    stand.settle(bay)
    assert {n: s for n, s in servers(stand, bay).items() if n in before} == before
    upgrade(stand, bay, model(stand))
    stand.settle(bay)
    assert set(images(stand, bay).values()) == {NEW}
