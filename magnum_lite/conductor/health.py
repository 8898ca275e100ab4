"""How a settled cluster is, from its nodes' reports and from the engine itself."""

from collections.abc import Mapping

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor import expiries
from magnum_lite.conductor.watching import GONE, THERE
from magnum_lite.conductor.work import Work
from magnum_lite.db import events
from magnum_lite.models.status import Health, NodeState
from magnum_lite.native.engine import EngineRefused, EngineUnreachable

_BY_REPORTS = "not asked from here; its masters report"
_WELL = {"ok", "ready", _BY_REPORTS}


def look(work: Work) -> None:
    """Write health_status and its reason, if they changed."""
    if not work.nodes:
        return
    reasons, bad = _of_nodes(work)
    reasons["api"], reachable = _of_engine(work, reasons)
    bad = bad or any(v.startswith("down") for v in reasons.values())
    ending, ended = expiries.look(work)
    reasons |= ending
    bad = bad or ended
    status = Health.UNHEALTHY if bad else Health.HEALTHY if reachable else Health.UNKNOWN
    before = work.cluster["health_status"]
    if before == status and work.cluster["health_status_reason"] == reasons:
        return
    known = work.cluster["health_status_reason"] or {}
    with work.write(health_status=status.value, health_status_reason=reasons) as connection:
        for name, text in ending.items():
            if known.get(name) != text and name != "ca_rotation":  # of that, its own event tells
                events.add(connection, work.cluster, "certificate", f"{name}: {text}.", level="warning")
        if before != status:
            wrong = "; ".join(f"{k}: {v}" for k, v in reasons.items() if v not in _WELL)
            level = "warning" if status is Health.UNHEALTHY else "info"
            message = f"{status.value}{': ' + wrong if wrong else ''}"
            events.add(connection, work.cluster, "health", message, level=level)


def _of_nodes(work: Work) -> tuple[dict[str, str], bool]:
    now, limit = work.ports.clock(), work.ports.conf.conductor.silent_after
    reasons, bad = {}, False
    for node in work.members():
        age = now - (node["last_report"] or 0)
        if node["state"] != NodeState.READY:
            reasons[node["hostname"]] = (
                f"{node['state']} at {node['step'] or 'boot'}: {node['message'] or ''}"[:300]
            )
            bad = True
        elif node["server_state"] not in THERE:
            what = "is gone" if node["server_state"] == GONE else f"is in {node['server_state']}"
            reasons[node["hostname"]] = f"down: its server {what}"[:300]
            bad = True
        elif age > limit:
            reasons[node["hostname"]] = f"silent for more than {limit} s"
            bad = True
        elif node["healthy"] is False:
            reasons[node["hostname"]] = (node["message"] or "its engine is not well")[:300]
            bad = True
        else:
            reasons[node["hostname"]] = "ready"
    return reasons, bad


def _of_engine(work: Work, reasons: dict[str, str]) -> tuple[str, bool]:
    """The engine's word on itself and on each node; reports say as much where it can't be reached."""
    if not any(n["state"] == NodeState.READY for n in work.members("master")):
        return "no master is ready", False
    engine = engines.reach(work)
    if engine is None:
        _compare(work, reasons, _told_by_masters(work))
        return _BY_REPORTS, True
    try:
        wrong = engine.check()
        seen = {n.id: f"{n.state} ({n.reason})" if n.reason else n.state for n in engine.nodes()}
    except (EngineUnreachable, EngineRefused) as error:
        return f"unreachable from here: {error}"[:300], all(v == "ready" for v in reasons.values())
    finally:
        engine.close()
    _compare(work, reasons, seen)
    return wrong[:300] or "ok", not wrong


def _told_by_masters(work: Work) -> Mapping[str, str]:
    """Engine id → state, if a master has said so just now."""
    newest = max((n["last_report"] or 0 for n in work.members("master")), default=0)
    if work.ports.clock() - newest > work.ports.conf.conductor.silent_after:
        return {}
    return {i: str(n.get("state")) for i, n in engines.view(work).items()}


def _compare(work: Work, reasons: dict[str, str], seen: Mapping[str, str]) -> None:
    """Nodes that the engine (engine id → state) calls otherwise than ready, and since when."""
    for node in work.members():
        if node["state"] != NodeState.READY or not seen:
            continue
        state = seen.get(node["engine_id"] or "")
        if state == "ready":
            work.save_node(node, down_since=None)
            continue
        if node["down_since"] is None:
            work.save_node(node, down_since=work.ports.clock())
        if reasons[node["hostname"]] == "ready":
            reasons[node["hostname"]] = f"down: {work.driver.place} says {state or 'unknown'}"
