"""Nodes that are to go: drained, taken out of the engine, then out of the stack."""

from oslo_log import log

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor.outcome import DONE, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.models.status import NodeState
from magnum_lite.native.engine import Engine, EngineRefused, EngineUnreachable

LOG = log.getLogger(__name__)
DRAINING, REMOVED = "draining", "removed"
_TASKS_STOP = 10.0


def drain_leaving(work: Work) -> Outcome:
    """Done when every leaving node is out of the engine; each gets ``drain_timeout`` seconds."""
    leaving = [n for n in work.nodes if n["state"] == NodeState.LEAVING and n["leave_step"] != REMOVED]
    if not leaving:
        return DONE
    engine = engines.reach(work)
    try:
        for node in leaving:
            _advance(work, node, engine)
    finally:
        if engine is not None:
            engine.close()
    waiting = [n["hostname"] for n in leaving if n["leave_step"] != REMOVED]
    if waiting:
        return Wait(0.5, f"Draining {', '.join(waiting[:5])}.")
    _block_indices(work, leaving)
    return DONE


def _advance(work: Work, node: Row, engine: Engine | None) -> None:
    now, limit = work.ports.clock(), work.ports.conf.conductor.drain_timeout
    if not node["engine_id"]:
        work.save_node(node, leave_step=REMOVED)
        return
    if node["leave_step"] is None:
        work.save_node(node, leave_step=DRAINING, leave_since=now)
        work.tell("node", "Draining: its tasks move to other nodes.", node=node["hostname"], step="drain")
    late = now - node["leave_since"] >= limit
    drained = _try(engine, lambda e: e.drain(node["engine_id"]))
    if engine is None:  # its master was told to drain it; tasks get a moment to stop
        asked = engines.view(work).get(node["engine_id"], {}).get("availability") == "drain"
        drained = asked and now - node["leave_since"] >= _TASKS_STOP
    if not drained and not late:
        return
    if late and not drained:
        work.tell(
            "node", f"Not drained within {limit} s; it leaves all the same.", node=node["hostname"],
            step="drain", level="warning",
        )  # fmt: skip
    _try(engine, lambda e: e.remove(node["engine_id"]))
    work.save_node(node, leave_step=REMOVED)
    work.tell("node", f"Out of {work.driver.place}.", node=node["hostname"], step="leave")


def _try(engine: Engine | None, call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The call's answer; None where the engine can't be reached or refuses (its node may be dead)."""
    if engine is None:
        return None
    try:
        return call(engine)
    except (EngineUnreachable, EngineRefused) as error:
        LOG.info("engine did not do it: %s", error)
        return None


def _block_indices(work: Work, leaving: list[Row]) -> None:
    """Heat is told to remove exactly these, and never uses their indices again."""
    with work.write() as connection:
        for group in work.groups:
            gone = {n["index"] for n in leaving if n["nodegroup_id"] == group["uuid"] and n["in_stack"]}
            removed = sorted({*(group["removed_indices"] or ()), *gone})
            if removed != (group["removed_indices"] or []):
                nodegroups.update(connection, group["uuid"], {"removed_indices": removed})
                group["removed_indices"] = removed


def forget_gone(work: Work) -> Outcome:
    """Once the stack is without them, their records go too. Where only a master's agent can take them
    out of the engine, it is given two of its beats for that.
    """
    gone = [n for n in work.nodes if n["state"] == NodeState.LEAVING and n["leave_step"] == REMOVED]
    if not gone:
        return DONE
    if not work.ports.conf.conductor.reach_engines:
        seen, now = engines.view(work), work.ports.clock()
        patience = work.ports.conf.conductor.drain_timeout + 3 * work.ports.conf.node_door.report_interval
        if any(n["engine_id"] in seen and now - n["leave_since"] < patience for n in gone):
            return Wait(1.0, "Masters are being told of nodes that are gone.")
    with work.write() as connection:
        for node in gone:
            nodes.delete(connection, node["uuid"])
            work.nodes.remove(node)
    for node in gone:
        work.tell("node", "Removed.", node=node["hostname"], step="gone", percent=100)
    return DONE


def forget_groups(work: Work) -> None:
    """Node groups that were to go, once the stack is without them and none of their nodes is left."""
    for group in [g for g in work.groups if g["deleting"]]:
        if any(n["nodegroup_id"] == group["uuid"] for n in work.nodes):
            continue
        with work.write() as connection:
            nodegroups.delete(connection, group["uuid"])
            events.add(connection, work.cluster, "nodegroup", f"Node group {group['name']} is gone.")
        work.groups.remove(group)
