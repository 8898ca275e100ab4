"""How many nodes a cluster that scales on demand should have: a decision from numbers alone, without any
I/O, and one change at a time.

Up, when pods wait that no node has room for and that a new node of a group would take; down, when a node
has nothing to do that could not be done elsewhere, for long. The rules are those of cluster-autoscaler
where they are simple (https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md). What
waits for another reason than room brings no node, as another one would not help.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from magnum_lite.models.load import Load, Node, Pod, Resources, Taint, fits, rest, total

LEAST = 1
_OF_ONE_NODE = frozenset({"kubernetes.io/hostname", "metadata.name"})  # the latter by matchFields
_PASSING = "node.kubernetes.io/"  # taints that Kubernetes itself sets and takes away again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A node group: ``least`` and ``most`` are its owner's bounds (no ``most``: it is not scaled),
    ``nodes`` the names of those that are there.
    """

    name: str
    count: int
    least: int = 0
    most: int | None = None
    nodes: frozenset[str] = frozenset()

    @property
    def floor(self) -> int:
        """Fewer are never left, whatever the owner's bound: from nothing nobody could say what a node has."""
        return max(self.least, LEAST)


@dataclasses.dataclass(frozen=True, slots=True)
class Grow:
    """``count`` is the new one; ``pods`` would have room then."""

    group: str
    count: int
    pods: tuple[Pod, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Shrink:
    """``node`` leaves, and its ``pods`` go elsewhere."""

    group: str
    count: int
    node: str
    pods: tuple[Pod, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A new, empty node of a group, as the ones that are there show it."""

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    free: Resources


def waiting(load: Load) -> list[Pod]:
    """Pods that wait and for which no node that is there has room, largest first."""
    left, _ = place(load.waiting, _free(load.nodes))
    return left


def grow(load: Load, groups: Sequence[Group]) -> Grow | None:
    """The group that takes most of what waits, with as many nodes as that needs and its bound allows."""
    pods = waiting(load)
    found: list[tuple[int, int, str, Grow]] = []
    for group in groups if pods else ():
        kind = kind_of(load, group)
        room = (group.most or 0) - group.count
        if kind is None or room <= 0:
            continue
        taken, used = _pack(pods, kind, room)
        if taken:
            change = Grow(group.name, group.count + used, tuple(taken))
            found.append((-len(taken), used, group.name, change))
    return min(found, key=lambda f: f[:3])[3] if found else None


def spare(load: Load, groups: Sequence[Group], share: float) -> dict[str, tuple[Pod, ...]]:
    """Nodes of which any one could leave now, with the pods that would have to move; none while pods wait for
    which a new node would help. ``share``: the most of its CPU and memory that those may ask for that move.
    """
    needy = waiting(load)
    if any(_would_help(load, group, pod) for pod in needy for group in groups):
        return {}
    coming = [pod for pod in load.waiting if pod not in needy]  # they have their room already
    free = _free(load.nodes)
    scaled = {name for g in groups if g.most is not None and g.count > g.floor for name in g.nodes}
    out = {}
    for node in load.nodes:
        moving = tuple(pod for pod in node.pods if not pod.stays)
        if node.name not in scaled or not node.open or node.kept or any(pod.held for pod in moving):
            continue
        asked = total(pod.requests for pod in moving)
        if any(asked.get(name, 0) > share * node.allocatable.get(name, 0) for name in ("cpu", "memory")):
            continue
        if _have_room((*moving, *coming), [entry for entry in free if entry[0] is not node]):
            out[node.name] = moving
    return out


def shrink(
    spared: Mapping[str, tuple[Pod, ...]], idle: Mapping[str, float], groups: Sequence[Group], after: float
) -> Shrink | None:
    """The node that has been idle for longest, if for ``after`` seconds; ``idle``: seconds by name."""
    found = [
        (-idle[name], name, group)
        for group in groups
        if group.most is not None and group.count - 1 >= group.floor
        for name in group.nodes & spared.keys()
        if idle.get(name, -1.0) >= after
    ]
    if not found:
        return None
    _, name, group = min(found, key=lambda f: f[:2])
    return Shrink(group.name, group.count - 1, name, spared[name])


def kind_of(load: Load, group: Group) -> Kind | None:
    """What all its open nodes have in common; of room the least that any of them has, without what belongs to
    each node. None if there is none to look at.
    """
    there = [node for node in load.nodes if node.name in group.nodes and node.open]
    if not there:
        return None
    labels = dict(there[0].labels)
    taints = [t for t in there[0].taints if not t.key.startswith(_PASSING)]
    for node in there[1:]:
        labels = {name: value for name, value in labels.items() if node.labels.get(name) == value}
        taints = [taint for taint in taints if taint in node.taints]
    labels = {name: value for name, value in labels.items() if name not in _OF_ONE_NODE}
    empty = [rest(node.allocatable, total(p.requests for p in node.pods if p.stays)) for node in there]
    names = set.intersection(*(set(free) for free in empty))
    return Kind(labels, tuple(taints), {name: min(free[name] for free in empty) for name in names})


def place(pods: Iterable[Pod], free: Sequence[tuple[Node, Resources]]) -> tuple[list[Pod], dict[str, str]]:
    """Give each pod the first node that takes it, the largest ones first: who finds none, and pod → node."""
    left, found = [], {}
    taken: dict[str, dict[str, int]] = {}
    for pod in _largest_first(pods):
        name = _first(pod, free, taken)
        if name is None:
            left.append(pod)
        else:
            found[pod.name] = name
    return left, found


def _have_room(pods: Iterable[Pod], free: Sequence[tuple[Node, Resources]]) -> bool:
    """Whether `place` finds a node for all of them; the first one without ends it, as there may be many."""
    taken: dict[str, dict[str, int]] = {}
    return all(_first(pod, free, taken) is not None for pod in _largest_first(pods))


def _first(pod: Pod, free: Sequence[tuple[Node, Resources]], taken: dict[str, dict[str, int]]) -> str | None:
    """``taken``: what is left of nodes that have got a pod already."""
    for node, room in free:
        there = taken.get(node.name, room)
        if fits(pod.requests, there) and pod.may_be_on(node.labels, node.taints):
            taken[node.name] = there = dict(there)
            _take(there, pod)
            return node.name
    return None


def _pack(pods: Sequence[Pod], kind: Kind, room: int) -> tuple[list[Pod], int]:
    """Pods that at most ``room`` new nodes would take, and how many nodes that needs."""
    bins: list[dict[str, int]] = []
    taken = []
    for pod in pods:
        if not _takes(kind, pod):
            continue
        free = next((b for b in bins if fits(pod.requests, b)), None)
        if free is None and len(bins) < room:
            bins.append(free := dict(kind.free))
        if free is not None:
            _take(free, pod)
            taken.append(pod)
    return taken, len(bins)


def _would_help(load: Load, group: Group, pod: Pod) -> bool:
    """Whether a new node might take this pod, now or once some of the others are gone from its group."""
    if group.most is None:
        return False
    alone = (dataclasses.replace(group, nodes=frozenset({name})) for name in group.nodes)
    kinds = (kind_of(load, some) for some in (group, *alone))
    return any(kind is not None and _takes(kind, pod) for kind in kinds)


def _takes(kind: Kind, pod: Pod) -> bool:
    return fits(pod.requests, kind.free) and pod.may_be_on(kind.labels, kind.taints)


def _free(nodes: Iterable[Node]) -> list[tuple[Node, dict[str, int]]]:
    return [
        (node, rest(node.allocatable, total(pod.requests for pod in node.pods)))
        for node in nodes
        if node.open
    ]


def _take(room: dict[str, int], pod: Pod) -> None:
    for name, amount in pod.requests.items():
        room[name] = room.get(name, 0) - amount


def _largest_first(pods: Iterable[Pod]) -> list[Pod]:
    return sorted(pods, key=lambda p: (-p.requests.get("cpu", 0), -p.requests.get("memory", 0), p.name))
