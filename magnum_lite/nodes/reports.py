"""What a node says of itself: checked, cleaned, stored."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from oslo_log import log

from magnum_lite.db import clusters, events, nodes
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import registry
from magnum_lite.drivers.port import Driver
from magnum_lite.errors import Forbidden, InvalidInput, Problem
from magnum_lite.models.redaction import clean
from magnum_lite.models.status import NodeState
from magnum_lite.nodes.deps import DoorDeps
from magnum_lite.pki import facts, signatures

LOG = log.getLogger(__name__)
STATES = ("running", "ok", "failed")
MAX_LOG = 16 * 1024
MAX_LOGS = 64 * 1024
MAX_SKEW = 900.0
_VERSIONS = ("docker", "kubernetes", "containerd", "etcd", "kernel", "os")
_SERVED = ("server", "trust", "addons", "applied", "credential")
_JOIN_TOKEN = re.compile(r"SWMTKN-[A-Za-z0-9-]{1,250}")


class Unsigned(Forbidden):
    """The signature is missing, wrong, too old or used before."""

    code = "unsigned"


def signer(deps: DoorDeps, node_id: str, timestamp: str, signature: str, body: bytes) -> Row:
    """The node whose key signed this; the first use of a renewed key ends the old one. Raises Unsigned."""
    with deps.database.read() as connection:
        node = nodes.get(connection, node_id)
    try:
        seconds, raw = float(timestamp), base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        raise Unsigned("X-Node-Timestamp or X-Node-Signature is missing or not readable.") from None
    message = timestamp.encode() + b"\n" + body
    used = _identity(node, message, raw) if node is not None else None
    if node is None or used is None or not abs(seconds - deps.clock()) <= MAX_SKEW:  # NaN: compares as false
        raise Unsigned("The signature does not verify, or its time is off.")
    if facts.describe(used).not_after.timestamp() < deps.clock():
        LOG.warning("node signs with an identity that has ended node=%s", node_id)
        raise Unsigned("The identity certificate has ended; this node has to be replaced.")
    if used != node["identity"]:
        with deps.database.write() as connection:
            nodes.promote(connection, node_id, used, node["pending_renewal"])
        changed = {"identity": used, "renewal": node["pending_renewal"]}
        node |= changed | {"pending_identity": None, "pending_renewal": None}
    return node


def once(deps: DoorDeps, node: Row, timestamp: float) -> None:
    """What is no report and must not be repeated by others either. Raises Unsigned."""
    with deps.database.write() as connection:
        if not nodes.report(connection, node["uuid"], timestamp, {}):
            raise Unsigned("This request, or a newer one, was seen already.")


def _identity(node: Row, message: bytes, signature: bytes) -> str | None:
    """Which of the node's certificates this was signed with."""
    known = [pem for pem in (node["identity"], node["pending_identity"]) if pem]
    return next((pem for pem in known if signatures.verify(pem, message, signature)), None)


def read(body: Any) -> dict[str, Any]:
    """A report's fields, checked. Raises InvalidInput."""
    if not isinstance(body, dict):
        raise InvalidInput(Problem("", "A report is a JSON object"))
    problems = []
    if body.get("step") not in registry.steps():
        problems.append(Problem("step", f"must be one of {', '.join(registry.steps())}"))
    if body.get("state") not in STATES:
        problems.append(Problem("state", f"must be one of {', '.join(STATES)}"))
    percent = body.get("percent")
    if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
        problems.append(Problem("percent", "must be a number between 0 and 100"))
    if problems:
        raise InvalidInput(*problems)
    return body


def _new_state(node: Row, report: Mapping[str, Any]) -> str:
    """A node that was ready and reports trouble is unhealthy, not failed: it may recover."""
    now = NodeState(node["state"])
    if now in {NodeState.LEAVING, NodeState.GONE} or (now is NodeState.FAILED and report["step"] != "ready"):
        return now.value
    if report["state"] == "failed" and now is not NodeState.READY and report["step"] != "ready":
        return NodeState.FAILED.value
    if now is NodeState.READY or (report["step"] == "ready" and report["state"] == "ok"):
        return NodeState.READY.value
    return NodeState.BOOTING.value


def _values(deps: DoorDeps, driver: Driver, node: Row, report: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": _new_state(node, report),
        "step": report["step"],
        "percent": report["percent"],
        "message": clean(report.get("message") or "", 500),
        "last_report": deps.clock(),
        "server_state": None,  # it speaks, so it is there
    }
    if isinstance(report.get("healthy"), bool):
        values["healthy"] = report["healthy"]
    if report["state"] == "failed":
        values["healthy"] = False
        values["log"] = clean(report.get("log") or "", MAX_LOG)
    # Swarm's words are those of the product's first version, whose nodes go on sending them.
    claimed = report.get("engine_id", report.get("swarm_node_id"))
    if isinstance(claimed, str) and (engine_id := driver.engine_id(node, claimed)):
        values["engine_id"] = engine_id
    if isinstance(report.get("versions"), dict):
        told = report["versions"]
        values["versions"] = {k: clean(told[k] or "", 200) for k in _VERSIONS if k in told}
    view = report.get("engine_nodes", report.get("swarm_nodes"))
    if node["role"] == "master" and isinstance(view, list):
        values["engine_view"] = [_seen(n) for n in view[:5000] if isinstance(n, dict)]
    served = report.get("served")
    if node["role"] == "master" and isinstance(served, dict):
        values["served"] = {k: clean(served.get(k) or "", 64).lower() for k in _SERVED if k in served}
    if isinstance(report.get("logs"), dict):
        values["logs"] = {clean(k, 40): clean(v, MAX_LOGS) for k, v in list(report["logs"].items())[:8]}
        values["collect_logs"] = False
    return values


def _seen(node: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        k: clean(node.get(k) or "", 255) for k in ("id", "hostname", "state", "availability", "role")
    }
    labels = node.get("labels")
    if isinstance(labels, dict):
        out["labels"] = {clean(k, 255): clean(v, 255) for k, v in list(labels.items())[:64]}
    return out


def store(deps: DoorDeps, node: Row, timestamp: float, report: Mapping[str, Any]) -> tuple[Row, Row]:
    """Write a report down; the node as it is now, and its cluster. Raises Unsigned for a replay. ``node`` may
    be old: it is read again.
    """
    with deps.database.write() as connection:
        cluster = clusters.by_uuid(connection, node["cluster_id"])
        known = nodes.locked(connection, node["uuid"])
        if cluster is None or known is None:
            raise Unsigned("This node's cluster is gone.")
        node = known
        values = _values(deps, registry.get(cluster["coe"]), node, report)
        _check_engine_id(connection, node, values)
        if not nodes.report(connection, node["uuid"], timestamp, values):
            raise Unsigned("This report, or a newer one, was seen already.")
        moved = _record(connection, cluster, node, values)
    if moved or _is_back(deps, node) or _sees_otherwise(node, values):
        # By itself: a conductor locks its cluster first and then its nodes.
        with deps.database.write() as connection:
            clusters.wake(connection, cluster["uuid"])
    tokens = report.get("join_tokens")
    if node["role"] == "master" and isinstance(tokens, dict):
        good = {k: v for k, v in tokens.items() if isinstance(v, str) and _JOIN_TOKEN.fullmatch(v)}
        deps.conductors.keep_join_tokens(
            node["uuid"], {k: good[k] for k in ("manager", "worker") if k in good}
        )
    return node | values, cluster


def _is_back(deps: DoorDeps, node: Row) -> bool:
    """Whether it was silent for so long that its cluster was told to be unhealthy."""
    return deps.clock() - (node["last_report"] or 0.0) > deps.conf.conductor.silent_after


def _sees_otherwise(node: Row, values: Mapping[str, Any]) -> bool:
    """Whether the engine says of a node that it went or came: it knows sooner than we miss its reports."""
    if "engine_view" not in values:
        return False
    before, now = (
        {n["id"]: n["state"] for n in view} for view in (node["engine_view"], values["engine_view"])
    )
    return any(before[ident] != state for ident, state in now.items() if ident in before)


def _check_engine_id(connection: Connection, node: Row, values: dict[str, Any]) -> None:
    """Nodes are drained and removed by their id in the engine: nobody gets another one's."""
    claimed = values.get("engine_id")
    if not claimed or claimed == node["engine_id"]:
        return
    if nodes.is_taken(connection, node["cluster_id"], claimed, but=node["uuid"]):
        LOG.warning("node claims the engine id of another node=%s", node["uuid"])
        del values["engine_id"]


def _record(connection: Connection, cluster: Row, node: Row, values: Mapping[str, Any]) -> bool:
    """An event for each new step or state; whether there was one, so that the conductor should look."""
    moved = (values["step"], values["state"]) != (node["step"], node["state"])
    sick = "healthy" in values and values["healthy"] != node["healthy"] and node["healthy"] is not None
    if not moved and not sick:
        return False
    if values["state"] == NodeState.LEAVING:
        return False  # it was told to go: that it is out of the engine is no news
    failed = values["state"] == NodeState.FAILED or (sick and values["healthy"] is False)
    events.add(
        connection,
        cluster,
        "node",
        values["message"] or values["step"],
        node=node["hostname"],
        step=values["step"],
        percent=values["percent"],
        level="error" if failed else "info",
        detail=values.get("log") if failed else None,
    )
    return True
