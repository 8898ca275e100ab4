"""Scaling on demand: for clusters with ``auto_scaling_enabled`` whose engine can tell its load, the
conductor itself changes the count of a node group, as its owner would with a resize. ``sizing`` decides,
this acts.

Nothing is done while the cluster changes or is not healthy, nor where cluster-autoscaler works already.
Whoever changes the cluster meanwhile wins. Nodes that could not be made are taken back, and tried again
much later.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from oslo_log import log

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor import sizing
from magnum_lite.conductor.work import Work
from magnum_lite.db import clusters, events, nodegroups
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly, demand
from magnum_lite.errors import MagnumLiteError, Stale
from magnum_lite.models import label_values, labels
from magnum_lite.models.load import Load, Pod, total
from magnum_lite.models.redaction import clean
from magnum_lite.models.status import COMPLETE, FAILED, Action, Health, NodeState
from magnum_lite.native.engine import EngineError

LOG = log.getLogger(__name__)
_LABEL, _KIND = "auto_scaling_enabled", "scaling"
_NAMED, _LONGEST = 5, 300


def scale(work: Work) -> bool:
    """Begin a change of a settled cluster if it wants that and needs it; True if one begins."""
    if not _is_wanted(work):
        return False
    note = work.cluster["scaling"] or {}
    if work.cluster["status"].endswith(FAILED):
        return note.get("generation") == work.cluster["generation"] and _mend(work, note)
    well = work.cluster["health_status"] == Health.HEALTHY
    if not well or not work.cluster["status"].endswith(COMPLETE):
        return False
    load = _load(work)
    if load is None:
        return False
    if load.rival:
        who = clean(load.rival, 100)
        _tell_once(work, f"Not scaled from here: cluster-autoscaler does it ({who}).")
        return False
    return _decide(work, load, note)


def _is_wanted(work: Work) -> bool:
    own = assembly.labels(work.cluster, work.cluster["template"])
    value = labels.value_for(own, _LABEL, work.cluster["coe"])
    return label_values.is_true(value) and work.cluster["action"] != Action.DELETE


def _load(work: Work) -> Load | None:
    engine = engines.reach(work)
    if engine is None:
        return None
    try:
        work.extend()  # a large cluster has much to tell
        return engine.load()
    except EngineError as error:
        LOG.info("load of %s can't be asked: %s", work.uuid, error)
        return None
    finally:
        engine.close()


def _decide(work: Work, load: Load, note: Mapping[str, Any]) -> bool:
    conf, groups = work.ports.conf.conductor, _groups(work)
    quiet = work.ports.database.now() - work.cluster["accepted_at"]
    blocked = work.ports.clock() - note.get("blocked", 0.0) < conf.scale_retry
    if quiet >= conf.scale_up_after and not blocked and (up := sizing.grow(load, groups)):
        return _grow(work, up)
    spared = sizing.spare(load, groups, conf.idle_share)
    idle = _note_idle(work, spared)
    down = sizing.shrink(spared, idle, groups, conf.scale_down_after)
    return down is not None and quiet >= conf.scale_down_after and _shrink(work, down, idle[down.node])


def _groups(work: Work) -> list[sizing.Group]:
    out = []
    for group in work.groups:
        if group["role"] != "master" and not group["deleting"]:
            ready = [n for n in work.members() if n["state"] == NodeState.READY]
            mine = frozenset(n["engine_id"] for n in ready if n["nodegroup_id"] == group["uuid"])
            bounds = {"least": group["min_node_count"], "most": group["max_node_count"]}
            out.append(sizing.Group(name=group["name"], count=group["node_count"], nodes=mine, **bounds))
    return out


def _note_idle(work: Work, spared: Iterable[str]) -> dict[str, float]:
    """Kept in their records, so that any conductor knows since when: name → seconds."""
    now, names, out = work.ports.clock(), set(spared), {}
    for node in work.members():
        if node["engine_id"] in names:
            work.save_node(node, idle_since=now if node["idle_since"] is None else node["idle_since"])
            out[str(node["engine_id"])] = now - node["idle_since"]
        else:
            work.save_node(node, idle_since=None)
    return out


def _group(work: Work, name: str) -> Row:
    return next(g for g in work.groups if g["name"] == name)


def _grow(work: Work, wanted: sizing.Grow) -> bool:
    group = _group(work, wanted.group)
    before, more = group["node_count"], wanted.count - group["node_count"]
    try:
        room, short = _room(work, group, more)
    except MagnumLiteError as error:
        LOG.info("no answer about quotas cluster=%s: %s", work.uuid, error)
        return False
    if not room:
        text = f"{group['name']} can't grow: the project's quota does not suffice ({short}), while pods wait."
        _tell_once(work, text, blocked=work.ports.clock())
        return False
    waits = f"{_told(wanted.pods)} wait for room"
    text = f"Scale up: {group['name']} from {before} to {before + room} node(s): {waits}."
    note = {"group": group["uuid"], "from": before}
    return _begin(work, group, {"node_count": before + room}, text, note)


def _room(work: Work, group: Row, more: int) -> tuple[int, str]:
    """For how many of these nodes the project's quotas suffice, and what is in the way of the others."""
    ports = work.ports
    if ports.room is None:
        return more, ""
    flavor = ports.room.flavor(work.project_id, group["flavor_id"])
    of_one = demand.of_nodes(work.cluster, group, 1, vcpus=flavor.vcpus, ram=flavor.ram)
    left = {name: found.left for name, found in ports.room.left(work.project_id, of_one.keys()).items()}
    fit = {name: left[name] // amount for name, amount in of_one.items() if name in left}
    short = [f"{n}: {of_one[n]} needed, {left[n]} left" for n, nodes in fit.items() if not nodes]
    return min([more, *fit.values()]), "; ".join(short)


def _shrink(work: Work, wanted: sizing.Shrink, idle: float) -> bool:
    group = _group(work, wanted.group)
    node = next(n for n in work.members() if n["engine_id"] == wanted.node)
    rest = f"{_told(wanted.pods)} fit elsewhere" if wanted.pods else "no pod would have to move"
    text = (
        f"Scale down: {group['name']} from {group['node_count']} to {wanted.count} node(s): "
        f"{node['hostname']} leaves, idle for {int(idle)} s; {rest}."
    )
    leaving = sorted({*group["nodes_to_remove"], node["uuid"]})
    return _begin(work, group, {"node_count": wanted.count, "nodes_to_remove": leaving}, text, {})


def _mend(work: Work, note: Mapping[str, Any]) -> bool:
    """After a change of our own that failed: nodes are taken back at once, all else is tried again later."""
    group = next((g for g in work.groups if g["uuid"] == note.get("group")), None)
    if group is None or "from" not in note:
        age = work.ports.database.now() - work.cluster["accepted_at"]
        text = "Trying again, as the last change by scaling on demand failed."
        kept = {name: value for name, value in note.items() if name != "generation"}
        return age >= work.ports.conf.conductor.scale_retry and _begin(work, None, {}, text, kept)
    ready = [n for n in work.members() if n["state"] == NodeState.READY]
    count = max(note["from"], sum(n["nodegroup_id"] == group["uuid"] for n in ready))
    text = (
        f"Scale up failed: {group['name']} goes back from {group['node_count']} to {count} node(s). "
        f"{work.cluster['status_reason'] or ''}"
    )
    blocked = {"blocked": work.ports.clock()}
    return _begin(work, group, {"node_count": count}, text, blocked, level="warning")


def _begin(work: Work, group: Row | None, values: Row, text: str, note: Row, *, level: str = "info") -> bool:
    """A generation of our own, accepted as a user's would be."""
    try:
        with work.write() as connection:
            now = clusters.accept_own(connection, work.cluster)
            clusters.want(connection, now, {"scaling": note | {"generation": now["generation"]}})
            if group is not None:
                nodegroups.change(connection, group["uuid"], values)
            events.add(connection, now, _KIND, text, level=level)
    except Stale:
        return False  # the user changed it just now
    return True


def _tell_once(work: Work, text: str, **note: Any) -> None:
    """Until something else is said."""
    known = work.cluster["scaling"] or {}
    with work.write(scaling=known | note | {"text": text}) as connection:
        if known.get("text") != text:
            events.add(connection, work.cluster, _KIND, text, level="warning")


def _told(pods: tuple[Pod, ...]) -> str:
    asked = total(pod.requests for pod in pods)
    cores, memory = asked.get("cpu", 0) / 1000, asked.get("memory", 0) / 2**30
    names = clean(", ".join(pod.name for pod in pods[:_NAMED]), _LONGEST)
    more = f" and {len(pods) - _NAMED} more" if len(pods) > _NAMED else ""
    return f"{len(pods)} pod(s) that ask for {cores:g} cores and {memory:.2g} GiB ({names}{more})"
