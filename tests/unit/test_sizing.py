"""Decisions about how many nodes there should be, from numbers alone."""

import dataclasses
import functools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.conductor import sizing
from magnum_lite.conductor.sizing import Group
from magnum_lite.models.load import Load, Node, Pod, Requirement, Taint, Toleration, fits, rest, total

CORE, GIB = 1000, 2**30
MASTER_TAINT = Taint("node-role.kubernetes.io/control-plane", "", "NoSchedule")
ROOM = {"cpu": 2 * CORE, "memory": 4 * GIB, "pods": 10}


def pod(name, cpu=CORE, memory=GIB, **more):
    return Pod(name=name, requests={"cpu": cpu, "memory": memory, "pods": 1}, **more)


def node(name, *pods, **more):
    own = {"kubernetes.io/hostname": name, "metadata.name": name}
    labels = own | more.pop("labels", {})
    return Node(name=name, pods=pods, **{"allocatable": ROOM, "labels": labels} | more)


def daemon(name):
    return pod(name, 100, GIB // 10, stays=True)


def group(*names, most=5, **more):
    plain = {"name": "default-worker", "count": len(names), "nodes": frozenset(names), "most": most}
    return Group(**plain | more)


MASTER = node("m", taints=(MASTER_TAINT,))


class TestUp:
    def test_a_pod_without_room_brings_a_node(self):
        load = Load(nodes=(MASTER, node("w0", pod("a"), pod("b"))), waiting=(pod("c"),))
        change = sizing.grow(load, [group("w0")])
        assert (change.group, change.count, [p.name for p in change.pods]) == ("default-worker", 2, ["c"])

    def test_as_many_nodes_as_all_of_them_need(self):
        waiting = tuple(pod(f"p{i}") for i in range(5))
        load = Load(nodes=(node("w0", pod("a"), pod("b")),), waiting=waiting)
        assert sizing.grow(load, [group("w0")]).count == 4
        change = sizing.grow(load, [group("w0", most=3)])
        assert (change.count, len(change.pods)) == (3, 4)
        assert sizing.grow(load, [group("w0", most=1)]) is None
        assert sizing.grow(load, [group("w0", most=None)]) is None

    def test_nothing_for_what_has_room_already(self):
        """The scheduler has another reason, or has not come to it yet."""
        load = Load(nodes=(node("w0", pod("a")),), waiting=(pod("b"),))
        assert sizing.grow(load, [group("w0")]) is None
        closed = dataclasses.replace(load.nodes[0], open=False)
        full = node("w1", pod("c"), pod("d"))
        load = Load(nodes=(closed, full), waiting=(pod("b"),))
        assert sizing.grow(load, [group("w0", "w1")]).count == 3

    def test_nothing_for_what_no_new_node_would_take(self):
        nodes = (node("w0", pod("a"), pod("b")),)
        for waits in (
            pod("huge", 3 * CORE),
            pod("fat", CORE, 5 * GIB),
            Pod(name="gpu", requests={"cpu": 1, "pods": 1, "nvidia.com/gpu": 1}),
            pod("ssd", chooses=(((Requirement("disk", "In", ("ssd",)),),),)),
            pod("there", chooses=(((Requirement("kubernetes.io/hostname", "In", ("w0",)),),),)),
            pod("named", chooses=(((Requirement("metadata.name", "In", ("w0",)),),),)),
            pod("nowhere", chooses=((),)),
        ):
            assert sizing.grow(Load(nodes=nodes, waiting=(waits,)), [group("w0")]) is None, waits.name

    def test_what_belongs_to_each_node_takes_its_room_there(self):
        load = Load(
            nodes=(node("w0", daemon("d"), pod("a", 1900)),), waiting=(pod("b", 1900), pod("c", 1950))
        )
        change = sizing.grow(load, [group("w0")])
        assert [p.name for p in change.pods] == ["b"]

    def test_the_group_that_takes_most_of_what_waits(self):
        taint = Taint("gpu", "yes", "NoSchedule")
        plain = node("w0", pod("a"), pod("b"), labels={"tier": "plain"})
        gpu = node("g0", pod("x"), pod("y"), labels={"tier": "gpu"}, taints=(taint,))
        on_gpu = {"chooses": (((Requirement("tier", "In", ("gpu",)),),),)}
        on_gpu["tolerations"] = (Toleration("gpu", None, "NoSchedule"),)
        groups = [group("w0"), group("g0", name="gpu")]
        load = Load(nodes=(plain, gpu), waiting=(pod("c"), pod("d", **on_gpu), pod("e", **on_gpu)))
        assert sizing.grow(load, groups).group == "gpu"
        load = dataclasses.replace(load, waiting=load.waiting[:2])
        assert sizing.grow(load, groups).group == "default-worker", "as many with each: by name"
        without = dataclasses.replace(load.waiting[1], tolerations=())
        assert sizing.grow(Load(nodes=(plain, gpu), waiting=(without,)), groups) is None

    def test_a_label_of_one_node_is_not_the_groups(self):
        nodes = (node("w0", pod("a"), pod("b"), labels={"x": "1"}), node("w1", pod("c"), pod("d")))
        waits = pod("e", chooses=(((Requirement("x", "Exists"),),),))
        assert sizing.grow(Load(nodes=nodes, waiting=(waits,)), [group("w0", "w1")]) is None

    def test_from_no_node_nothing_can_be_told(self):
        assert sizing.grow(Load(nodes=(MASTER,), waiting=(pod("a"),)), [group()]) is None


class TestDown:
    def down(self, load, *groups, idle=600.0, share=0.5):
        spared = sizing.spare(load, groups, share)
        return sizing.shrink(spared, dict.fromkeys(spared, idle), groups, 600)

    def test_a_node_with_nothing_of_its_own(self):
        load = Load(nodes=(MASTER, node("w0", pod("a"), pod("b")), node("w1", daemon("d"))))
        change = self.down(load, group("w0", "w1"))
        assert (change.node, change.count, change.pods) == ("w1", 1, ())
        assert self.down(load, group("w0", "w1"), idle=599.0) is None

    def test_one_whose_pods_fit_elsewhere(self):
        load = Load(nodes=(node("w0", pod("a")), node("w1", daemon("d"), pod("b", 500))))
        change = self.down(load, group("w0", "w1"))
        assert (change.node, [p.name for p in change.pods]) == ("w0", ["a"])
        assert self.down(load, group("w0", "w1"), share=0.1) is None

    @pytest.mark.parametrize(
        "stays",
        [
            pod("held", 100, held="it has local storage"),
            pod("picky", 100, chooses=(((Requirement("metadata.name", "In", ("w1",)),),),)),
            pod("large", 1100),
        ],
    )
    def test_one_that_is_needed(self, stays):
        full = node("w0", pod("a"), pod("b", 900, 2 * GIB, held="x"))
        assert self.down(Load(nodes=(full, node("w1", stays))), group("w0", "w1"), share=1) is None

    def test_never_below_the_bound_and_never_the_last(self):
        nodes = (node("w0"), node("w1"))
        assert self.down(Load(nodes=nodes), group("w0", "w1", least=2)) is None
        assert self.down(Load(nodes=nodes[:1]), group("w0", least=0)) is None
        assert self.down(Load(nodes=nodes), group("w0", "w1", most=None)) is None
        assert self.down(Load(nodes=nodes), group("w0", "w1")) is not None

    def test_not_while_pods_wait(self):
        full = (node("w0", pod("a"), pod("b")), node("w1", pod("c", 900), pod("d", 900)))
        load = Load(nodes=(*full, node("w2")), waiting=(pod("e", 1500), pod("f", 1500)))
        assert self.down(load, group("w0", "w1", "w2", most=3)) is None, "though there can be no more nodes"
        load = Load(nodes=(*full, node("w2")), waiting=(pod("e", 1500),))
        assert self.down(load, group("w0", "w1", "w2")) is None, "it has room on the one that is idle"
        load = Load(nodes=(*full, node("w2")), waiting=(pod("huge", 9 * CORE),))
        assert self.down(load, group("w0", "w1", "w2")).node == "w2", "no node would help this one"

    def test_not_one_that_somebody_keeps_or_has_closed(self):
        for more in ({"kept": True}, {"open": False}):
            load = Load(nodes=(node("w0", pod("a"), pod("b", held="x")), node("w1", **more)))
            assert self.down(load, group("w0", "w1")) is None

    def test_the_one_that_is_idle_for_longest(self):
        load = Load(nodes=(node("w0"), node("w1"), node("w2")))
        groups = [group("w0", "w1", "w2")]
        spared = sizing.spare(load, groups, 0.5)
        change = sizing.shrink(spared, {"w0": 700.0, "w1": 900.0, "w2": 800.0}, groups, 600)
        assert change.node == "w1"

    def test_masters_take_what_tolerates_them(self):
        tolerant = pod("dns", 100, tolerations=(Toleration(),))
        load = Load(nodes=(MASTER, node("w0", pod("x"), pod("y", held="x")), node("w1", tolerant)))
        assert self.down(load, group("w0", "w1")).node == "w1"
        load = dataclasses.replace(load, nodes=(*load.nodes[:2], node("w1", pod("p", 100))))
        assert self.down(load, group("w0", "w1")) is None


NAMES = [f"n{i}" for i in range(6)]
RULES = ((), (((Requirement("tier", "In", ("gpu",)),),),), (((Requirement("tier", "Exists"),),),))
TOLERATIONS = ((), (Toleration(),), (Toleration("gpu"),))
TAINTS = ((), (Taint("gpu", "", "NoSchedule"),), (Taint("gpu", "", "PreferNoSchedule"),))


def cluster_of(seed):
    """A load, its groups, and for how long each node has been idle. Drawn here, as many examples are wanted."""
    chance, number = random.Random(seed), iter(range(10**6))

    def pods(most):
        return tuple(
            Pod(
                name=f"p{next(number)}",
                requests={"cpu": chance.randint(0, 1200), "memory": chance.randint(0, 3 * GIB), "pods": 1},
                chooses=chance.choice(RULES),
                tolerations=chance.choice(TOLERATIONS),
                stays=chance.random() < 0.3,
                held=chance.choice(["", "", "", "it has a volume"]),
            )
            for _ in range(chance.randint(0, most))
        )

    names = chance.sample(NAMES, chance.randint(0, len(NAMES)))
    split = chance.randint(0, len(names))
    nodes, groups = [], []
    for title, mine in (("one", names[:split]), ("two", names[split:])):
        labels, taints = chance.choice([{}, {"tier": "gpu"}]), chance.choice(TAINTS)
        nodes += [node(n, *pods(3), labels=labels, taints=taints, open=chance.random() < 0.9) for n in mine]
        least = chance.randint(0, 3)
        most = chance.choice([None, chance.randint(least, 8), chance.randint(least, 8)])
        groups.append(Group(name=title, count=len(mine), least=least, most=most, nodes=frozenset(mine)))
    waiting = tuple(dataclasses.replace(p, stays=False) for p in pods(chance.choice([0, 2, 6])))
    return Load(nodes=tuple(nodes), waiting=waiting), groups, {n: chance.uniform(0, 2000) for n in names}


clusters = functools.partial(st.builds, cluster_of, st.integers(0, 2**32))


@given(clusters())
def test_bounds_hold_and_the_same_is_decided_again(cluster):
    load, groups, idle = cluster
    bounds = {g.name: g for g in groups}
    up = sizing.grow(load, groups)
    spared = sizing.spare(load, groups, 0.5)
    down = sizing.shrink(spared, idle, groups, 600)
    assert up == sizing.grow(load, list(reversed(groups)))
    assert down == sizing.shrink(spared, idle, list(reversed(groups)), 600)
    if up is not None:
        assert bounds[up.group].most is not None
        assert bounds[up.group].count < up.count <= bounds[up.group].most
        assert up.pods and all(p in load.waiting for p in up.pods)
        assert down is None, "one change at a time"
    if down is not None:
        of = bounds[down.group]
        assert of.most is not None and down.node in of.nodes and idle[down.node] >= 600
        assert max(of.least, 1) <= down.count == of.count - 1
        (gone,) = [n for n in load.nodes if n.name == down.node]
        assert gone.open and not gone.kept and not any(p.held for p in gone.pods if not p.stays)


@given(clusters())
def test_what_a_growth_was_for_has_room_then(cluster):
    """The nodes come, the scheduler gives the pods their places: the same pods bring no more nodes."""
    load, groups, _ = cluster
    up = sizing.grow(load, groups)
    if up is None:
        return
    (of,) = [g for g in groups if g.name == up.group]
    kind = sizing.kind_of(load, of)
    names = [f"new{i}" for i in range(up.count - of.count)]
    fresh = tuple(Node(name=n, labels=kind.labels, taints=kind.taints, allocatable=kind.free) for n in names)
    after = dataclasses.replace(load, nodes=load.nodes + fresh, waiting=up.pods)
    assert sizing.waiting(after) == []
    assert sizing.grow(after, [dataclasses.replace(of, count=up.count, nodes=of.nodes | set(names))]) is None


@given(clusters())
def test_what_leaves_is_not_missed(cluster):
    """Its pods go where there is room, and bring no node back."""
    load, groups, idle = cluster
    down = sizing.shrink(sizing.spare(load, groups, 0.5), idle, groups, 0)
    if down is None:
        return
    left = dataclasses.replace(load, nodes=tuple(n for n in load.nodes if n.name != down.node))
    then = dataclasses.replace(left, waiting=load.waiting + down.pods)
    rest_of = [dataclasses.replace(g, count=g.count - 1, nodes=g.nodes - {down.node}) for g in groups]
    assert (
        sizing.grow(
            then, [g if down.node not in g.nodes else r for g, r in zip(groups, rest_of, strict=True)]
        )
        is None
    )
    free = [(n, rest(n.allocatable, total(p.requests for p in n.pods))) for n in left.nodes if n.open]
    nowhere, where = sizing.place(down.pods, free)
    assert not nowhere and set(where) == {p.name for p in down.pods}


@given(clusters())
def test_nobody_is_put_where_there_is_no_room(cluster):
    load, _, _ = cluster
    free = {n.name: rest(n.allocatable, total(p.requests for p in n.pods)) for n in load.nodes if n.open}
    by_name = {n.name: n for n in load.nodes}
    _, found = sizing.place(load.waiting, [(by_name[n], dict(room)) for n, room in free.items()])
    for name, room in free.items():
        mine = [p for p in load.waiting if found.get(p.name) == name]
        assert fits(total(p.requests for p in mine), room)
        assert all(p.may_be_on(by_name[name].labels, by_name[name].taints) for p in mine)


def test_the_examples_are_of_all_kinds():
    """Else the properties above would hold of nothing."""
    seen = {"up": 0, "down": 0, "moved": 0, "several": 0}
    for seed in range(600):
        load, groups, idle = cluster_of(seed)
        up, spared = sizing.grow(load, groups), sizing.spare(load, groups, 0.5)
        down = sizing.shrink(spared, idle, groups, 600)
        seen["up"] += up is not None
        seen["several"] += up is not None and len(up.pods) > 1
        seen["down"] += down is not None
        seen["moved"] += down is not None and bool(down.pods)
    assert min(seen.values()) > 10, seen


@pytest.mark.parametrize(("pods", "spared"), [(5, 400), (15, 0)])
def test_a_large_cluster_is_looked_at_in_time(pods, spared):
    names = [f"n{i}" for i in range(400)]
    nodes = tuple(node(n, *(pod(f"{n}-{i}", 60, GIB // 20) for i in range(pods))) for n in names)
    load, groups = Load(nodes=nodes), [group(*names, most=2000)]
    began = time.process_time()
    assert len(sizing.spare(load, groups, 0.5)) == spared, "there are at most ten pods on a node"
    assert sizing.grow(load, groups) is None
    assert time.process_time() - began < 10
