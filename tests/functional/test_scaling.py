"""Scaling on demand, from what the engine says to the nodes: a resize that nobody asked for, when all is well."""

import pytest

from magnum_lite.cloud.lookups import Allowance
from magnum_lite.conductor import scaling
from magnum_lite.db.schema import node
from magnum_lite.models.load import Load, Node, Pod
from magnum_lite.models.stack import ResourceFault
from tests.functional.test_conductor import nodes, row, told, write
from tests.functional.test_leases import Killed, rows
from tests.functional.test_nodegroup_life import V, add
from tests.functional.test_repair import beat, due

ROOM = {"cpu": 2000, "memory": 4 * 2**30, "pods": 100}
LABELS = {"auto_scaling_enabled": "true", "max_node_count": "4"}
RETRY = 900


def pod(name="ns/web", cpu=1500, **more):
    return Pod(name=name, requests={"cpu": cpu, "memory": 2**30, "pods": 1}, **more)


class World:
    """What the engine of a bay would say."""

    def __init__(self):
        self.waiting, self.on, self.rival, self.asked = (), {}, "", 0

    def load(self, work):
        self.asked += 1
        there = [n["engine_id"] for n in work.members() if n["state"] == "ready" and n["role"] == "worker"]
        found = tuple(
            Node(
                name=name,
                labels={"kubernetes.io/hostname": name},
                allocatable=ROOM,
                pods=tuple(p for host, on in self.on.items() if name.endswith(host) for p in on),
            )
            for name in there
        )
        return Load(nodes=found, waiting=self.waiting, rival=self.rival)


@pytest.fixture
def world(monkeypatch):
    """Nobody serves the Kubernetes API here: tests/kubernetes has a real one."""
    found = World()
    monkeypatch.setattr(scaling, "_load", found.load)
    return found


@pytest.fixture
def calm(stand):
    """A conductor that does not wait before it adds nodes."""
    stand.conf.set_override("scale_up_after", 0, group="conductor")
    return stand


def made(stand, *, labels=LABELS, coe="kubernetes", **more):
    bay = stand.cluster(template=stand.template(coe=coe, labels=labels), **{"node_count": 1} | more)
    assert stand.settle(bay)["status"] == "CREATE_COMPLETE"
    look(stand, bay)
    assert stand.get(bay)["health_status"] == "HEALTHY"
    return bay


def look(stand, bay):
    """As long after everything else as it takes, one look."""
    stand.boot()
    found = row(stand, bay)
    assert found["generation"] == found["observed_generation"]
    write(stand, bay, accepted_at=found["accepted_at"] - 10_000)
    due(stand)
    stand.pass_once()


def workers(stand, bay):
    return {name for name, n in nodes(stand, bay).items() if n["role"] == "worker"}


def done(stand, bay):
    found = stand.settle(bay)
    assert found["status"] == "UPDATE_COMPLETE", found["status_reason"]


def group(stand, bay, name="default-worker"):
    return stand.api.get(f"/v1/clusters/{bay}/nodegroups/{name}", headers=V).json


def full(stand):
    """The cloud has no place for the server that Heat asks it for."""
    (stack,) = stand.stacks.find(None, [])
    fault = ResourceFault("swarm_nodes/1/server", "OS::Nova::Server", "No valid host was found")
    stand.stacks.add_fault(stack.project_id, stack.id, fault)


def changes(stand, bay):
    return [e["message"] for e in told(stand, bay, "scaling")]


def test_pods_that_wait_bring_nodes(calm, world):
    bay = made(calm)
    world.on = {"worker-0": [pod("ns/a")]}
    world.waiting = (pod("ns/b"), pod("ns/c"))
    generation = row(calm, bay)["generation"]
    look(calm, bay)
    found = calm.get(bay)
    assert (found["status"], found["node_count"]) == ("UPDATE_IN_PROGRESS", 3)
    assert row(calm, bay)["generation"] == generation + 1
    (event,) = changes(calm, bay)
    assert event == (
        "Scale up: default-worker from 1 to 3 node(s): 2 pod(s) that ask for 3 cores and 2 GiB "
        "(ns/b, ns/c) wait for room."
    )
    asked = world.asked
    done(calm, bay)
    assert world.asked == asked, "nothing is decided while it changes"
    assert workers(calm, bay) == {"worker-0", "worker-1", "worker-2"}
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 3, "they have room now"


def test_never_more_than_the_bound(calm, world):
    bay = made(calm, labels=LABELS | {"max_node_count": "2"})
    world.on = {"worker-0": [pod("ns/a")]}
    world.waiting = tuple(pod(f"ns/{i}") for i in range(5))
    look(calm, bay)
    done(calm, bay)
    world.on["worker-1"] = [pod("ns/0")]
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 2 and len(changes(calm, bay)) == 1


def test_a_node_that_is_idle_for_long_leaves_and_no_other(calm, world):
    bay = made(calm, node_count=3)
    busy = pod("ns/busy", held="it has a volume")
    world.on = {"worker-0": [busy], "worker-2": [busy, pod("ns/d", 10, stays=True)]}
    look(calm, bay)
    assert {n["hostname"][-8:] for n in rows(calm, node) if n["idle_since"]} == {"worker-1"}
    calm.offset += 300
    world.on["worker-1"] = [busy]
    look(calm, bay)
    assert not any(n["idle_since"] for n in rows(calm, node)), "it begins anew"
    del world.on["worker-1"]
    look(calm, bay)
    calm.offset += 500
    look(calm, bay)
    assert calm.get(bay)["status"] == "CREATE_COMPLETE"
    calm.offset += 100
    look(calm, bay)
    assert (calm.get(bay)["status"], calm.get(bay)["node_count"]) == ("UPDATE_IN_PROGRESS", 2)
    (event,) = changes(calm, bay)
    assert event.startswith("Scale down: default-worker from 3 to 2 node(s): ")
    assert "worker-1 leaves, idle for 6" in event and event.endswith("no pod would have to move.")
    done(calm, bay)
    assert workers(calm, bay) == {"worker-0", "worker-2"}
    drained = {
        n for m in calm.machines.values() if m.role == "master" for t in m.told for n in t.get("drain", ())
    }
    assert {n[-8:] for n in drained} == {"worker-1"}


@pytest.mark.parametrize(("least", "left"), [("2", 2), ("1", 1)])
def test_never_below_the_bound_nor_the_last(calm, world, least, left):
    bay = made(calm, node_count=3, labels=LABELS | {"min_node_count": least})
    for _ in range(6):
        look(calm, bay)
        if calm.get(bay)["status"] == "UPDATE_IN_PROGRESS":
            done(calm, bay)
        calm.offset += 700
    assert calm.get(bay)["node_count"] == len(workers(calm, bay)) == left
    assert len(changes(calm, bay)) == 3 - left


@pytest.mark.parametrize(
    ("coe", "labels"),
    [
        ("kubernetes", {}),
        ("kubernetes", {"auto_scaling_enabled": "false", "max_node_count": "4"}),
        ("swarm", LABELS),
    ],
)
def test_off_unless_wanted(calm, world, coe, labels):
    bay = made(calm, labels=labels, coe=coe)
    world.waiting = (pod(cpu=2500), pod("ns/b"))
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 1 and world.asked == 0
    assert group(calm, bay)["max_node_count"] is None


def test_bays_of_before_wait_for_a_bound(calm, world):
    """They had the label when it did nothing; nobody is surprised by nodes."""
    bay = made(calm, labels={})
    write(calm, bay, labels=LABELS)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    look(calm, bay)
    assert (world.asked, calm.get(bay)["node_count"]) == (1, 1)
    path = f"/v1/clusters/{bay}/nodegroups/default-worker"
    calm.api.patch_json(path, [{"op": "replace", "path": "/max_node_count", "value": 2}], headers=V)
    done(calm, bay)
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 2


def test_a_group_by_its_own_bounds(calm, world):
    bay = made(calm, labels=LABELS | {"max_node_count": "1"})
    add(calm, bay, name="big", node_count=1, max_node_count=2)
    done(calm, bay)
    world.on, world.waiting = {"worker-0": [pod("ns/a")], "big-0": [pod("ns/b")]}, (pod(),)
    look(calm, bay)
    assert changes(calm, bay)[0].startswith("Scale up: big from 1 to 2 node(s)")
    done(calm, bay)
    world.on, world.waiting = {"worker-0": [pod("ns/a")], "big-1": [pod("ns/b")]}, ()
    look(calm, bay)
    calm.offset += 700
    look(calm, bay)
    done(calm, bay)
    assert workers(calm, bay) == {"worker-0", "big-1"}


def test_not_right_after_another_change(stand, world):
    bay = made(stand)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    stand.boot()
    write(stand, bay, accepted_at=stand.database.now() - 20, next_sync=0.0)
    stand.pass_once()
    assert stand.get(bay)["node_count"] == 1
    look(stand, bay)
    assert stand.get(bay)["node_count"] == 2


def test_not_while_it_is_unwell(calm, world):
    bay = made(calm, node_count=2)
    world.waiting = (pod(cpu=2000), pod("ns/b", 2000), pod("ns/c", 2000))
    calm.lose(nodes(calm, bay)["worker-1"])
    beat(calm, 90, [bay])
    asked = world.asked
    look(calm, bay)
    assert calm.get(bay)["health_status"] == "UNHEALTHY"
    assert (world.asked, calm.get(bay)["node_count"]) == (asked, 2)


def test_a_user_who_comes_first_wins(calm, world, monkeypatch):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    decide = scaling.sizing.grow

    def meanwhile(*arguments):
        body = {"node_count": 4}
        calm.api.post_json(f"/v1/clusters/{bay}/actions/resize", body, headers=V)
        monkeypatch.setattr(scaling.sizing, "grow", decide)
        return decide(*arguments)

    monkeypatch.setattr(scaling.sizing, "grow", meanwhile)
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 4 and changes(calm, bay) == []
    done(calm, bay)
    assert len(workers(calm, bay)) == 4


def test_a_conductor_that_dies_leaves_a_whole_change_or_none(calm, world, monkeypatch):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    monkeypatch.setattr(scaling.events, "add", dies := _Dies())
    with pytest.raises(Killed):
        look(calm, bay)
    assert dies.times == 1
    monkeypatch.undo()
    monkeypatch.setattr(scaling, "_load", world.load)
    calm.conf.set_override("scale_up_after", 0, group="conductor")
    assert calm.get(bay)["node_count"] == 1 and row(calm, bay)["scaling"] is None
    write(calm, bay, lease_expires=0.0)
    calm.ports = calm.make_ports("conductor-2")
    look(calm, bay)
    done(calm, bay)
    assert len(workers(calm, bay)) == 2 and len(changes(calm, bay)) == 1


class _Dies:
    times = 0

    def __call__(self, *arguments, **more):
        self.times += 1
        raise Killed


def test_a_full_project_is_told_once_and_tried_again_later(calm, world):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod("ns/b"), pod("ns/c"))
    generation = row(calm, bay)["generation"]
    calm.lookups.limits = {"cores": Allowance(10, 1), "instances": Allowance(10, 5)}
    for _ in range(3):
        look(calm, bay)
    calm.offset += RETRY
    look(calm, bay)
    (event,) = changes(calm, bay)
    assert "quota does not suffice (cores: 2 needed, 1 left)" in event
    assert row(calm, bay)["generation"] == generation and calm.get(bay)["status"] == "CREATE_COMPLETE"
    calm.lookups.limits = {"cores": Allowance(10, 3)}
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 1, "not yet"
    calm.offset += RETRY
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 2, "as many as there is room for"
    done(calm, bay)


def test_no_word_of_the_quotas_is_no_leave(calm, world):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    calm.lookups.down = "compute"
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 1 and changes(calm, bay) == []
    calm.lookups.down = None
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 2


def test_nodes_that_can_not_be_made_are_taken_back(calm, world):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    before = {n["server_id"] for n in nodes(calm, bay).values()}
    look(calm, bay)
    calm.pass_once()
    full(calm)
    found = calm.settle(bay)
    assert found["status"] == "UPDATE_FAILED"
    look(calm, bay)
    found = calm.settle(bay)
    assert (found["status"], found["node_count"]) == ("UPDATE_COMPLETE", 1)
    assert {n["server_id"] for n in nodes(calm, bay).values()} == before
    event = changes(calm, bay)[-1]
    assert event.startswith("Scale up failed: default-worker goes back from 2 to 1 node(s)."), event
    assert "No valid host was found" in event
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 1, "not at once"
    calm.offset += RETRY
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 2
    done(calm, bay)


def test_a_users_own_failure_is_left_to_him(calm, world):
    bay = made(calm)
    body = {"node_count": 2}
    calm.api.post_json(f"/v1/clusters/{bay}/actions/resize", body, headers=V)
    calm.pass_once()
    full(calm)
    assert calm.settle(bay)["status"] == "UPDATE_FAILED"
    generation = row(calm, bay)["generation"]
    calm.offset += 10 * RETRY
    look(calm, bay)
    assert row(calm, bay)["generation"] == generation


def test_a_removal_that_failed_is_tried_again_later(calm, world):
    bay = made(calm, node_count=2)
    look(calm, bay)
    calm.offset += 700
    look(calm, bay)
    assert calm.get(bay)["node_count"] == 1
    generation = row(calm, bay)["generation"]
    write(calm, bay, status="UPDATE_FAILED", observed_generation=generation)
    due(calm)
    calm.pass_once()
    assert row(calm, bay)["generation"] == generation, "not at once"
    look(calm, bay)
    assert row(calm, bay)["generation"] == generation + 1
    done(calm, bay)
    assert len(workers(calm, bay)) == 1


def test_where_cluster_autoscaler_works_nothing_is_done(calm, world):
    bay = made(calm)
    world.on, world.waiting = {"worker-0": [pod("ns/a")]}, (pod(),)
    world.rival = "cluster-autoscaler-6d4f-abc"
    for _ in range(3):
        look(calm, bay)
    assert changes(calm, bay) == [
        "Not scaled from here: cluster-autoscaler does it (cluster-autoscaler-6d4f-abc)."
    ]
    assert calm.get(bay)["node_count"] == 1


def test_labels_become_the_bounds_of_the_default_workers(stand):
    template = stand.template(coe="kubernetes", labels={"auto_scaling_enabled": "True"})
    bay = stand.cluster(template=template, node_count=2)
    found = group(stand, bay)
    assert (found["min_node_count"], found["max_node_count"]) == (1, 3), "as upstream: one more"
    assert group(stand, bay, "default-master")["max_node_count"] is None
    more = {"labels": {"min_node_count": "2", "max_node_count": "7"}, "merge_labels": True}
    bay = stand.cluster(template=template, node_count=2, **more)
    found = group(stand, bay)
    assert (found["min_node_count"], found["max_node_count"]) == (2, 7)


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"min_node_count": "3"}, "min_node_count"),
        ({"max_node_count": "1"}, "max_node_count"),
        ({"max_node_count": "many"}, "max_node_count"),
        ({"max_node_count": "-1"}, "max_node_count"),
        ({"max_node_count": "10001"}, "max_node_count"),
        ({"min_node_count": "1.5"}, "min_node_count"),
        ({"auto_scaling_enabled": "perhaps"}, "auto_scaling_enabled"),
    ],
)
def test_bad_labels_are_named(stand, labels, field):
    body = {"name": "x", "cluster_template_id": stand.template(coe="kubernetes")["uuid"], "node_count": 2}
    body["labels"] = {"auto_scaling_enabled": "true"} | labels
    answer = stand.api.post_json("/v1/clusters", body, expect_errors=True)
    assert answer.status_int == 400
    assert f"labels/{field}" in answer.text


@pytest.mark.parametrize("labels", [{"min_node_count": "3"}, {"max_node_count": "1"}])
def test_bounds_of_the_template_that_do_not_hold_are_named(stand, labels):
    template = stand.template(coe="kubernetes", labels={"auto_scaling_enabled": "true"} | labels)
    body = {"name": "x", "cluster_template_id": template["uuid"], "node_count": 2}
    answer = stand.api.post_json("/v1/clusters", body, expect_errors=True)
    assert answer.status_int == 400 and f"labels/{next(iter(labels))}" in answer.text
    stand.api.post_json(
        "/v1/clusters", body | {"labels": {"auto_scaling_enabled": "false"}, "merge_labels": True}
    )
