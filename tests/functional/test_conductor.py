"""What conductors make of desired states, and of everything that goes wrong on the way."""

import dataclasses
import time

import pytest

from magnum_lite.conductor.sweeper import expire_events
from magnum_lite.conductor.watching import watch
from magnum_lite.db import leases
from magnum_lite.db.schema import cluster, event
from magnum_lite.models.nodegroup import GROUP_LABEL, ROLE_LABEL
from magnum_lite.models.stack import ResourceFault
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackRefused
from tests.support.stand import PROJECT, RecordingStacks, Stand


def scale(stand, uuid, count):
    stand.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": count}])


def nodes(stand, uuid):
    """Host name's end → record."""
    found = stand.api.get(f"/v1/clusters/{uuid}/nodes").json["nodes"]
    return {n["hostname"].split("-", 3)[-1]: n for n in found}


def told(stand, uuid, kind=None):
    found = stand.api.get(f"/v1/clusters/{uuid}/events?limit=1000").json["events"]
    return [e for e in found if kind in {None, e["kind"]}]


def machine(stand, node):
    return next(m for m in stand.machines.values() if m.node_id == node["uuid"])


def write(stand, uuid, **values):
    with stand.database.write() as connection:
        connection.execute(cluster.update().where(cluster.c.uuid == uuid).values(**values))


def row(stand, uuid):
    with stand.database.read() as connection:
        return connection.execute(cluster.select().where(cluster.c.uuid == uuid)).mappings().one()


def started(stand, **more):
    """A cluster on its way: machines have enrolled, none is ready."""
    uuid = stand.cluster(**more)
    for _ in range(2):
        stand.pass_once()
        stand.boot()
    return uuid


def test_the_newest_desired_state_wins(stand):
    uuid = started(stand)
    for count in (5, 1, 3):
        scale(stand, uuid, count)
    found = stand.converge(uuid)
    assert (found["status"], found["node_count"], len(found["node_addresses"])) == ("UPDATE_COMPLETE", 3, 3)
    scale(stand, uuid, 5)
    stand.pass_once()
    stand.boot()
    scale(stand, uuid, 2)
    found = stand.converge(uuid, passes=200, until=lambda c: not stand_waits(stand, c))
    assert (found["status"], len(found["node_addresses"])) == ("UPDATE_COMPLETE", 2)
    assert len(nodes(stand, uuid)) == 3


def stand_waits(stand, found):
    stand.offset += 5.0
    return found["status"].endswith("IN_PROGRESS")


def test_running_nodes_are_not_rebuilt(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    before = {n["server_id"] for n in nodes(stand, uuid).values()}
    scale(stand, uuid, 4)
    stand.converge(uuid)
    after = {n["server_id"] for n in nodes(stand, uuid).values()}
    assert before < after
    assert len(after) == 5


class Forgetful(RecordingStacks):
    """Takes each node's first signal and loses it, as Heat does when it dies before it has written it."""

    def __init__(self):
        super().__init__()
        self.lost, self.heard = set(), 0

    def signal(self, project_id, stack_id, resource_name, data):
        if stack_id in self.lost:
            self.heard += 1
            super().signal(project_id, stack_id, resource_name, data)
        self.lost.add(stack_id)


def test_a_signal_that_heat_lost_is_given_again(tmp_path):
    stacks = Forgetful()
    stand = Stand(tmp_path, stacks=stacks)
    uuid = started(stand)
    for _ in range(10):
        stand.boot()
        stand.pass_once()
    assert len(stacks.lost) == 3 and not stacks.heard
    assert stand.get(uuid)["status"] == "CREATE_IN_PROGRESS"
    stand.offset += 31.0
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    assert stacks.heard == 3
    scale(stand, uuid, 3)  # nobody is told again before its time
    stand.converge(uuid, passes=200, until=lambda c: not stand_waits(stand, c))
    assert len(stacks.lost) == 4


def test_a_fault_that_a_node_reports_shows_at_once(stand):
    uuid = started(stand)
    node = nodes(stand, uuid)["worker-1"]
    log = "docker: starting\nmkdir /var/lib/docker: no space left on device"
    machine(stand, node).report("engine", 40, "failed", message="dockerd does not start", log=log)
    stand.pass_once()
    found = stand.get(uuid)
    assert found["status"] == "CREATE_FAILED"
    for part in (node["hostname"], "engine", "dockerd does not start", "no space left on device", "To retry"):
        assert part in found["status_reason"]
    assert list(found["faults"]) == [node["hostname"]]
    assert "no space left on device" in found["faults"][node["hostname"]]
    assert stand.api.get(f"/v1/bays/{uuid}").json["bay_faults"] == found["faults"]
    (fault,) = [e for e in told(stand, uuid, "node") if e["level"] == "error"]
    assert (fault["node"], fault["step"], fault["detail"]) == (node["hostname"], "engine", log)


def test_a_retry_replaces_failed_nodes_only(stand):
    uuid = started(stand)
    before = nodes(stand, uuid)
    machine(stand, before["worker-0"]).report("engine", 40, "failed", message="broken")
    assert stand.converge(uuid)["status"] == "CREATE_FAILED"
    scale(stand, uuid, 2)
    found = stand.settle(uuid)
    assert found["status"] == "UPDATE_COMPLETE", found
    assert "faults" not in found
    after = nodes(stand, uuid)
    assert set(after) == {"manager-0", "worker-1", "worker-2"}
    assert after["worker-1"]["server_id"] == before["worker-1"]["server_id"]
    assert after["manager-0"]["server_id"] == before["manager-0"]["server_id"]


@pytest.mark.parametrize("by", ["server_id", "hostname", "uuid", "index"])
def test_chosen_nodes_leave(stand, by):
    uuid = stand.cluster(node_count=3)
    stand.converge(uuid)
    chosen = nodes(stand, uuid)["worker-1"]
    body = {"node_count": 2, "nodes_to_remove": [str(chosen[by])]}
    stand.api.post_json(f"/v1/clusters/{uuid}/actions/resize", body)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert set(nodes(stand, uuid)) == {"manager-0", "worker-0", "worker-2"}
    assert "1" in stand.stacks.requests[-1].parameters["removed_workers"]
    scale(stand, uuid, 3)
    stand.settle(uuid)
    assert set(nodes(stand, uuid)) == {"manager-0", "worker-0", "worker-2", "worker-3"}


def test_a_node_is_drained_then_removed_from_the_swarm_then_from_the_stack(stand):
    uuid = stand.cluster(node_count=2)
    stand.converge(uuid)
    leaving = nodes(stand, uuid)["worker-1"]
    engine_id = leaving["engine_id"]
    scale(stand, uuid, 1)
    stand.pass_once()
    assert nodes(stand, uuid)["worker-1"]["state"] == "leaving"
    stand.boot()
    assert any(t.get("drain") == [engine_id] for t in stand.told)
    assert not any("remove" in t for t in stand.told)
    assert len(stand.stacks.find([PROJECT], [])) == 1
    assert stand.stacks.requests[-1].parameters["workers"] == 2  # not yet told
    stand.settle(uuid)
    assert stand.stacks.requests[-1].parameters["workers"] == 1
    assert any(t.get("remove") == [engine_id] for t in stand.told)
    messages = [e["message"] for e in told(stand, uuid, "node") if e["node"] == leaving["hostname"]]
    order = [
        next(i for i, m in enumerate(messages) if m.startswith(w)) for w in ("Draining", "Out of", "Removed")
    ]
    assert order == sorted(order)


def test_a_node_that_does_not_drain_leaves_in_time(stand):
    uuid = stand.cluster(node_count=2)
    stand.converge(uuid)
    scale(stand, uuid, 1)
    stand.pass_once()
    stand.offset += 61
    for _ in range(3):
        stand.pass_once()
    assert any("Not drained within 60 s" in e["message"] for e in told(stand, uuid))
    assert stand.stacks.requests[-1].parameters["workers"] == 1


def test_labels_reach_the_engine(stand):
    uuid = stand.cluster(labels={"node_labels": "storage=ssd,tier=fast"})
    assert stand.settle(uuid)["status"] == "CREATE_COMPLETE"
    worker = {"storage": "ssd", "tier": "fast", GROUP_LABEL: "default-worker", ROLE_LABEL: "worker"}
    master = {GROUP_LABEL: "default-master", ROLE_LABEL: "master"}
    # No master waits for its own name's sake: the next beat sets it.
    stand.boot()
    for name, node in nodes(stand, uuid).items():
        assert machine(stand, node).labels == (worker if name.startswith("worker") else master)
    scale(stand, uuid, 3)
    stand.settle(uuid)
    assert machine(stand, nodes(stand, uuid)["worker-2"]).labels == worker


def test_rollback_returns_to_the_last_good_state(stand):
    uuid = stand.cluster(node_count=2)
    stand.converge(uuid)
    scale(stand, uuid, 4)
    stand.pass_once()
    stand.boot()
    machine(stand, nodes(stand, uuid)["worker-3"]).report("engine", 40, "failed", message="broken")
    assert stand.converge(uuid)["status"] == "UPDATE_FAILED"
    headers = {"OpenStack-API-Version": "container-infra 1.3"}
    stand.api.patch_json(f"/v1/clusters/{uuid}?rollback=true", [], headers=headers)
    found = stand.settle(uuid)
    assert (found["status"], found["node_count"]) == ("ROLLBACK_COMPLETE", 2)
    assert len(nodes(stand, uuid)) == 3


def test_rollback_restores_node_groups(stand):
    """Removed ones come again, new ones go, changed ones are as they were."""
    uuid, v = stand.cluster(node_count=1), {"OpenStack-API-Version": "container-infra 1.14"}
    groups = f"/v1/clusters/{uuid}/nodegroups"
    stand.converge(uuid)
    for name in ("kept", "removed"):
        body = {"name": name, "node_count": 1, "node_labels": {"a": name}, "max_node_count": 3}
        stand.api.post_json(groups, body, headers=v)
    stand.settle(uuid)
    good = row(stand, uuid)["last_good"]
    stand.api.delete(f"{groups}/removed", headers=v)
    stand.api.patch_json(f"/v1/clusters/{uuid}?rollback=true", [], headers=v, status=409)
    stand.settle(uuid)
    write(stand, uuid, last_good=good)  # as if the deletion had not come to a good end
    changes = [{"op": "replace", "path": "/node_labels", "value": {"a": "other"}}]
    stand.api.patch_json(f"{groups}/kept", changes, headers=v)
    stand.api.post_json(groups, {"name": "new", "node_count": 1}, headers=v)
    stand.api.patch_json(f"/v1/clusters/{uuid}?rollback=true", [], headers=v)
    assert stand.settle(uuid)["status"] == "ROLLBACK_COMPLETE"
    found = {g["name"]: g for g in stand.api.get(groups, headers=v).json["nodegroups"]}
    assert set(found) == {"default-master", "default-worker", "kept", "removed"}
    assert all(g["status"].endswith("_COMPLETE") for g in found.values())
    for name in ("kept", "removed"):
        full = stand.api.get(f"{groups}/{name}", headers=v).json
        assert (full["node_labels"], full["max_node_count"]) == ({"a": name}, 3)
        assert len(full["node_addresses"]) == 1


def test_two_updates_of_one_second_are_told_apart(stand, monkeypatch):
    """Heat's times are of whole seconds: the second update waits, or nobody knew that it began."""
    uuid = stand.cluster(node_count=1)
    stand.converge(uuid)
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stand.clock()))
    get = stand.stacks.get
    monkeypatch.setattr(
        stand.stacks, "get",
        lambda *a, **k: (found := get(*a, **k)) and dataclasses.replace(found, updated_at=began),
    )  # fmt: skip
    scale(stand, uuid, 2)
    requests = len(stand.stacks.requests)
    stand.pass_once()
    assert len(stand.stacks.requests) == requests
    stand.offset += 3.0
    stand.pass_once()
    assert len(stand.stacks.requests) == requests + 1


def test_create_timeout_with_heat_away(stand):
    uuid = stand.cluster(create_timeout=5)
    for _ in range(50):
        for call in ("get", "find", "create"):
            stand.stacks.fail_next(call, OrchestrationUnavailable("Heat does not answer."))
    for _ in range(3):
        stand.pass_once()
    found = stand.get(uuid)
    assert found["status"] == "CREATE_IN_PROGRESS"
    assert "Heat does not answer" in found["status_reason"]
    write(stand, uuid, accepted_at=stand.database.now() - 301)
    stand.pass_once()
    found = stand.get(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "Not ready within 5 minutes" in found["status_reason"]
    assert "Heat does not answer" in found["status_reason"]
    assert set(found["faults"]) == {n["hostname"] for n in nodes(stand, uuid).values()}


def test_no_timeout_means_the_operators_longest(tmp_path):
    stand = Stand(tmp_path, conductor__max_timeout=10)
    for given in (0, 5000):
        uuid = stand.cluster(create_timeout=given)
        stand.pass_once()
        assert stand.stacks.requests[-1].timeout_mins == 10
        write(stand, uuid, accepted_at=stand.database.now() - 601)
        stand.pass_once()
        assert stand.get(uuid)["status"] == "CREATE_FAILED"


def test_heat_is_away_for_a_moment(stand):
    uuid = stand.cluster()
    for call in ("create", "get", "find", "signal", "get"):
        stand.stacks.fail_next(call, OrchestrationUnavailable("Heat does not answer."))
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    assert len(stand.stacks.find(None, [])) == 1


def test_heat_refuses(stand):
    uuid = stand.cluster()
    stand.stacks.fail_next("create", StackRefused("The Parameter (x) was not defined."))
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "The Parameter (x) was not defined." in found["status_reason"]
    scale(stand, uuid, 2)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"


def test_a_silent_node_is_named_at_its_deadline(stand):
    uuid = started(stand)
    silent = nodes(stand, uuid)["worker-0"]
    step = lambda n: n["uuid"] != silent["uuid"]  # noqa: E731
    for _ in range(5):
        stand.pass_once()
        stand.boot(only=step)
    assert stand.get(uuid)["status"] == "CREATE_IN_PROGRESS"
    stand.offset += 601
    stand.boot(only=step)
    stand.pass_once()
    found = stand.get(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert list(found["faults"]) == [silent["hostname"]]
    for part in (silent["hostname"], "silent for", "step swarm"):
        assert part in found["status_reason"]


def test_a_machine_that_never_came_up_is_named(stand):
    uuid = stand.cluster(node_count=1)
    for _ in range(3):
        stand.pass_once()
    stand.offset += 601
    stand.pass_once()
    assert stand.get(uuid)["status"] == "CREATE_FAILED"
    assert len(stand.get(uuid)["faults"]) == 2


def test_heats_restart_is_not_the_clusters_fault(stand):
    uuid = started(stand)
    stand.stacks.interrupt()
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_COMPLETE"
    assert len(stand.stacks.find(None, [])) == 1
    assert any("asking again" in e["message"] for e in told(stand, uuid, "stack"))


def test_a_fault_of_heat_itself_fails_the_cluster(stand):
    uuid = started(stand)
    (stack,) = stand.stacks.find(None, [])
    fault = ResourceFault("workers/1/server", "OS::Nova::Server", "No valid host was found")
    stand.stacks.add_fault(PROJECT, stack.id, fault)
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "No valid host was found" in found["status_reason"]
    assert found["faults"] == {"workers/1/server": "OS::Nova::Server: No valid host was found"}
    scale(stand, uuid, 2)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"


def gone(stand, uuid):
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert settle_gone(stand, uuid)
    assert stand.stacks.find(None, []) == []


def settle_gone(stand, uuid):
    return stand.converge(uuid, until=lambda c: False) is None


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 4])
def test_delete_while_it_is_being_made(stand, passes):
    uuid = stand.cluster()
    for _ in range(passes):
        stand.pass_once()
        stand.boot()
    gone(stand, uuid)


def test_delete_of_what_never_came_up(stand):
    uuid = started(stand)
    machine(stand, nodes(stand, uuid)["worker-0"]).report("engine", 40, "failed", message="broken")
    assert stand.converge(uuid)["status"] == "CREATE_FAILED"
    gone(stand, uuid)
    refused = stand.cluster()
    stand.stacks.fail_next("create", StackRefused("no"))
    assert stand.converge(refused)["status"] == "CREATE_FAILED"
    gone(stand, refused)


def test_delete_while_it_is_being_scaled(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    scale(stand, uuid, 1)
    stand.pass_once()
    gone(stand, uuid)


def test_delete_with_heat_away_goes_on_later(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    for call in ("get", "delete", "get"):
        stand.stacks.fail_next(call, OrchestrationUnavailable("Heat does not answer."))
    gone(stand, uuid)


def test_a_stack_that_somebody_deleted_is_named_and_made_again(stand):
    uuid = started(stand)
    (stack,) = stand.stacks.find(None, [])
    stand.stacks.delete(PROJECT, stack.id)
    before = {n["uuid"] for n in nodes(stand, uuid).values()}
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "somebody else deleted it" in found["status_reason"]
    stand.machines.clear()
    scale(stand, uuid, 2)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert not before & {n["uuid"] for n in nodes(stand, uuid).values()}
    (again,) = stand.stacks.find(None, [])
    assert again.id == stand.get(uuid)["stack_id"] != stack.id


def test_a_settled_cluster_is_looked_at_when_a_node_falls_silent_and_when_it_is_back(stand):
    """Not only when its turn comes, which is rarely."""
    uuid, other = stand.cluster(node_count=1), stand.cluster(node_count=1)
    stand.converge(uuid)
    stand.converge(other)
    silent, master = nodes(stand, uuid)["worker-0"], nodes(stand, uuid)["manager-0"]

    def due():
        with stand.database.read() as connection:
            return {ident for ident, _ in leases.due(connection, 10)}

    stand.boot()
    stand.pass_once()
    assert due() == set()
    stand.offset += stand.conf.conductor.silent_after - 5
    stand.boot(only=lambda n: n["uuid"] != silent["uuid"])
    watch(stand.ports)
    assert due() == set()
    stand.offset += 10
    watch(stand.ports)
    assert due() == {uuid}, "its server is there, it says nothing all the same"
    stand.pass_once()
    assert "silent" in stand.get(uuid)["health_status_reason"][silent["hostname"]]
    for _ in range(2):
        stand.offset += 30
        stand.boot(only=lambda n: n["uuid"] != silent["uuid"])
        watch(stand.ports)
        assert due() == set()  # said once
    machine(stand, silent).report("ready", 100, "ok", healthy=True)
    assert due() == {uuid}
    stand.boot()
    stand.pass_once()
    assert stand.get(uuid)["health_status"] == "HEALTHY"
    machine(stand, silent).state = "down"  # the engine misses it before we do
    stand.step(machine(stand, master))
    assert due() == {uuid}


def test_health(stand):
    uuid = stand.cluster()
    found = stand.converge(uuid)
    assert found["health_status"] == "HEALTHY"
    sick, silent = nodes(stand, uuid)["worker-0"], nodes(stand, uuid)["worker-1"]
    machine(stand, sick).report("ready", 100, "failed", healthy=False, message="dockerd is not active")
    stand.pass_once()
    found = stand.get(uuid)
    assert (found["status"], found["health_status"]) == ("CREATE_COMPLETE", "UNHEALTHY")
    assert found["health_status_reason"][sick["hostname"]] == "dockerd is not active"
    machine(stand, sick).report("ready", 100, "ok", healthy=True)
    stand.pass_once()
    assert stand.get(uuid)["health_status"] == "HEALTHY"
    stand.offset += 90
    stand.boot(only=lambda n: n["uuid"] != silent["uuid"])
    write(stand, uuid, next_sync=0.0)
    stand.pass_once()
    found = stand.get(uuid)
    assert found["health_status"] == "UNHEALTHY"
    assert "silent" in found["health_status_reason"][silent["hostname"]]
    assert found["health_status_reason"][sick["hostname"]] == "ready"
    stand.boot()
    machine(stand, sick).state = "down"
    stand.boot(only=lambda n: n["role"] == "master")
    write(stand, uuid, next_sync=0.0)
    stand.pass_once()
    found = stand.get(uuid)
    assert found["health_status_reason"][sick["hostname"]] == "down: the swarm says down"
    assert found["health_status"] == "UNHEALTHY"
    assert [e["message"].split(":")[0] for e in told(stand, uuid, "health")][:4] == [
        "HEALTHY", "UNHEALTHY", "HEALTHY", "UNHEALTHY",
    ]  # fmt: skip


def test_events_outlive_their_cluster_for_a_while(stand):
    first, second = stand.cluster(), stand.cluster()
    stand.converge(first), stand.converge(second)
    stand.api.delete(f"/v1/clusters/{first}")
    stand.converge(first)
    assert expire_events(stand.ports) == 0
    assert told(stand, first)[-1]["message"] == "Deleted: nothing is left of it."
    with stand.database.write() as connection:
        from datetime import timedelta

        from magnum_lite.db.session import utcnow

        connection.execute(event.update().values(created_at=utcnow() - timedelta(days=31)))
    assert expire_events(stand.ports) > 0
    stand.api.get(f"/v1/clusters/{first}/events", status=404)
    assert told(stand, second)


def test_masters_come_in_threes(stand):
    uuid = stand.cluster(master_count=3, node_count=1)
    found = stand.settle(uuid)
    assert found["status"] == "CREATE_COMPLETE"
    assert len(found["master_addresses"]) == 3


def test_a_silent_node_is_named_with_its_console(stand):
    class Consoles:
        def tail(self, project_id, server_id, lines):
            return f"{project_id} {server_id} {lines}\nkernel: no such disk\x1b[0m password=hunter2"

    ports = dataclasses.replace(stand.ports, consoles=Consoles())
    uuid = stand.cluster(node_count=1)
    for _ in range(3):
        stand.pass_once(ports)
    stand.offset += stand.conf.conductor.step_timeout + 5
    for _ in range(2):
        stand.pass_once(ports)
    found = stand.get(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "silent for" in found["status_reason"]
    assert any("kernel: no such disk" in text for text in found["faults"].values())
    assert "hunter2" not in str(found)
