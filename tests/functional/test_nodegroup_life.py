"""What conductors make of node groups beside the default ones: each comes, grows, fails and goes by itself."""

import pytest

from magnum_lite.db.schema import node, nodegroup
from magnum_lite.models.nodegroup import GROUP_LABEL, ROLE_LABEL
from magnum_lite.models.stack import GROUP_PREFIX, ResourceFault
from tests.functional.test_conductor import machine, nodes, told, write
from tests.functional.test_leases import UPDATE, Killed, killed, rows, whole

V = {"OpenStack-API-Version": "container-infra 1.14"}


def add(stand, bay, name="gpu", **more):
    body = {"name": name, "node_count": 2, "flavor_id": "m1.small"} | more
    return stand.api.post_json(f"/v1/clusters/{bay}/nodegroups", body, headers=V).json


def group(stand, bay, name="gpu"):
    answer = stand.api.get(f"/v1/clusters/{bay}/nodegroups/{name}", headers=V, expect_errors=True)
    return answer.json if answer.status_int == 200 else None


def remove(stand, bay, name="gpu"):
    stand.api.delete(f"/v1/clusters/{bay}/nodegroups/{name}", headers=V, status=204)


def resize(stand, bay, count, name="gpu", leave=()):
    body = {"node_count": count, "nodegroup": name, "nodes_to_remove": list(leave)}
    stand.api.post_json(f"/v1/clusters/{bay}/actions/resize", body, headers=V)


def ran_on(stand):
    """The clock goes on: draining takes its time."""
    stand.offset += 5.0
    return True


def servers(stand, bay, prefix):
    return {name: n["server_id"] for name, n in nodes(stand, bay).items() if name.startswith(prefix)}


def asked(stand):
    """Node groups that Heat was last asked for: name's start → their parameters."""
    found = stand.stacks.requests[-1].parameters["node_groups"]
    return {key.removeprefix(GROUP_PREFIX).rpartition("_")[0]: value for key, value in found.items()}


@pytest.fixture
def bay(stand):
    uuid = stand.cluster(node_count=2)
    stand.converge(uuid)
    return uuid


def test_a_group_comes_without_touching_the_others(stand, bay):
    before = nodes(stand, bay)
    made = add(stand, bay, role="trainer", node_labels={"storage": "ssd"})
    assert made["status"] == "CREATE_IN_PROGRESS" and made["stack_id"] is None
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    found = group(stand, bay)
    assert (found["status"], len(found["node_addresses"])) == ("CREATE_COMPLETE", 2)
    assert found["version"] == "20.10.24"
    assert group(stand, bay, "default-worker")["status"] == "CREATE_COMPLETE"
    after = nodes(stand, bay)
    assert set(after) - set(before) == {"gpu-0", "gpu-1"}
    assert {n: after[n]["server_id"] for n in before} == {n: before[n]["server_id"] for n in before}
    assert machine(stand, after["gpu-1"]).labels == {
        "storage": "ssd", GROUP_LABEL: "gpu", ROLE_LABEL: "trainer"
    }  # fmt: skip
    (stack,) = stand.stacks.find(None, [])
    cluster_stack = stand.stacks.get(stack.project_id, stack.id, outputs=True)
    (key,) = (k for k in cluster_stack.outputs if k.startswith(GROUP_PREFIX))
    assert found["stack_id"] == cluster_stack.outputs[key]["stack"] != stack.id
    assert group(stand, bay, "default-worker")["stack_id"] == stack.id


def test_chosen_nodes_of_a_group_leave_and_new_ones_get_new_names(stand, bay):
    add(stand, bay, node_count=3)
    stand.settle(bay)
    before = servers(stand, bay, "")
    resize(stand, bay, 2, leave=["1"])
    assert group(stand, bay)["status"] == "UPDATE_IN_PROGRESS"
    assert group(stand, bay, "default-worker")["status"] == "CREATE_COMPLETE"
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay)["status"] == "UPDATE_COMPLETE"
    assert asked(stand)["gpu"]["removed"] == ["1"]
    resize(stand, bay, 3)
    stand.settle(bay)
    after = servers(stand, bay, "")
    assert set(before) - set(after) == {"gpu-1"} and set(after) - set(before) == {"gpu-3"}
    assert all(after[name] == server for name, server in before.items() if name in after)


def test_a_group_goes_once_its_nodes_are_out_of_the_swarm(stand, bay):
    add(stand, bay)
    add(stand, bay, "cache", node_count=1)
    stand.settle(bay)
    kept = servers(stand, bay, "worker") | servers(stand, bay, "manager") | servers(stand, bay, "cache")
    engines = {n["engine_id"] for name, n in nodes(stand, bay).items() if name.startswith("gpu")}
    remove(stand, bay)
    assert group(stand, bay)["status"] == "DELETE_IN_PROGRESS"
    stand.pass_once()
    stand.boot()
    assert any(set(t.get("drain", ())) == engines for t in stand.told)
    assert set(asked(stand)) == {"gpu", "cache"}  # Heat is not told before they are out
    found = stand.settle(bay)
    assert (found["status"], found["node_count"]) == ("UPDATE_COMPLETE", 3)
    assert group(stand, bay) is None
    assert set(asked(stand)) == {"cache"}
    assert any(engines <= set(t.get("remove", ())) for t in stand.told)
    assert servers(stand, bay, "") == kept
    messages = [e["message"] for e in told(stand, bay)]
    out, gone = messages.index("Out of the swarm."), messages.index("Node group gpu is gone.")
    assert out < gone
    again = add(stand, bay)
    stand.settle(bay)
    assert group(stand, bay)["uuid"] == again["uuid"]
    assert set(servers(stand, bay, "gpu")) == {"gpu-0", "gpu-1"}
    assert asked(stand)["gpu"]["removed"] == []


def test_a_node_that_fails_fails_its_own_group(stand, bay):
    add(stand, bay)
    add(stand, bay, "cache", node_count=1)
    stand.pass_once()
    stand.boot()
    for _ in range(3):
        stand.pass_once()
        stand.boot(only=lambda n: "-cache-" in n["hostname"])
    assert nodes(stand, bay)["cache-0"]["state"] == "ready"
    broken = nodes(stand, bay)["gpu-1"]
    machine(stand, broken).report("engine", 40, "failed", message="no GPU found")
    stand.pass_once()
    found = stand.get(bay)
    assert found["status"] == "UPDATE_FAILED"
    assert found["status_reason"].startswith("Node group gpu: ")
    wrong = group(stand, bay)
    assert wrong["status"] == "CREATE_FAILED" and "no GPU found" in wrong["status_reason"]
    assert group(stand, bay, "cache")["status"] == "CREATE_COMPLETE"
    assert group(stand, bay, "default-worker")["status"] == "CREATE_COMPLETE"
    before = servers(stand, bay, "cache") | servers(stand, bay, "worker")
    remove(stand, bay)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay) is None
    assert servers(stand, bay, "cache") | servers(stand, bay, "worker") == before


def test_what_heat_says_of_a_groups_resource_is_about_that_group(stand, bay):
    add(stand, bay)
    stand.pass_once()
    (stack,) = stand.stacks.find(None, [])
    key = next(iter(stand.stacks.requests[-1].parameters["node_groups"]))
    reason = "ResourceInError: No valid host was found"
    stopped = ResourceFault(
        "swarm_nodes", "OS::Heat::ResourceGroup", "UPDATE aborted (Task update cancelled)"
    )
    stand.stacks.add_fault(stack.project_id, stack.id, stopped)
    fault = ResourceFault(f"{key}/swarm_nodes/0/server", "OS::Nova::Server", reason)
    stand.stacks.add_fault(stack.project_id, stack.id, fault)
    found = stand.converge(bay)
    assert found["status"] == "UPDATE_FAILED" and found["status_reason"].startswith("Node group gpu: ")
    assert "No valid host" in group(stand, bay)["status_reason"]
    assert group(stand, bay, "default-worker")["status"] == "CREATE_COMPLETE"
    # The same wish again: its failure is over, and it was never complete before.
    resize(stand, bay, 2)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay)["status"].endswith("_COMPLETE")


def test_a_group_of_none_is_made_and_filled_later(stand, bay):
    add(stand, bay, node_count=0)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    found = group(stand, bay)
    assert (found["status"], found["node_count"]) == ("CREATE_COMPLETE", 0) and found["stack_id"]
    resize(stand, bay, 1)
    stand.settle(bay)
    assert set(servers(stand, bay, "gpu")) == {"gpu-0"}


def test_a_group_that_heat_never_heard_of_just_goes(stand, bay):
    requests = len(stand.stacks.requests)
    add(stand, bay)
    remove(stand, bay)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay) is None
    assert all(not r.parameters["node_groups"] for r in stand.stacks.requests[requests:])
    assert len(nodes(stand, bay)) == 3


def test_a_group_that_is_being_made_goes_without_waiting_for_it(stand, bay):
    add(stand, bay)
    for _ in range(2):
        stand.pass_once()
        stand.boot(only=lambda n: not n["hostname"].endswith("gpu-1"))  # one machine never comes up
    remove(stand, bay)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay) is None and set(nodes(stand, bay)) == {"manager-0", "worker-0", "worker-1"}


def test_groups_that_come_change_and_go_together(stand, bay):
    add(stand, bay, "old")
    stand.settle(bay)
    for name in ("b", "c"):
        add(stand, bay, name, node_count=1)
    remove(stand, bay, "old")
    resize(stand, bay, 2, "c")
    resize(stand, bay, 3, "default-worker")
    found = stand.settle(bay)
    assert (found["status"], found["node_count"]) == ("UPDATE_COMPLETE", 6)
    assert set(nodes(stand, bay)) == {
        "manager-0", "worker-0", "worker-1", "worker-2", "b-0", "c-0", "c-1"
    }  # fmt: skip
    assert set(asked(stand)) == {"b", "c"}


def test_names_that_look_alike_stay_apart(stand, bay):
    add(stand, bay, "worker", node_count=1)
    add(stand, bay, "gpu.1", node_count=1)
    add(stand, bay, "gpu-1", node_count=1)
    stand.settle(bay)
    hosts = [n["hostname"] for n in rows(stand, node)]
    assert len(set(hosts)) == len(hosts) == 6
    assert all(len(h) <= 63 for h in hosts)


def test_labels_of_a_group_change_on_running_nodes(stand, bay):
    add(stand, bay, node_labels={"storage": "ssd", "tier": "1"})
    stand.settle(bay)
    before = servers(stand, bay, "")
    change = [{"op": "replace", "path": "/node_labels", "value": {"tier": "2"}}]
    stand.api.patch_json(f"/v1/clusters/{bay}/nodegroups/gpu", change, headers=V)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    labels = machine(stand, nodes(stand, bay)["gpu-0"]).labels
    assert labels == {"tier": "2", GROUP_LABEL: "gpu", ROLE_LABEL: "worker"}
    assert servers(stand, bay, "") == before


def test_a_stack_that_somebody_deleted_comes_back_with_its_groups(stand, bay):
    add(stand, bay)
    stand.settle(bay)
    nested = group(stand, bay)["stack_id"]
    (stack,) = stand.stacks.find(None, [])
    stand.stacks.delete(stack.project_id, stack.id)
    resize(stand, bay, 1, "default-worker")
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert set(nodes(stand, bay)) == {"manager-0", "worker-0", "gpu-0", "gpu-1"}
    assert group(stand, bay)["stack_id"] not in {None, nested}


def test_taints_and_more_managers_are_refused_with_the_reason(stand, bay):
    taint = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    body = {"name": "gpu", "node_count": 1, "node_taints": taint}
    answer = stand.api.post_json(f"/v1/clusters/{bay}/nodegroups", body, headers=V, expect_errors=True)
    assert answer.status_int == 400 and "--constraint node.labels" in answer.json["errors"][0]["detail"]
    body = {"name": "gpu", "node_count": 1, "role": "master"}
    stand.api.post_json(f"/v1/clusters/{bay}/nodegroups", body, headers=V, status=400)


@pytest.mark.parametrize("point", UPDATE)
def test_killed_while_a_group_is_made(stand, bay, point):
    add(stand, bay)
    killed(stand, bay, point)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay)["status"] == "CREATE_COMPLETE"
    _whole(stand, bay, 5)


@pytest.mark.parametrize("point", UPDATE)
def test_killed_while_a_group_goes(stand, bay, point):
    add(stand, bay)
    stand.settle(bay)
    remove(stand, bay)
    killed(stand, bay, point)
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert len(rows(stand, nodegroup)) == 2 and not asked(stand)
    whole(stand, bay, 3)


@pytest.mark.parametrize("goes", [False, True])
def test_killed_right_after_heat_took_the_change(stand, bay, goes):
    """The answer of PUT /stacks is lost: Heat has the group, or has it no more, and no row says so."""
    add(stand, bay)
    if goes:
        stand.settle(bay)
        remove(stand, bay)
    update = stand.stacks.update

    def lost(project, stack, request):
        update(project, stack, request)
        raise Killed

    stand.stacks.update = lost
    with pytest.raises(Killed):
        stand.settle(bay)
    stand.stacks.update = update
    write(stand, bay, lease_expires=0.0)
    stand.ports = stand.make_ports("conductor-2")
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert (group(stand, bay) is None) == goes
    _whole(stand, bay, 3 if goes else 5)


def test_a_group_whose_removal_fails_can_be_removed_again(stand, bay):
    add(stand, bay)
    stand.settle(bay)
    remove(stand, bay)
    key = next(iter(stand.stacks.requests[-1].parameters["node_groups"]))
    stand.converge(bay, passes=200, until=lambda _: ran_on(stand) and not asked(stand))
    (stack,) = stand.stacks.find(None, [])
    fault = ResourceFault(f"{key}/swarm_nodes/0/port", "OS::Neutron::Port", "Conflict: in use")
    stand.stacks.add_fault(stack.project_id, stack.id, fault)
    assert stand.settle(bay)["status"] == "UPDATE_FAILED"
    wrong = group(stand, bay)
    assert wrong["status"] == "DELETE_FAILED" and "in use" in wrong["status_reason"]
    assert group(stand, bay, "default-worker")["status"] == "CREATE_COMPLETE"
    remove(stand, bay)
    assert group(stand, bay)["status"] == "DELETE_IN_PROGRESS"
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert group(stand, bay) is None
    _whole(stand, bay, 3)


def _whole(stand, bay, count):
    members = rows(stand, node)
    assert len(members) == len({(n["nodegroup_id"], n["index"]) for n in members}) == count
    assert {n["state"] for n in members} == {"ready"}
    assert len({n["server_id"] for n in members}) == count
    assert len(stand.stacks.find(None, [])) == 1
