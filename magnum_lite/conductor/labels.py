"""Labels of nodes in the engine: what the user gave the node group, and the group's name and role."""

from collections.abc import Mapping

from oslo_log import log

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor.outcome import DONE, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db.rows import Row
from magnum_lite.models.nodegroup import label_changes
from magnum_lite.native.engine import EngineRefused, EngineUnreachable

LOG = log.getLogger(__name__)
_WAITING = "Waiting for a master to take node labels."


def ensure_labels(work: Work) -> Outcome:
    """Done when the engine has all labels that a user may be waiting for. Name and role of the group alone
    keep nobody waiting: a master's agent sets them at its next beat.
    """
    wanted = {g["uuid"]: work.driver.labels(g) for g in work.groups}
    behind = [n for n in work.members() if n["engine_id"] and label_changes(n, wanted[n["nodegroup_id"]])]
    _note_seen(work, behind, wanted)
    behind = [n for n in behind if label_changes(n, wanted[n["nodegroup_id"]])]
    if not behind:
        return DONE
    _set(work, behind, wanted)
    users = {g["uuid"] for g in work.groups if g["node_labels"]}
    late = [n for n in behind if label_changes(n, wanted[n["nodegroup_id"]])]
    if any(n["nodegroup_id"] in users or n["engine_labels"] for n in late):
        return Wait(1.0, _WAITING)
    return DONE


def _set(work: Work, behind: list[Row], wanted: Mapping[str, dict[str, str]]) -> None:
    """What we can set ourselves; a master's agent is instructed, too."""
    engine = engines.reach(work)
    if engine is None:
        return
    try:
        for node in behind:
            labels = wanted[node["nodegroup_id"]]
            try:
                engine.set_labels(node["engine_id"], label_changes(node, labels))
            except EngineRefused as error:  # somebody took it out of the engine: the others get theirs
                LOG.info("labels of %s in %s wait: %s", node["hostname"], work.uuid, error)
                continue
            work.save_node(node, engine_labels=labels)
    except EngineUnreachable as error:
        LOG.info("labels of %s wait: %s", work.uuid, error)
    finally:
        engine.close()


def _note_seen(work: Work, behind: list[Row], wanted: Mapping[str, Mapping[str, str]]) -> None:
    """What masters report as set already."""
    seen = engines.view(work) if behind else {}
    for node in behind:
        has = seen.get(node["engine_id"], {}).get("labels") or {}
        labels = wanted[node["nodegroup_id"]]
        changes = label_changes(node, labels)
        if all(has.get(name) == value for name, value in changes.items()):
            work.save_node(node, engine_labels=dict(labels))
