"""Nodes that are to go: drained, taken out of the engine, then out of the stack."""

from collections.abc import Callable
from typing import TypeVar

from oslo_log import log

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor import stack as stacks
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.models.status import NodeState
from magnum_lite.native.engine import Engine, EngineRefused, EngineUnreachable

LOG = log.getLogger(__name__)
T = TypeVar("T")
DRAINING, EXPELLING, REMOVED = "draining", "expelling", "removed"
_TASKS_STOP = 10.0


def drain_leaving(work: Work) -> Outcome:
    """Done when every leaving node is out of the engine; each gets ``drain_timeout`` seconds. Masters vote:
    they leave one at a time, each only once the others have taken it out.
    """
    chosen = [n for n in work.nodes if n["state"] == NodeState.LEAVING]
    leaving = [n for n in chosen if n["leave_step"] != REMOVED]
    if not leaving:
        _block_indices(work, chosen)
        return DONE
    voters = [n for n in leaving if n["role"] == "master" and n["engine_id"]]
    others = [n for n in work.members("master") if n["state"] == NodeState.READY and n["engine_id"]]
    stay = any(n["state"] == NodeState.READY and n["engine_id"] for n in work.members())
    if voters and not others and stay and work.cluster["last_good"]:
        return _nobody_left(work, voters)
    engine = engines.reach(work)
    try:
        for node in leaving:
            if node not in voters[1:]:
                _advance(work, node, engine, votes=bool(others) and node in voters)
    finally:
        if engine is not None:
            engine.close()
    waiting = [n for n in leaving if n["leave_step"] != REMOVED]
    if waiting:
        return Wait(0.5, _what_goes_on(work, waiting))
    _block_indices(work, chosen)
    return DONE


def _nobody_left(work: Work, voters: list[Row]) -> Failed:
    """What masters know is on them alone."""
    lost = ", ".join(n["hostname"] for n in voters)
    reason = f"No other master has what {lost} knew of {work.driver.place}: it can't be replaced."
    return Failed(f"{reason} Save what its nodes hold, and make a new cluster.", {lost: reason})


def _what_goes_on(work: Work, waiting: list[Row]) -> str:
    expelled = [n["hostname"] for n in waiting if n["leave_step"] == EXPELLING]
    if expelled:
        return f"Taking {expelled[0]} out of {work.driver.place}; most of the other masters must agree."
    return f"Draining {', '.join(n['hostname'] for n in waiting[:5])}."


def _advance(work: Work, node: Row, engine: Engine | None, *, votes: bool) -> None:
    if not node["engine_id"]:
        work.save_node(node, leave_step=REMOVED)
        return
    if node["leave_step"] is None:
        work.save_node(node, leave_step=DRAINING, leave_since=work.ports.clock())
        work.tell("node", "Draining: its tasks move to other nodes.", node=node["hostname"], step="drain")
    if node["leave_step"] == DRAINING:
        if not _is_drained(work, node, engine):
            return
        if votes:
            work.save_node(node, leave_step=EXPELLING)
    by_agents = votes and (engine is None or work.driver.agents_expel)
    out = None if by_agents else _try(engine, lambda e: e.remove(node["engine_id"]))
    if by_agents:  # the others were told to take it out
        seen = engines.view(work)
        out = bool(seen) and node["engine_id"] not in seen
    if votes and not out:
        return
    work.save_node(node, leave_step=REMOVED)
    work.tell("node", f"Out of {work.driver.place}.", node=node["hostname"], step="leave")


def _is_drained(work: Work, node: Row, engine: Engine | None) -> bool:
    """Nothing runs on it any more, or its time is over."""
    waited, limit = work.ports.clock() - node["leave_since"], work.ports.conf.conductor.drain_timeout
    drained = _try(engine, lambda e: e.drain(node["engine_id"]))
    if engine is None:  # its master was told to drain it; tasks get a moment to stop
        asked = engines.view(work).get(node["engine_id"], {}).get("availability") == "drain"
        drained = asked and waited >= _TASKS_STOP
    if not drained and waited >= limit:
        work.tell(
            "node", f"Not drained within {limit} s; it leaves all the same.", node=node["hostname"],
            step="drain", level="warning",
        )  # fmt: skip
    return bool(drained) or waited >= limit


def _try(engine: Engine | None, call: Callable[[Engine], T]) -> T | None:
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
    """Once the stack is without them, their records go too. One that the engine still lists, as it could
    not be asked when the node left, is taken out first; there is a limit to that.
    """
    gone = [n for n in work.nodes if n["state"] == NodeState.LEAVING and n["leave_step"] == REMOVED]
    if not gone:
        return DONE
    patience = work.ports.conf.conductor.drain_timeout + 3 * work.ports.conf.node_door.report_interval
    late = [n for n in gone if n["engine_id"] and work.ports.clock() - n["leave_since"] < patience]
    if late and _are_listed(work, {n["engine_id"] for n in late}):
        return Wait(1.0, f"Nodes that are gone are taken out of {work.driver.place}.")
    if any(n["role"] == "master" for n in gone):
        _move_address(work)
    with work.write() as connection:
        for node in gone:
            nodes.delete(connection, node["uuid"])
            work.nodes.remove(node)
    for node in gone:
        work.tell("node", "Removed.", node=node["hostname"], step="gone", percent=100)
    return DONE


def _are_listed(work: Work, ids: set[str]) -> bool:
    """Whether the engine still lists one of them, or can't be asked. Where it is not to be reached from
    here, its masters take them out.
    """
    if not work.ports.conf.conductor.reach_engines:
        return bool(ids & engines.view(work).keys())
    engine = engines.reach(work)
    try:
        listed = _try(engine, lambda e: {n.id for n in e.nodes()})
        return listed is None or not all(
            _try(engine, lambda e, i=i: e.remove(i))  # type: ignore[misc]
            for i in ids & listed
        )
    finally:
        if engine is not None:
            engine.close()


def _move_address(work: Work) -> None:
    """Where there is no load balancer, the cluster's address is a master's."""
    stack = stacks.find(work, outputs=True)
    address = work.driver.facts(stack.outputs).api_address if stack is not None else None
    before = work.cluster["api_address"]
    if address and address != before:
        work.save(api_address=address)
        work.tell("node", f"The API's address is {address} from now on, instead of {before}.")


def forget_groups(work: Work) -> None:
    """Node groups that were to go, once the stack is without them and none of their nodes is left."""
    for group in [g for g in work.groups if g["deleting"]]:
        if any(n["nodegroup_id"] == group["uuid"] for n in work.nodes):
            continue
        with work.write() as connection:
            nodegroups.delete(connection, group["uuid"])
            events.add(connection, work.cluster, "nodegroup", f"Node group {group['name']} is gone.")
        work.groups.remove(group)
