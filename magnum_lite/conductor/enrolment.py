"""A machine proves that it is one of our nodes and gets its certificates. What they say comes from our
records and from Heat, never from the machine.
"""

import base64
import binascii
import datetime as dt
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.conductor import authorities, cloud_credential, cluster_secrets
from magnum_lite.conductor.node_records import token_hash
from magnum_lite.conductor.ports import Ports
from magnum_lite.db import certificates, clusters, events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.drivers import assembly, registry
from magnum_lite.drivers.contract import MASTER, ClusterSpec
from magnum_lite.drivers.port import NodeCertificate
from magnum_lite.errors import Conflict, Forbidden, InvalidInput, Problem
from magnum_lite.models import renewal
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.status import NodeState
from magnum_lite.pki import csr, facts, profiles, signatures
from magnum_lite.pki.errors import PKIError

IDENTITY = "identity"
_REFUSED = "This machine is not a node that we expect, or its token was used or has expired."
_AWAY = {NodeState.LEAVING, NodeState.GONE}
_TELL_AGAIN = dt.timedelta(minutes=15)


def enrol(ports: Ports, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``POST /v1/enrol``. Raises Forbidden, Conflict (not yet), InvalidInput."""
    node, cluster = _records(ports, str(request.get("node_id", "")))
    spec, group = _spec(ports, cluster, node)
    wanted = (_identity(node), *registry.get(cluster["coe"]).certificates(spec, node))
    csrs = _csrs(request, [certificate.name for certificate in wanted])
    renewing = request.get("token") is None
    if renewing:
        _check_signature(node, request)
    else:
        _check_token(ports, node, str(request["token"]))
    if _lacks_addresses(spec, node, cluster["coe"]):
        with ports.database.write() as connection:
            clusters.wake(connection, cluster["uuid"])
        raise Conflict("This node's addresses are not known yet.")
    fingerprint = signatures.public_key_fingerprint(csrs[IDENTITY].public_key)
    if not renewing:
        with ports.database.write() as connection:
            good = nodes.use_token(connection, node["uuid"], node["token_hash"], fingerprint)
        if not good:
            _tell_second(ports, cluster, node)
            raise Forbidden(_REFUSED)
    issued = {c.name: _issue(ports, cluster, node, c, csrs[c.name]) for c in wanted}
    answer = _answer(ports, cluster, node, issued, spec)
    answer |= registry.get(cluster["coe"]).enrolment(spec, node, group)
    if "csrs" not in request:
        answer = _as_before(answer)
    with ports.database.write() as connection:
        known = nodes.locked(connection, node["uuid"])  # signing takes its time
        if known is None or known["state"] in _AWAY:
            raise Forbidden(_REFUSED)
        _record(connection, ports, cluster, known, issued, renewing=renewing)
    return answer


def _lacks_addresses(spec: ClusterSpec, node: Row, coe: str) -> bool:
    """A certificate must name all addresses at which it is shown."""
    balanced = spec.master_lb_enabled and node["role"] == MASTER
    needed = node["role"] in registry.get(coe).addressed
    return (needed and not node["address"]) or (balanced and not spec.lb_addresses)


def _identity(node: Row) -> NodeCertificate:
    return NodeCertificate(
        name=IDENTITY,
        profile=profiles.NODE_IDENTITY.name,
        common_name=node["uuid"],
        signs=renewal.Signs.IDENTITIES,
    )


def _csrs(request: Mapping[str, Any], names: Sequence[str]) -> dict[str, csr.VerifiedCSR]:
    """Those that the node needs; what else it asks for is no use to it. Nodes of the product's first version
    send two of them, under other names.
    """
    told = request.get("csrs")
    if told is not None and not isinstance(told, dict):
        raise InvalidInput(Problem("csrs", "must be an object: name → certificate signing request"))
    if told is None:
        return {name: _verified(f"{name}_csr", request.get(f"{name}_csr")) for name in names}
    return {name: _verified(f"csrs/{name}", told.get(name)) for name in names}


def _as_before(answer: Mapping[str, Any]) -> dict[str, Any]:
    out = {k: v for k, v in answer.items() if k not in {"certs", "cas", "secrets"}}
    out |= {f"{name}_cert": pem for name, pem in answer["certs"].items()}
    return out | {f"{purpose}_ca": pem for purpose, pem in answer["cas"].items()}


def _records(ports: Ports, node_id: str) -> tuple[Row, Row]:
    with ports.database.read() as connection:
        node = nodes.get(connection, node_id)
        cluster = clusters.by_uuid(connection, node["cluster_id"]) if node else None
    if node is None or cluster is None or node["state"] in _AWAY:
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


def _tell_second(ports: Ports, cluster: Row, node: Row) -> None:
    """Two keys came with one token: one of them is not the machine that it was made for. User data can be
    read by others in the project, so whoever owns the cluster has to hear of it.
    """
    with ports.database.write() as connection:
        since = authorities.utc(ports).replace(tzinfo=None) - _TELL_AGAIN
        if not events.told(connection, cluster["uuid"], node["hostname"], "refused", since):
            message = (
                "A second machine came with this node's bootstrap token and was refused. If the server was "
                "not rebuilt, somebody has read its user data: look who may read this project, and replace "
                "the node if it is not the one that you expect."
            )
            more = {"node": node["hostname"], "step": "refused", "level": "warning"}
            events.add(connection, cluster, "node", message, **more)


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


def _issue(ports: Ports, cluster: Row, node: Row, wanted: NodeCertificate, verified: csr.VerifiedCSR) -> str:
    try:
        return authorities.issue(
            ports,
            cluster,
            profiles.PROFILES[wanted.profile],
            verified,
            common_name=wanted.common_name,
            sans=wanted.sans,
            signs=wanted.signs,
            requester={"node_id": node["uuid"]},
            lifetime=dt.timedelta(days=ports.conf.certificates.node_days),
        )
    except PKIError as error:
        raise InvalidInput(Problem(f"csrs/{wanted.name}", error.reason)) from None


def _answer(
    ports: Ports, cluster: Row, node: Row, issued: Mapping[str, str], spec: ClusterSpec
) -> dict[str, Any]:
    with ports.database.read() as connection:
        known = certificates.public_parts(connection, cluster["uuid"])
    purposes = (Purpose.NODE, *registry.get(cluster["coe"]).trusts(node["role"]))
    return {
        "hostname": node["hostname"],
        "report_interval": ports.conf.node_door.report_interval,
        "certs": dict(issued),
        "cas": {
            purpose.value: renewal.bundle((r for r in known if r["purpose"] == purpose), cluster["renewal"])
            for purpose in purposes
        },
        "secrets": {
            **cluster_secrets.of_role(ports, cluster, node["role"]),
            **cloud_credential.secrets(ports, cluster, spec, node["role"]),
        },
    }


def _record(
    connection: Connection,
    ports: Ports,
    cluster: Row,
    node: Row,
    issued: Mapping[str, str],
    *,
    renewing: bool,
) -> None:
    """What the node got. Until it has used the new key, the old one is good as well: answers get lost."""
    now = ports.clock()
    found = facts.describe(issued[IDENTITY])
    values: dict[str, Any] = {"certified_at": now, "identity_until": found.not_after.timestamp()}
    others = {name: facts.describe(pem) for name, pem in issued.items() if name != IDENTITY}
    if others:
        values["server_until"] = min(o.not_after for o in others.values()).timestamp()
    if "server" in others:
        values["server_serial"] = f"{others['server'].serial:x}"
    if renewing:
        values["pending_identity"] = issued[IDENTITY]
        values["pending_renewal"] = cluster["renewal"]
        message = f"New certificates were issued; they end on {found.not_after:%Y-%m-%d}."
        events.add(connection, cluster, "certificate", message, node=node["hostname"])
    else:
        values["identity"], values["renewal"] = issued[IDENTITY], cluster["renewal"]
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


def _spec(ports: Ports, cluster: Row, node: Row) -> tuple[ClusterSpec, Row]:
    """What the driver is told of the cluster, and the node's group."""
    with ports.database.read() as connection:
        groups = nodegroups.of_clusters(connection, [cluster["uuid"]])[cluster["uuid"]]
    spec = assembly.cluster_spec(
        cluster,
        groups,
        door=ports.door,
        longest_timeout=ports.conf.conductor.max_timeout,
        cloud=assembly.cloud_spec(ports.conf.cloud_provider, ca_pem=ports.cloud_ca),
    )
    return spec, next((g for g in groups if g["uuid"] == node["nodegroup_id"]), {})
