"""Nodes that are lost: everybody is told within a minute, and an update or the conductor itself mends it."""

import pytest

from magnum_lite.conductor import work as works
from magnum_lite.conductor.healing import choose
from magnum_lite.conductor.watching import watch
from magnum_lite.db import leases
from magnum_lite.db.schema import cluster, node
from tests.functional.test_conductor import nodes, told
from tests.functional.test_leases import killed, rows, whole
from tests.support.stand import Stand

HEALING = {"auto_healing_enabled": "true"}


def beat(stand, seconds, bays=()):
    """The clock goes on in steps of 5 seconds; machines report, conductors watch and look."""
    for _ in range(0, seconds, 5):
        stand.offset += 5.0
        stand.boot()
        watch(stand.ports)
        stand.pass_once()
        if bays and all(stand.get(b)["health_status"] == "UNHEALTHY" for b in bays):
            return


def due(stand):
    """As after ``idle_interval``."""
    with stand.database.write() as connection:
        connection.execute(cluster.update().values(next_sync=0.0))


def healthy(stand, bay, passes=60):
    for _ in range(passes):
        due(stand)
        beat(stand, 5)
        found = stand.get(bay)
        if found["health_status"] == "HEALTHY" and not found["status"].endswith("IN_PROGRESS"):
            return found
    raise AssertionError((found["status"], found["status_reason"], found["health_status_reason"]))


def made(stand, **more):
    bay = stand.cluster(**more)
    stand.settle(bay)
    beat(stand, 15)
    due(stand)
    beat(stand, 5)
    assert stand.get(bay)["health_status"] == "HEALTHY"
    return bay


def held(stand, bay):
    with stand.database.write() as connection:
        connection.execute(cluster.update().values(next_sync=0.0))
    with stand.database.read() as connection:
        token = next(t for u, t in leases.due(connection, 100) if u == bay)
    return works.claim(stand.ports, bay, token)


def test_nobody_is_asked_while_all_is_well(stand):
    made(stand, node_count=3)
    asked = len(stand.servers.asked)
    beat(stand, 120)
    assert len(stand.servers.asked) == asked


def test_a_server_that_is_gone_is_named_within_a_minute(stand):
    bay = made(stand, node_count=3)
    victim = nodes(stand, bay)["worker-1"]
    asked = len(stand.servers.asked)
    stand.lose(victim)
    beat(stand, 55)
    found = stand.get(bay)
    assert found["health_status"] == "UNHEALTHY"
    assert found["health_status_reason"][victim["hostname"]] == "down: its server is gone"
    assert victim["hostname"] in told(stand, bay, "health")[-1]["message"]
    assert len(stand.servers.asked) == asked + 2, "when it is missed, and when it is named"
    beat(stand, 60)
    assert len(stand.servers.asked) <= asked + 4, "not at each look"
    assert found["status"] == "CREATE_COMPLETE", "nothing is done unasked"
    assert victim["hostname"] in {n["hostname"] for n in nodes(stand, bay).values()}


@pytest.mark.parametrize("waited", [0, 60])
def test_an_update_to_the_same_count_brings_it_back(stand, waited):
    bay = made(stand, node_count=3)
    before = nodes(stand, bay)
    stand.lose(before["worker-1"])
    if waited:
        beat(stand, waited)
    stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 3}])
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    after = nodes(stand, bay)
    assert set(before) - set(after) == {"worker-1"} and set(after) - set(before) == {"worker-3"}
    assert all(after[n]["server_id"] == before[n]["server_id"] for n in after if n in before)
    healthy(stand, bay)
    whole(stand, bay, 4)


def test_a_bay_that_wants_it_is_healed(stand):
    bay = made(stand, node_count=3, labels=HEALING)
    before = nodes(stand, bay)
    stand.lose(before["worker-1"])
    beat(stand, 60)
    healthy(stand, bay)
    after = nodes(stand, bay)
    assert set(before) - set(after) == {"worker-1"} and set(after) - set(before) == {"worker-3"}
    assert stand.get(bay)["status"] == "UPDATE_COMPLETE"
    assert [e["message"] for e in told(stand, bay, "repair")] == [
        f"Repair: {before['worker-1']['hostname']} (its server is gone) will be replaced."
    ]


def test_a_server_in_error_is_lost_one_that_was_stopped_only_after_a_while(stand):
    bay = made(stand, node_count=3, labels=HEALING)
    found = nodes(stand, bay)
    stand.servers.others = {
        found["worker-0"]["server_id"]: "ERROR: no disk",
        found["worker-1"]["server_id"]: "SHUTOFF",
    }
    stand.fall_silent(found["worker-0"])
    stand.fall_silent(found["worker-1"])
    beat(stand, 60)
    healthy_but = stand.settle(bay)
    assert healthy_but["status"] == "UPDATE_COMPLETE"
    assert "worker-0" not in nodes(stand, bay) and "worker-1" in nodes(stand, bay)
    due(stand)
    beat(stand, 5)
    reasons = stand.get(bay)["health_status_reason"]
    assert reasons[found["worker-1"]["hostname"]] == "down: its server is in SHUTOFF"
    stand.offset += 300
    healthy(stand, bay)
    assert "worker-1" not in nodes(stand, bay)


def test_one_that_comes_back_in_time_is_kept(stand):
    bay = made(stand, node_count=2, labels=HEALING)
    victim = nodes(stand, bay)["worker-1"]
    stand.fall_silent(victim)
    beat(stand, 120)
    assert stand.get(bay)["health_status"] == "UNHEALTHY"
    machine = next(m for m in stand.machines.values() if m.node_id == victim["uuid"])
    machine.alive, machine.state = True, "ready"
    healthy(stand, bay)
    stand.offset += 400
    healthy(stand, bay)
    assert nodes(stand, bay)["worker-1"]["server_id"] == victim["server_id"]
    assert told(stand, bay, "repair") == []


def test_never_more_than_a_share_at_once(stand):
    bay = made(stand, node_count=6, labels=HEALING)
    for name in ("worker-0", "worker-2", "worker-3", "worker-5"):
        stand.lose(nodes(stand, bay)[name])
    beat(stand, 55, [bay])
    healthy(stand, bay, passes=150)
    sizes = [e["message"].partition(" (")[0].count(",") + 1 for e in told(stand, bay, "repair")]
    assert sizes == [2, 2]
    whole(stand, bay, 7)


def test_a_network_that_is_away_is_no_reason_to_replace_everybody(stand):
    """Servers that are there, and that the engine calls down all at once."""
    bay = made(stand, node_count=6, labels=HEALING)
    for name, found in nodes(stand, bay).items():
        if name.startswith("worker"):
            stand.fall_silent(found)
    beat(stand, 400)
    due(stand)
    beat(stand, 60)
    assert stand.get(bay)["health_status"] == "UNHEALTHY"
    assert told(stand, bay, "repair") == []


def test_a_cloud_that_does_not_answer_loses_nobody(stand):
    bay = made(stand, node_count=2, labels=HEALING)
    stand.servers.down = True
    stand.lose(nodes(stand, bay)["worker-1"])
    beat(stand, 120)
    due(stand)
    beat(stand, 5)
    assert "silent" in stand.get(bay)["health_status_reason"][nodes(stand, bay)["worker-1"]["hostname"]]
    assert told(stand, bay, "repair") == []
    stand.servers.down = False
    beat(stand, 60)
    healthy(stand, bay)


def test_masters_one_at_a_time_while_the_others_can_vote(stand):
    bay = made(stand, node_count=1, master_count=5, labels=HEALING)
    before = nodes(stand, bay)
    for name in ("manager-0", "manager-3"):
        stand.lose(before[name])
    beat(stand, 55, [bay])
    healthy(stand, bay, passes=150)
    assert len(told(stand, bay, "repair")) == 2
    after = nodes(stand, bay)
    assert set(before) - set(after) == {"manager-0", "manager-3"}
    assert set(after) - set(before) == {"manager-5", "manager-6"}
    whole(stand, bay, 6)


def test_masters_that_lost_their_majority_are_not_touched(stand):
    bay = made(stand, node_count=1, master_count=3, labels=HEALING)
    for name in ("manager-0", "manager-1"):
        stand.lose(nodes(stand, bay)[name])
    beat(stand, 120)
    mine = held(stand, bay)
    assert len([n for n in mine.members("master") if n["server_state"] == "gone"]) == 2
    assert choose(mine) == [] and told(stand, bay, "repair") == []


def test_the_only_master_takes_the_swarm_with_it_and_that_is_said(stand):
    bay = made(stand, node_count=2, labels=HEALING)
    stand.lose(nodes(stand, bay)["manager-0"])
    beat(stand, 60, [bay])
    assert stand.get(bay)["health_status"] == "UNHEALTHY"
    assert told(stand, bay, "repair") == []
    stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 2}])
    found = stand.settle(bay)
    assert found["status"] == "UPDATE_FAILED" and "make a new cluster" in found["status_reason"]
    assert len(stand.stacks.requests) == 1, "Heat was told nothing"


def test_a_repair_that_fails_is_tried_again_later(stand):
    from magnum_lite.orchestration.stacks import StackRefused

    bay = made(stand, node_count=2, labels=HEALING)
    stand.stacks.fail_next("update", StackRefused("no valid host was found"))
    stand.lose(nodes(stand, bay)["worker-1"])
    beat(stand, 60)
    found = stand.settle(bay)
    assert found["status"] == "UPDATE_FAILED" and "no valid host" in found["status_reason"]
    due(stand)
    beat(stand, 30)
    assert len(told(stand, bay, "repair")) == 1


@pytest.mark.parametrize(
    "point", ["ensure_node_records", "drain_leaving", "ensure_stack_or_help", "observe", "end"]
)
def test_killed_while_healing(stand, point):
    bay = made(stand, node_count=3, labels=HEALING)
    stand.lose(nodes(stand, bay)["worker-1"])
    beat(stand, 40)
    due(stand)
    killed(stand, bay, point, passes=40)
    healthy(stand, bay)
    whole(stand, bay, 4)
    assert len(told(stand, bay, "repair")) == 1


def test_the_drill_a_third_of_twenty_bays(tmp_path):
    """Removed behind the service's back: all of it is told within a minute; half of the bays heal by themselves,
    an update brings back the others.
    """
    stand = Stand(tmp_path)
    bays = [stand.cluster(node_count=2, labels=HEALING if i % 2 else {}) for i in range(20)]
    for bay in bays:
        stand.settle(bay)
    for _ in range(3):
        beat(stand, 5)
    due(stand)
    beat(stand, 5)
    assert {stand.get(b)["health_status"] for b in bays} == {"HEALTHY"}
    before = {b: nodes(stand, b) for b in bays}
    for number, bay in enumerate(bays):
        stand.lose(before[bay][f"worker-{number % 2}"])
    asked = len(stand.servers.asked)
    began = stand.offset
    beat(stand, 60, bays)
    assert all(stand.get(b)["health_status"] == "UNHEALTHY" or told(stand, b, "repair") for b in bays)
    assert stand.offset - began <= 60
    assert len(stand.servers.asked) - asked - 10 <= 4, "a call for a project, and one for each repair"
    for bay in bays[::2]:
        stand.api.patch_json(f"/v1/clusters/{bay}", [{"op": "replace", "path": "/node_count", "value": 2}])
    for bay in bays:
        healthy(stand, bay)
        after = nodes(stand, bay)
        assert len(after) == 3
        assert (
            sum(after[n]["server_id"] == before[bay][n]["server_id"] for n in after if n in before[bay]) == 2
        )
    assert len(rows(stand, node)) == 60
