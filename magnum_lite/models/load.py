"""What runs on a cluster's nodes and what waits for room there, in numbers and rules of placement: values
without I/O, which ``native`` reads and ``conductor.sizing`` decides from.
"""

import dataclasses
from collections.abc import Iterable, Mapping

Resources = Mapping[str, int]  # cpu in thousandths of a core, memory in bytes, pods and all others counted
_BARRED = frozenset({"NoSchedule", "NoExecute"})


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """Of a node's label. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#NodeSelectorRequirement"""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """An operator that nobody knows never holds."""
        have = labels.get(self.key)
        match self.operator:
            case "In":
                return have in self.values
            case "NotIn":
                return have not in self.values
            case "Exists":
                return have is not None
            case "DoesNotExist":
                return have is None
            case "Gt" | "Lt":
                return self._compares(have)
        return False

    def _compares(self, have: str | None) -> bool:
        try:
            one, other = int(have or ""), int(self.values[0])
        except (ValueError, IndexError):
            return False
        return one > other if self.operator == "Gt" else one < other


Terms = tuple[tuple[Requirement, ...], ...]  # one of them, with all that it requires


@dataclasses.dataclass(frozen=True, slots=True)
class Taint:
    """Keeps pods away that do not tolerate it."""

    key: str
    value: str
    effect: str


@dataclasses.dataclass(frozen=True, slots=True)
class Toleration:
    """An empty key tolerates all keys, an empty effect all effects."""

    key: str = ""
    value: str | None = None  # None: any
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Whether it makes up for this taint."""
        return (
            self.effect in {"", taint.effect}
            and self.key in {"", taint.key}
            and self.value in {None, taint.value}
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """``requests`` includes itself as one of ``pods``. ``chooses``: each of these must hold of a node.
    ``stays``: belongs to its node and goes with it (DaemonSets, mirror pods). ``held``: why it must not be
    moved.
    """

    name: str
    requests: Resources = dataclasses.field(default_factory=lambda: {"pods": 1})
    chooses: tuple[Terms, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    stays: bool = False
    held: str = ""

    def may_be_on(self, labels: Mapping[str, str], taints: Iterable[Taint]) -> bool:
        """By selectors and taints; room aside."""
        chosen = all(
            any(all(rule.holds(labels) for rule in term) for term in terms) for terms in self.chooses
        )
        barred = (taint for taint in taints if taint.effect in _BARRED)
        return chosen and all(any(t.tolerates(taint) for t in self.tolerations) for taint in barred)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """``open``: ready, and takes new pods. ``kept``: somebody wants it to stay."""

    name: str
    open: bool = True
    kept: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    allocatable: Resources = dataclasses.field(default_factory=dict)
    pods: tuple[Pod, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``waiting``: pods for which the scheduler found no node. ``rival``: who else scales this cluster."""

    nodes: tuple[Node, ...]
    waiting: tuple[Pod, ...] = ()
    rival: str = ""


def total(requests: Iterable[Resources]) -> dict[str, int]:
    """The sum."""
    out: dict[str, int] = {}
    for one in requests:
        for name, amount in one.items():
            out[name] = out.get(name, 0) + amount
    return out


def rest(allocatable: Resources, used: Resources) -> dict[str, int]:
    """What is left; less than nothing where more is used than there is."""
    return {name: amount - used.get(name, 0) for name, amount in allocatable.items()}


def fits(requests: Resources, free: Resources) -> bool:
    """Whether all that is asked for is there."""
    return all(amount <= free.get(name, 0) for name, amount in requests.items() if amount > 0)
