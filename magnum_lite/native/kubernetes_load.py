"""What the Kubernetes API says of nodes and pods, as ``models.load`` has it.

Which pods may be moved is what cluster-autoscaler says of it
(https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md), and no more.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from magnum_lite.models.load import Load, Node, Pod, Requirement, Taint, Terms, Toleration
from magnum_lite.native.kubernetes_amounts import requests_of, resources

Ask = Callable[[str], Any]  # a path → its answer, parsed; None if there is no such thing

_PREFIX = "cluster-autoscaler.kubernetes.io/"
_SAFE, _SAFE_VOLUMES, _KEPT = (
    f"{_PREFIX}{word}" for word in ("safe-to-evict", "safe-to-evict-local-volumes", "scale-down-disabled")
)
_EXPENDABLE = -10  # pods of a lower priority bring no node: cluster-autoscaler's own limit
_PAGE, _MOST_PAGES = 500, 100
_MOST_CLAIMS = 50
_RIVAL_SECONDS = 120.0


def read(ask: Ask, now: float) -> Load:
    """All of it; ``now`` in Unix seconds."""
    pods = list(_all(ask, "/api/v1/pods?fieldSelector=status.phase!%3DSucceeded,status.phase!%3DFailed"))
    barred = [_barring(raw) for raw in _all(ask, "/apis/policy/v1/poddisruptionbudgets")]
    budgets = [budget for budget in barred if budget is not None]
    on: dict[str, list[Pod]] = {}
    for raw in pods:
        if name := raw["spec"].get("nodeName"):
            on.setdefault(name, []).append(pod_of(raw, budgets))
    waits = [raw for raw in pods if _waits(raw)]
    return Load(
        nodes=tuple(node_of(raw, on.get(raw["metadata"]["name"], ())) for raw in _all(ask, "/api/v1/nodes")),
        waiting=tuple(pod_of(raw, chooses=_of_volumes(ask, raw)) for raw in waits[:_MOST_CLAIMS])
        + tuple(pod_of(raw) for raw in waits[_MOST_CLAIMS:] if not list(_claims(raw))),
        rival=_rival(
            ask("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cluster-autoscaler"), now
        ),
    )


def _all(ask: Ask, path: str) -> Iterator[Mapping[str, Any]]:
    """Page by page: one answer has a limit (``native.tls``)."""
    address = f"{path}{'&' if '?' in path else '?'}limit={_PAGE}"
    mark = ""
    for _ in range(_MOST_PAGES):  # who is root on a master could go on for ever
        page = ask(f"{address}&continue={quote(mark, safe='')}" if mark else address) or {}
        yield from page.get("items") or ()
        mark = (page.get("metadata") or {}).get("continue") or ""
        if not mark:
            return
    raise ValueError(f"more than {_MOST_PAGES * _PAGE} objects")


def node_of(raw: Mapping[str, Any], pods: Sequence[Pod]) -> Node:
    """A node with the pods on it."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    kept = (meta.get("annotations") or {}).get(_KEPT) == "true"
    return Node(
        name=meta["name"],
        open=ready and not spec.get("unschedulable"),
        kept=kept,
        labels={**(meta.get("labels") or {}), "metadata.name": meta["name"]},
        taints=tuple(Taint(t["key"], t.get("value") or "", t["effect"]) for t in spec.get("taints") or ()),
        allocatable=resources(status.get("allocatable"), up=False),
        pods=tuple(pods),
    )


def pod_of(
    raw: Mapping[str, Any], budgets: Sequence[Callable[..., bool]] = (), chooses: tuple[Terms, ...] = ()
) -> Pod:
    """``budgets``: which pods can't be disrupted now; ``chooses``: what its volumes choose."""
    meta, spec = raw["metadata"], raw["spec"]
    return Pod(
        name=f"{meta['namespace']}/{meta['name']}",
        requests=requests_of(spec),
        chooses=(*_chosen(spec), *chooses),
        tolerations=tuple(_toleration(t) for t in spec.get("tolerations") or ()),
        stays=_stays(meta),
        held=_held(raw, budgets),
    )


def _stays(meta: Mapping[str, Any]) -> bool:
    owners = {owner["kind"] for owner in meta.get("ownerReferences") or ()}
    return "DaemonSet" in owners or "kubernetes.io/config.mirror" in (meta.get("annotations") or {})


def _held(raw: Mapping[str, Any], budgets: Sequence[Callable[..., bool]]) -> str:
    meta = raw["metadata"]
    notes = meta.get("annotations") or {}
    if notes.get(_SAFE) == "false":
        return "it is annotated as not safe to evict"
    if list(_claims(raw)):
        return "it has a volume"
    safe = notes.get(_SAFE) == "true"
    if not safe and not any(owner.get("controller") for owner in meta.get("ownerReferences") or ()):
        return "nobody would make it again"
    spared = {name.strip() for name in notes.get(_SAFE_VOLUMES, "").split(",")}
    local = [v["name"] for v in raw["spec"].get("volumes") or () if _is_local(v) and v["name"] not in spared]
    if local and not safe:
        return f"it has local storage ({local[0]})"
    if any(budget(meta["namespace"], meta.get("labels") or {}) for budget in budgets):
        return "its PodDisruptionBudget allows no disruption now"
    return ""


def _is_local(volume: Mapping[str, Any]) -> bool:
    empty = volume.get("emptyDir")
    return "hostPath" in volume or (empty is not None and empty.get("medium") != "Memory")


def _barring(raw: Mapping[str, Any]) -> Callable[[str, Mapping[str, str]], bool] | None:
    """Whether a pod (namespace, labels) is of this budget; None if it allows a disruption now."""
    selector = (raw.get("spec") or {}).get("selector")
    if selector is None or ((raw.get("status") or {}).get("disruptionsAllowed") or 0) > 0:
        return None
    rules = [Requirement(k, "In", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    rules += [_requirement(e) for e in selector.get("matchExpressions") or ()]
    return lambda space, labels: (
        space == raw["metadata"]["namespace"] and all(rule.holds(labels) for rule in rules)
    )


def _toleration(raw: Mapping[str, Any]) -> Toleration:
    value = None if raw.get("operator") == "Exists" else raw.get("value") or ""
    return Toleration(raw.get("key") or "", value, raw.get("effect") or "")


def _chosen(spec: Mapping[str, Any]) -> Iterator[Terms]:
    if plain := spec.get("nodeSelector"):
        yield (tuple(Requirement(name, "In", (value,)) for name, value in plain.items()),)
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    yield from _terms(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))


def _terms(required: Mapping[str, Any] | None) -> Iterator[Terms]:
    """None that can hold if there is a selector without terms."""
    if required is not None:
        yield tuple(
            tuple(
                _requirement(e) for kind in ("matchExpressions", "matchFields") for e in term.get(kind) or ()
            )
            for term in required.get("nodeSelectorTerms") or ()
            if term.get("matchExpressions") or term.get("matchFields")
        )


def _requirement(raw: Mapping[str, Any]) -> Requirement:
    return Requirement(raw["key"], raw["operator"], tuple(raw.get("values") or ()))


def _waits(raw: Mapping[str, Any]) -> bool:
    """A pod for which the scheduler found no node, and will not make room by taking others away."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    if spec.get("nodeName") or status.get("nominatedNodeName") or meta.get("deletionTimestamp"):
        return False
    if _stays(meta) or (spec.get("priority") or 0) < _EXPENDABLE:
        return False
    conditions = status.get("conditions") or ()
    return any(
        c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
        for c in conditions
    )


def _claims(raw: Mapping[str, Any]) -> Iterator[str]:
    for volume in raw["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]
        elif "ephemeral" in volume:
            yield f"{raw['metadata']['name']}-{volume['name']}"


def _of_volumes(ask: Ask, raw: Mapping[str, Any]) -> tuple[Terms, ...]:
    """Where its volumes can be reached: one on a node's own disk ties its pod to that node."""
    out: list[Terms] = []
    space = quote(raw["metadata"]["namespace"], safe="")
    for claim in _claims(raw):
        found = ask(f"/api/v1/namespaces/{space}/persistentvolumeclaims/{quote(claim, safe='')}")
        name = ((found or {}).get("spec") or {}).get("volumeName")
        volume = ask(f"/api/v1/persistentvolumes/{quote(name, safe='')}") if name else None
        out += _terms((((volume or {}).get("spec") or {}).get("nodeAffinity") or {}).get("required"))
    return tuple(out)


def _rival(lease: Mapping[str, Any] | None, now: float) -> str:
    """cluster-autoscaler itself, where it holds its lease."""
    spec = (lease or {}).get("spec") or {}
    try:
        renewed = dt.datetime.fromisoformat(spec.get("renewTime") or "").timestamp()
    except ValueError:
        return ""
    return str(spec.get("holderIdentity") or "cluster-autoscaler") if now - renewed < _RIVAL_SECONDS else ""
