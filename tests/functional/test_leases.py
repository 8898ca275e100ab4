"""Two conductors, and conductors that die or freeze: one stack, each CA once, nothing written late."""

import pytest

from magnum_lite.conductor import work
from magnum_lite.conductor.reconciler import reconcile
from magnum_lite.conductor.sweeper import sweep
from magnum_lite.db.schema import authority, cluster, event, node
from magnum_lite.models.stack import TAG, StackRequest, cluster_tag
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackExists, StackRefused
from tests.functional.test_conductor import scale, write
from tests.support.stand import PROJECT

UPDATE = [
    "ensure_authorities",
    "ensure_node_records",
    "drain_leaving",
    "ensure_stack_or_help",
    "observe",
    "end",
]
DELETE = ["ensure_stack_gone", "forget"]


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


def dying(name, times=1):
    left = [times]

    def at_point(point):
        if point == name and left[0]:
            left[0] -= 1
            raise Killed

    return at_point


def killed(stand, uuid, name, passes=12):
    """Work until the conductor dies at ``name``; its lease then runs out."""
    at_point = dying(name)
    for _ in range(passes):
        try:
            stand.pass_once(at_point=at_point)
        except Killed:
            write(stand, uuid, lease_expires=0.0)
            stand.ports = stand.make_ports("conductor-2")
            return
        stand.boot()
        stand.offset += 5
    raise AssertionError(f"{name} was never reached")


def rows(stand, table):
    with stand.database.read() as connection:
        return [dict(r) for r in connection.execute(table.select()).mappings()]


def whole(stand, uuid, count):
    """Exactly one stack, each CA and node once."""
    assert len(stand.stacks.find(None, [TAG])) == 1
    assert sorted(a["purpose"] for a in rows(stand, authority)) == ["cluster", "node"]
    members = rows(stand, node)
    assert len(members) == count
    assert len({(n["role"], n["index"]) for n in members}) == count
    assert {n["state"] for n in members} == {"ready"}


@pytest.mark.parametrize("point", UPDATE)
def test_killed_while_making(stand, point):
    uuid = stand.cluster()
    killed(stand, uuid, point)
    found = stand.settle(uuid)
    assert found["status"] == "CREATE_COMPLETE"
    whole(stand, uuid, 3)


@pytest.mark.parametrize("point", UPDATE)
@pytest.mark.parametrize("count", [1, 4])
def test_killed_while_scaling(stand, point, count):
    uuid = stand.cluster()
    stand.converge(uuid)
    scale(stand, uuid, count)
    killed(stand, uuid, point)
    found = stand.settle(uuid)
    assert found["status"] == "UPDATE_COMPLETE"
    whole(stand, uuid, count + 1)


@pytest.mark.parametrize("point", DELETE)
def test_killed_while_deleting(stand, point):
    uuid = stand.cluster()
    stand.converge(uuid)
    stand.api.delete(f"/v1/clusters/{uuid}")
    killed(stand, uuid, point)
    assert stand.converge(uuid) is None
    assert stand.stacks.find(None, [TAG]) == []
    assert rows(stand, node) == rows(stand, authority) == rows(stand, cluster) == []


def test_killed_right_after_heat_took_the_stack(stand):
    """The answer of POST /stacks is lost: the stack is there, its id is in no row."""
    uuid = stand.cluster()
    create = stand.stacks.create

    def lost(project, request):
        create(project, request)
        raise Killed

    stand.stacks.create = lost
    with pytest.raises(Killed):
        stand.pass_once()
    stand.stacks.create = create
    write(stand, uuid, lease_expires=0.0)
    stand.ports = stand.make_ports("conductor-2")
    assert stand.settle(uuid)["status"] == "CREATE_COMPLETE"
    whole(stand, uuid, 3)


def test_a_conflict_means_adopt(stand):
    """Another conductor's POST arrived between our look and our own."""
    uuid = stand.cluster()
    create = stand.stacks.create

    def late(project, request):
        create(project, request)
        stand.stacks.create = create
        raise StackExists(request.name)

    stand.stacks.create = late
    assert stand.settle(uuid)["status"] == "CREATE_COMPLETE"
    whole(stand, uuid, 3)


def claimed(stand, uuid, owner):
    with stand.database.read() as connection:
        token = connection.execute(
            cluster.select().with_only_columns(cluster.c.fencing_token).where(cluster.c.uuid == uuid)
        ).scalar_one()
    return work.claim(stand.make_ports(owner), uuid, token)


def test_one_lease_at_a_time(stand):
    uuid = stand.cluster()
    first = claimed(stand, uuid, "one")
    assert first is not None
    assert claimed(stand, uuid, "two") is None
    stand.pass_once()  # nothing is due
    assert rows(stand, authority) == []
    work.release(first, 0.0)
    second = claimed(stand, uuid, "two")
    assert second.token == first.token + 1
    assert work.claim(stand.ports, uuid, first.token) is None


def test_a_frozen_conductor_writes_nothing_after_its_lease(stand):
    uuid = stand.cluster()
    frozen = claimed(stand, uuid, "frozen")
    write(stand, uuid, lease_expires=0.0)
    stand.ports = stand.make_ports("conductor-2")
    stand.pass_once()
    before = [rows(stand, t) for t in (cluster, node, authority, event)]
    requests = len(stand.stacks.requests)
    for attempt in (
        lambda: reconcile(frozen),
        lambda: frozen.save(status_reason="late"),
        lambda: frozen.tell("node", "late"),
        frozen.extend,
    ):
        with pytest.raises(work.LeaseLost):
            attempt()
    work.release(frozen, 0.0)
    assert [rows(stand, t) for t in (cluster, node, authority, event)] == before
    assert len(stand.stacks.requests) == requests


def test_a_frozen_conductor_does_not_forget_a_cluster(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    stand.api.delete(f"/v1/clusters/{uuid}")
    frozen = claimed(stand, uuid, "frozen")
    write(stand, uuid, lease_expires=0.0)
    other = claimed(stand, uuid, "other")
    with pytest.raises(work.LeaseLost):
        reconcile(frozen)
    assert len(rows(stand, cluster)) == 1
    work.release(other, 0.0)
    assert stand.converge(uuid) is None


def test_a_change_by_the_user_is_not_lost_while_a_conductor_works(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    scale(stand, uuid, 3)
    changed = []

    def at_point(point):
        if point == "observe" and not changed:
            changed.append(point)
            scale(stand, uuid, 4)

    stand.pass_once(at_point=at_point)
    assert changed
    found = stand.settle(uuid)
    assert (found["node_count"], len(found["node_addresses"])) == (4, 4)
    whole(stand, uuid, 5)


def test_a_second_stack_is_swept(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    tags = (TAG, cluster_tag(uuid))
    twin = stand.stacks.create(
        PROJECT, StackRequest("twin", "swarm/cluster.yaml", {"managers": 1}, tags=tags)
    )
    mine = claimed(stand, uuid, "busy")
    assert sweep(stand.ports) == []
    assert stand.stacks.get(PROJECT, twin).action == "CREATE"  # somebody may be at it
    work.release(mine, 0.0)
    sweep(stand.ports)
    left = stand.stacks.find(None, [TAG])
    assert [s.id for s in left] == [stand.get(uuid)["stack_id"]]
    assert "A second stack, twin, was removed." in [e["message"] for e in rows(stand, event)]


def test_a_second_stack_of_the_same_name_is_swept(stand):
    """Heat has no unique constraint on names."""
    uuid = stand.cluster()
    stand.converge(uuid)
    name = stand.stacks.find(None, [TAG])[0].name
    tags = (TAG, cluster_tag(uuid))
    request = StackRequest(name, "swarm/cluster.yaml", {"managers": 1}, tags=tags)
    stand.stacks._create(PROJECT, request)  # without the look at names
    sweep(stand.ports)
    assert [s.id for s in stand.stacks.find(None, [TAG])] == [stand.get(uuid)["stack_id"]]


def test_stacks_of_nobody_are_reported_and_left(stand):
    stand.cluster()  # a project without clusters is not looked at
    tags = (TAG, cluster_tag("00000000-0000-4000-8000-000000000000"))
    orphan = stand.stacks.create(
        PROJECT, StackRequest("orphan", "swarm/cluster.yaml", {"managers": 1}, tags=tags)
    )
    assert [s.id for s in sweep(stand.ports)] == [orphan]
    assert stand.stacks.get(PROJECT, orphan).action == "CREATE"


def test_a_stack_made_for_a_cluster_that_was_deleted_meanwhile_is_swept(stand):
    """A conductor frozen before it asks Heat wakes up when cluster and row are gone."""
    stand.cluster()
    uuid = stand.cluster()
    frozen = claimed(stand, uuid, "frozen")
    write(stand, uuid, lease_expires=0.0)
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    with pytest.raises(work.LeaseLost):
        reconcile(frozen)
    request = frozen.driver.stack_request(frozen.spec())
    stand.stacks.create(PROJECT, request)
    assert sweep(stand.ports) == []
    assert cluster_tag(uuid) not in {tag for s in stand.stacks.find(None, [TAG]) for tag in s.tags}


def dies_behind(stand, uuid, call):
    """The conductor dies when Heat has taken its ``call``, and before that is written down."""
    real = getattr(stand.stacks, call)

    def last(*arguments):
        real(*arguments)
        raise Killed

    setattr(stand.stacks, call, last)
    try:
        with pytest.raises(Killed):
            for _ in range(20):
                stand.pass_once()
                stand.boot()
                stand.offset += 5
    finally:
        setattr(stand.stacks, call, real)
    write(stand, uuid, lease_expires=0.0)
    stand.ports = stand.make_ports("conductor-2")


@pytest.mark.parametrize("count", [1, 3])
def test_scaled_down_when_heat_had_just_been_asked_for_more(stand, count):
    """Nodes that Heat may know of are not forgotten: it waits for them, and never uses an index twice."""
    uuid = stand.cluster(node_count=4)
    dies_behind(stand, uuid, "create")
    scale(stand, uuid, count)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    whole(stand, uuid, count + 1)
    scale(stand, uuid, 5)
    dies_behind(stand, uuid, "update")
    scale(stand, uuid, count)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    whole(stand, uuid, count + 1)
    scale(stand, uuid, 4)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    whole(stand, uuid, 5)


def test_a_stack_that_was_never_made_is_not_missed(stand):
    """Heat was away when it was to be asked: nobody has deleted anything."""
    uuid = stand.cluster(node_count=1)
    stand.stacks.fail_next("create", OrchestrationUnavailable("Heat does not answer in time."))
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    assert not [e for e in rows(stand, event) if "somebody else deleted it" in e["message"]]
    whole(stand, uuid, 2)


def test_nodes_of_a_refused_change_are_forgotten_as_if_they_had_never_been(stand):
    uuid = stand.cluster(node_count=1)
    stand.converge(uuid)
    stand.stacks.fail_next("update", StackRefused("Heat refused the request: quota"))
    scale(stand, uuid, 3)
    assert stand.settle(uuid)["status"] == "UPDATE_FAILED"
    scale(stand, uuid, 2)
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert sorted(n["index"] for n in rows(stand, node) if n["role"] == "worker") == [0, 1]
