"""What goes on while a stack is being made: addresses, wait conditions, faults and time limits."""

from collections.abc import Mapping

from oslo_log import log

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor import stack as stacks
from magnum_lite.conductor.labels import ensure_labels
from magnum_lite.conductor.leaving import forget_gone, forget_groups
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import nodes
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly
from magnum_lite.models.redaction import clean
from magnum_lite.models.stack import Stack
from magnum_lite.models.status import NodeState
from magnum_lite.native.engine import EngineRefused, EngineUnreachable
from magnum_lite.orchestration.stacks import StackNotFound

LOG = log.getLogger(__name__)
HANDLE = "ready_handle"
_SIGNALLED = (NodeState.READY, NodeState.LEAVING)
_LOG_LINES, _LOG_TAIL = 6, 900
_CONSOLE_LINES, _CONSOLE_MOST = 60, 8000


def learn_facts(work: Work) -> Stack | None:
    """The stack, and what its outputs say written into the node records."""
    awaited = [*work.members(), *_left(work)]
    lacking = any(not n["stack_id"] or not n["address"] or not n["server_id"] for n in awaited)
    keys = {g["uuid"]: assembly.key_of(g) for g in work.groups}
    lacking = lacking or any(keys[g["uuid"]] and not g["stack_id"] and not g["deleting"] for g in work.groups)
    # of a load balancer always: one that fails on its way is made again, elsewhere
    lacking = lacking or work.spec().master_lb_enabled or not work.cluster["api_address"]
    stack = stacks.find(work, outputs=lacking)
    if stack is None or not stack.outputs:
        return stack
    facts = work.driver.facts(stack.outputs)
    for group in work.groups:
        if nested := facts.groups.get(keys[group["uuid"]]):
            work.save_group(group, stack_id=nested)
    known = {(f.group, f.role, f.index): f for f in facts.nodes}
    for node in awaited:
        fact = known.get((keys[node["nodegroup_id"]], node["role"], node["index"]))
        if fact is not None:
            found = {
                "server_id": fact.server_id,
                "address": fact.address,
                "floating_address": fact.floating_address,
                "stack_id": fact.stack_id,
            }
            work.save_node(node, **{k: v for k, v in found.items() if v})
    if facts.api_address:
        work.save(api_address=facts.api_address)
    _learn_balancer(work, list(facts.lb_addresses))
    return stack


def _learn_balancer(work: Work, addresses: list[str]) -> None:
    """Masters that have certificates by now are told to take new ones: theirs name other addresses."""
    if not addresses or addresses == work.cluster["lb_addresses"]:
        return
    outdated = [n for n in work.members("master") if n["identity"]]
    with work.write(lb_addresses=addresses) as connection:
        for node in outdated:
            nodes.update(connection, node["uuid"], {"renewal": ""})
            node["renewal"] = ""


def signal_ready(work: Work) -> None:
    """Tell Heat about nodes that are ready, after a check of our own that the engine has them."""
    fresh = [
        n for n in work.members() if n["state"] == NodeState.READY and not n["signalled"] and n["stack_id"]
    ]
    if not fresh:
        return
    seen = _engine_nodes(work)
    for node in fresh:
        if seen.get(node["engine_id"] or "") == "ready":
            _signal(work, node, "SUCCESS", f"the node is in {work.driver.place}")


def _left(work: Work) -> list[Row]:
    """Nodes that leave before they were ready, while Heat still waits for them."""
    return [n for n in work.nodes if n["state"] == NodeState.LEAVING and n["in_stack"] and not n["signalled"]]


def release_left(work: Work) -> None:
    """Heat takes the next change only when this one has ended: let it wait for nobody who leaves."""
    for node in _left(work):
        if node["stack_id"]:
            _signal(work, node, "SUCCESS", "the node is not wanted any more")


def signal_again(work: Work) -> None:
    """Heat takes a signal before it has written it: one that comes before its handle is whole, or with which
    Heat dies, is lost, and then the stack would wait for it until its time is over.
    """
    told = [
        n
        for n in work.nodes
        if n["signalled"] and n["stack_id"] and n["in_stack"] and n["state"] in _SIGNALLED
    ]
    if told and work.ports.patience.is_over(work.uuid, work.cluster["generation"], work.ports.clock()):
        LOG.info("signalling again cluster=%s nodes=%d", work.uuid, len(told))
        for node in told:
            _signal(work, node, "SUCCESS", "told again, as the stack is not complete")


def _engine_nodes(work: Work) -> Mapping[str, str]:
    """Engine id → state, from the engine itself, else from what masters report."""
    engine = engines.reach(work)
    if engine is not None:
        try:
            return {n.id: n.state for n in engine.nodes()}
        except (EngineUnreachable, EngineRefused) as error:
            LOG.info("engine of %s can't be asked: %s", work.uuid, error)
        finally:
            engine.close()
    return {ident: str(seen.get("state")) for ident, seen in engines.view(work).items()}


def _signal(work: Work, node: Row, status: str, reason: str) -> None:
    data = {"status": status, "reason": reason[:250], "id": node["uuid"], "data": ""}
    try:
        work.ports.stacks.signal(work.project_id, node["stack_id"], HANDLE, data)
    except StackNotFound:
        return  # its nested stack is not there yet, or not any more
    work.save_node(node, signalled=True)


def node_faults(work: Work) -> dict[str, str]:
    """Nodes that said that they failed: host name → step, message, last lines."""
    out = {}
    for node in work.members():
        if node["state"] == NodeState.FAILED:
            lines = "\n".join((node["log"] or "").strip().splitlines()[-_LOG_LINES:])[-_LOG_TAIL:]
            tail = f" Last log lines:\n{lines}\n" if lines else ""
            out[node["hostname"]] = f"step {node['step'] or 'boot'}: {node['message'] or 'no message'}.{tail}"
    return out


def report_failures(work: Work) -> Failed | None:
    """A node that failed fails its generation at once; Heat hears it too, so that its stack ends."""
    faults = node_faults(work)
    if not faults:
        return None
    for node in work.members():
        if node["state"] == NodeState.FAILED and node["stack_id"] and not node["signalled"]:
            _signal(work, node, "FAILURE", f"{node['hostname']}: {faults[node['hostname']]}")
    name, why = next(iter(faults.items()))
    more = f" ({len(faults) - 1} more, see faults)" if len(faults) > 1 else ""
    return Failed(
        f"Node {name} failed at {why}{more}\nTo retry, update the cluster; failed nodes are replaced.", faults
    )


def name_silent(work: Work) -> None:
    """A node that was heard and then fell silent at a step is failed at that step's deadline, one that
    was never heard at the same time after its server was made.
    """
    now, limit = work.ports.clock(), work.ports.conf.conductor.step_timeout
    for node in work.members():
        if node["state"] not in {NodeState.PLANNED, NodeState.BOOTING} or not node["server_id"]:
            continue
        if node["first_seen"] is None:
            work.save_node(node, first_seen=now)
        since = node["last_report"] or node["first_seen"]
        if now - since > limit:
            step = node["step"] or "boot"
            message = f"silent for {int(now - since)} s at step {step} (last: {node['message'] or 'nothing'})"
            console = _console(work, node)
            work.save_node(node, state=NodeState.FAILED.value, message=message, log=console or None)
            detail = console or None
            work.tell("node", message, node=node["hostname"], step=step, level="error", detail=detail)


def _console(work: Work, node: Row) -> str:
    """What a silent node has written on its console."""
    if work.ports.consoles is None:
        return ""
    text = work.ports.consoles.tail(work.project_id, node["server_id"], _CONSOLE_LINES)
    return clean(text, _CONSOLE_MOST)


def observe(work: Work) -> Outcome:
    """Done when the stack is complete and every node is ready."""
    interval = work.ports.conf.conductor.busy_interval
    stack = learn_facts(work)
    if stack is None:
        return Failed("The stack is gone: somebody else deleted it. Update the cluster to make it again.")
    name_silent(work)
    signal_ready(work)
    failed = report_failures(work)
    if failed is not None:
        return failed
    if not stacks.has_begun(work, stack):
        return Wait(interval, "Heat begins.")
    if stack.status == "FAILED":
        return _after_failure(work, stack)
    return _nodes_and_rest(work, stack)


def _after_failure(work: Work, stack: Stack) -> Outcome:
    if stacks.may_retry(work, stack):
        return Wait(work.ports.conf.conductor.busy_interval, "Heat was interrupted; asking again.")
    found = stacks.faults(work, stack)
    first = next(iter(found.items()), ("stack", stack.reason))
    return Failed(f"{first[0]}: {first[1] or stack.reason}"[:2000], found)


def _nodes_and_rest(work: Work, stack: Stack) -> Outcome:
    """The stack is well: wait for nodes and Heat, then see to what leaves and to labels."""
    interval = work.ports.conf.conductor.busy_interval
    ready = [n for n in work.members() if n["state"] == NodeState.READY]
    total = len(work.members())
    if len(ready) < total:
        return Wait(interval, _slowest(work, len(ready), total))
    if stack.status == "IN_PROGRESS":
        signal_again(work)
        return Wait(min(interval, 0.5), f"All {total} nodes are ready; Heat finishes.")
    outcome = forget_gone(work)
    if outcome is DONE:
        forget_groups(work)
        outcome = ensure_labels(work)
    return outcome


def _slowest(work: Work, ready: int, total: int) -> str:
    waiting = [n for n in work.members() if n["state"] != NodeState.READY]
    slow = min(waiting, key=lambda n: n["percent"])
    where = f"{slow['hostname']} is at {slow['step'] or 'boot'} ({slow['percent']} %)"
    return f"{ready} of {total} nodes are ready; {where}."
