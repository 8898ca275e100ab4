"""One pass over one cluster: run the phases of its newest generation, write down how it went."""

import time
from collections.abc import Callable
from typing import Any

from oslo_log import log

from magnum_lite import metrics
from magnum_lite.conductor import group_status, healing, health, phases, renewing, scaling
from magnum_lite.conductor.labels import ensure_labels
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.stack import is_delete
from magnum_lite.conductor.work import Work
from magnum_lite.db import events, nodegroups
from magnum_lite.models.nodegroup import spec_of
from magnum_lite.models.status import COMPLETE, FAILED, NodeState
from magnum_lite.orchestration.stacks import OrchestrationError

LOG = log.getLogger(__name__)


def reconcile(work: Work, *, at_point: Callable[[str], None] = lambda _: None) -> float | None:
    """Seconds until the next look; None when the cluster is gone. ``at_point`` is told the name of
    each phase before it runs (crash tests end the process there).
    """
    if work.settled:
        return _look_after(work)
    conf = work.ports.conf.conductor
    late = _too_late(work)
    outcome: Outcome = late or _run(work, at_point)
    if isinstance(outcome, Failed):
        _fail(work, outcome)
        return 0.0 if not is_delete(work) else float(conf.idle_interval)
    if isinstance(outcome, Wait):
        told = {"status_reason": outcome.reason} if outcome.reason else {}
        work.save(**told, stack_busy=work.stack_busy or None)
        return max(outcome.seconds, work.ports.pace.interval) if work.stack_busy else outcome.seconds
    if is_delete(work):
        return None
    _complete(work)
    health.look(work)
    return float(conf.idle_interval)


def _look_after(work: Work) -> float:
    """A cluster that is as it should be, or has failed: what may have changed by itself."""
    idle = float(work.ports.conf.conductor.idle_interval)
    if work.cluster["imported"]:
        return idle  # others made it: nothing here knows how it should look
    ensure_labels(work)
    health.look(work)
    if healing.heal(work) or scaling.scale(work):
        return 0.0
    left = renewing.end_grace(work)
    return idle if left is None else min(left, idle)


def _run(work: Work, at_point: Callable[[str], None]) -> Outcome:
    for phase in phases.DELETE if is_delete(work) else phases.UPDATE:
        at_point(phase.__name__)
        work.extend()
        began = time.monotonic()
        try:
            outcome = phase(work)
        except OrchestrationError as error:
            LOG.warning(
                "orchestration failed cluster=%s phase=%s reason=%s", work.uuid, phase.__name__, error.reason
            )
            outcome = Wait(2.0, f"{error.reason} Trying again.")
        took = time.monotonic() - began
        metrics.observe("phase_seconds", took, phase=phase.__name__, outcome=type(outcome).__name__)
        if outcome is not DONE:
            return outcome
    at_point("end")
    return DONE


def _too_late(work: Work) -> Failed | None:
    """create_timeout, by our own clock, also when Heat is away. A deletion is never given up."""
    if is_delete(work):
        return None
    limit = work.spec().timeout_mins * 60
    began = max(work.cluster["accepted_at"], work.cluster["step_since"])  # each batch has its time
    if work.ports.database.now() - began < limit:
        return None
    slow = [n for n in work.members() if n["state"] not in {NodeState.READY, NodeState.FAILED}]
    faults = {}
    for node in slow:
        faults[node["hostname"]] = (
            f"not ready in time; last step {node['step'] or 'boot'}: {node['message'] or 'silent'}"
        )
        work.save_node(
            node, state=NodeState.FAILED.value, message="not ready within the cluster's time limit"
        )
    names = ", ".join(faults) or "the stack"
    return Failed(
        f"Not ready within {limit // 60} minutes: {names}. {work.cluster['status_reason'] or ''}", faults
    )


def _good(work: Work) -> dict[str, Any]:
    """What a rollback goes back to."""
    groups = [spec_of(g) for g in work.groups if not g["deleting"]]
    return {"groups": groups} | {n: work.cluster[n] for n in ("template", "cluster_template_id")}


def _complete(work: Work) -> None:
    action = work.cluster["action"]
    status = f"{action}_{COMPLETE}"
    versions: dict[str, Any] = next((n["versions"] for n in work.members("master") if n["versions"]), {})
    with work.write(
        status=status,
        status_reason=None,
        faults={},
        observed_generation=work.cluster["generation"],
        last_good=_good(work),
        stack_retries=0,
        stack_busy=None,
        **work.driver.versions(versions),
    ) as connection:
        for uuid, values in group_status.completed(work).items():
            nodegroups.update(connection, uuid, values)
        message = f"{status}: {len(work.members())} nodes are ready."
        events.add(connection, work.cluster, "status", message, percent=100)
    work.announce("success")


def _fail(work: Work, failed: Failed) -> None:
    status = f"{work.cluster['action']}_{FAILED}"
    failed = Failed(group_status.names(work, failed.faults) + failed.reason, failed.faults)
    with work.write(
        status=status,
        status_reason=failed.reason[:8000],
        faults=dict(failed.faults),
        observed_generation=work.cluster["generation"],
        stack_retries=0,
        stack_busy=None,
    ) as connection:
        for uuid, values in group_status.failed(work, failed).items():
            nodegroups.update(connection, uuid, values)
        events.add(connection, work.cluster, "status", f"{status}: {failed.reason}", level="error")
    work.announce("failure", reason=failed.reason[:1000])
