"""A machine proves that it is one of our nodes and gets its certificates. What they say comes from our
records and from Heat, never from the machine.
"""

import base64
import binascii
import datetime as dt
import hmac
from collections.abc import Mapping
from typing import Any

from magnum_lite.conductor import authorities
from magnum_lite.conductor.node_records import token_hash
from magnum_lite.conductor.ports import Ports
from magnum_lite.db import certificates, clusters, events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly, registry
from magnum_lite.errors import Conflict, Forbidden, InvalidInput, Problem
from magnum_lite.models import labels, renewal
from magnum_lite.models.stack import NodeFacts
from magnum_lite.models.status import NodeState
from magnum_lite.pki import csr, facts, profiles, signatures
from magnum_lite.pki.errors import PKIError

_REFUSED = "This machine is not a node that we expect, or its token was used or has expired."


def enrol(ports: Ports, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``POST /v1/enrol``. Raises Forbidden, Conflict (not yet), InvalidInput."""
    node, cluster = _records(ports, str(request.get("node_id", "")))
    identity = _verified("identity_csr", request.get("identity_csr"))
    is_master = node["role"] == "master"
    server = _verified("server_csr", request.get("server_csr")) if is_master else None
    renewing = request.get("token") is None
    if renewing:
        _check_signature(node, request)
    else:
        _check_token(ports, node, str(request["token"]))
    if is_master and not node["address"]:
        with ports.database.write() as connection:
            clusters.wake(connection, cluster["uuid"])
        raise Conflict("This node's addresses are not known yet.")
    fingerprint = signatures.public_key_fingerprint(identity.public_key)
    if not renewing:
        with ports.database.write() as connection:
            if not nodes.use_token(connection, node["uuid"], node["token_hash"], fingerprint):
                raise Forbidden(_REFUSED)
    answer = _issue(ports, cluster, node, identity, server)
    with ports.database.write() as connection:
        _record(connection, ports, cluster, node, answer, renewing=renewing)
    return answer


def _records(ports: Ports, node_id: str) -> tuple[Row, Row]:
    with ports.database.read() as connection:
        node = nodes.get(connection, node_id)
        cluster = clusters.by_uuid(connection, node["cluster_id"]) if node else None
    if node is None or cluster is None or node["state"] in {NodeState.LEAVING, NodeState.GONE}:
        raise Forbidden(_REFUSED)
    return node, cluster


def _verified(field: str, pem: Any) -> csr.VerifiedCSR:
    if not isinstance(pem, str) or not pem.isascii():
        raise InvalidInput(Problem(field, "must be a certificate signing request in PEM form"))
    try:
        return csr.verify(pem)
    except PKIError as error:
        raise InvalidInput(Problem(field, error.reason)) from None


def _check_token(ports: Ports, node: Row, token: str) -> None:
    expected = node["token_hash"] or ""
    if not hmac.compare_digest(token_hash(token), expected):
        raise Forbidden(_REFUSED)
    # A lost answer is given again however late; a token that nobody used ends in time.
    if node["token_key"] is None and node["token_expires"] < ports.clock():
        raise Forbidden(_REFUSED)


def _check_signature(node: Row, request: Mapping[str, Any]) -> None:
    """A renewal: signed with the key that we know."""
    try:
        signature = base64.b64decode(str(request.get("signature", "")), validate=True)
    except (binascii.Error, ValueError):
        raise Forbidden(_REFUSED) from None
    message = str(request.get("signed", "")).encode()
    known = [pem for pem in (node["identity"], node["pending_identity"]) if pem]
    if not any(signatures.verify(pem, message, signature) for pem in known):
        raise Forbidden(_REFUSED)


def _issue(
    ports: Ports, cluster: Row, node: Row, identity: csr.VerifiedCSR, server: csr.VerifiedCSR | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "hostname": node["hostname"],
        "report_interval": ports.conf.node_door.report_interval,
    }
    more: dict[str, Any] = {
        "requester": {"node_id": node["uuid"]},
        "lifetime": dt.timedelta(days=ports.conf.certificates.node_days),
    }
    who = {"common_name": node["uuid"]}
    try:
        answer["identity_cert"] = authorities.issue(
            ports, cluster, profiles.NODE_IDENTITY, identity, **who, **more
        )
        if server is not None:
            names = {"common_name": node["hostname"], "sans": _names(ports, cluster, node)}
            answer["server_cert"] = authorities.issue(
                ports, cluster, profiles.DOCKER_SERVER, server, **names, **more
            )
    except PKIError as error:
        raise InvalidInput(Problem("identity_csr", error.reason)) from None
    auth = assembly.labels(cluster, cluster["template"]).get("registry_auth")
    if auth:
        answer["registry_auth"] = {
            host: {"username": user, "password": password}
            for host, (user, password) in labels.parse_registry_auth(auth).items()
        }
    with ports.database.read() as connection:
        known = certificates.public_parts(connection, cluster["uuid"])
    told = cluster["renewal"]
    answer["node_ca"] = renewal.bundle((r for r in known if r["purpose"] == "node"), told)
    if server is not None:
        answer["cluster_ca"] = renewal.bundle((r for r in known if r["purpose"] == "cluster"), told)
    return answer


def _record(
    connection: Connection,
    ports: Ports,
    cluster: Row,
    node: Row,
    answer: Mapping[str, Any],
    *,
    renewing: bool,
) -> None:
    """What the node got. Until it has used the new key, the old one is good as well: answers get lost."""
    now = ports.clock()
    found = facts.describe(answer["identity_cert"])
    values: dict[str, Any] = {"certified_at": now, "identity_until": found.not_after.timestamp()}
    if "server_cert" in answer:
        server = facts.describe(answer["server_cert"])
        values["server_serial"], values["server_until"] = f"{server.serial:x}", server.not_after.timestamp()
    if renewing:
        values["pending_identity"] = answer["identity_cert"]
        values["pending_renewal"] = cluster["renewal"]
        message = f"New certificates were issued; they end on {found.not_after:%Y-%m-%d}."
        events.add(connection, cluster, "certificate", message, node=node["hostname"])
    else:
        values["identity"], values["renewal"] = answer["identity_cert"], cluster["renewal"]
    if node["identity"] is None:
        values |= {
            "state": NodeState.BOOTING.value,
            "step": "enrol",
            "percent": 20,
            "first_seen": now,
            "last_report": now,
        }
        message = f"Enrolled at {node['address'] or 'an address not reported yet'}."
        events.add(connection, cluster, "node", message, node=node["hostname"], step="enrol", percent=20)
    nodes.update(connection, node["uuid"], values)


def _names(ports: Ports, cluster: Row, node: Row) -> list[str]:
    with ports.database.read() as connection:
        groups = nodegroups.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]
    spec = assembly.cluster_spec(
        cluster, groups, door=ports.door, longest_timeout=ports.conf.conductor.max_timeout
    )
    known = NodeFacts(
        role=node["role"],
        index=node["index"],
        server_id=node["server_id"],
        address=node["address"],
        floating_address=node["floating_address"],
        stack_id=node["stack_id"],
    )
    names, addresses = registry.get(cluster["coe"]).server_names(spec, known)
    return [*names, *addresses]
