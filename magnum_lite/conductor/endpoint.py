"""What conductors answer over RPC."""

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging
from oslo_log import log

from magnum_lite import errors, rpc
from magnum_lite.conductor import authorities, join_tokens
from magnum_lite.conductor.enrolment import enrol
from magnum_lite.conductor.plan import plan
from magnum_lite.conductor.ports import Ports
from magnum_lite.context import Context, in_request
from magnum_lite.db import certificates, nodes
from magnum_lite.db.interruptions import again
from magnum_lite.db.rows import Row
from magnum_lite.drivers import registry
from magnum_lite.errors import Forbidden, InvalidInput, NotFound, Problem
from magnum_lite.models.status import Action, NodeState
from magnum_lite.pki import csr, profiles, wishes
from magnum_lite.pki.errors import PKIError, RequestRefused

LOG = log.getLogger(__name__)
_WRITERS = {"admin", "member", "_member_"}


def _answered(method: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Results and domain errors both travel as data."""

    @functools.wraps(method)
    def call(self: "Endpoint", ctxt: Any, **arguments: Any) -> dict[str, Any]:
        try:
            with in_request(ctxt.get("request_id")):
                return {"result": again(lambda: method(self, **arguments))}
        except errors.MagnumLiteError as error:
            return rpc.failure(error)
        except Exception:  # the caller gets an answer, not a time-out
            LOG.exception("rpc failed method=%s", method.__name__)
            return rpc.failure(errors.MagnumLiteError("The conductor failed; its log says more."))

    return call


class Endpoint:
    """See ``rpc.Conductors`` for what each method is for. ``wake`` makes the work loop look at once."""

    target = oslo_messaging.Target(namespace=rpc.NAMESPACE, version=rpc.VERSION)

    def __init__(self, ports: Ports, wake: Callable[[], None]) -> None:
        self._ports = ports
        self._wake = wake

    def look(self, _ctxt: Any, cluster_uuid: str) -> None:  # noqa: ARG002  the row says that it is due
        """A cast: nobody waits for an answer."""
        self._wake()

    @_answered
    def sign(self, context: Mapping[str, Any], cluster_uuid: str, csr: str, ttl: int | None) -> str:
        """A client's certificate."""
        return sign(self._ports, Context.from_wire(context), cluster_uuid, csr, ttl)

    @_answered
    def plan(self, cluster: Row, groups: list[Row], action: str) -> dict[str, Any]:
        """What a change would do."""
        return plan(self._ports, cluster, groups, Action(action))

    @_answered
    def enrol(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A node's certificates."""
        answer = enrol(self._ports, request)
        self._wake()
        return answer

    @_answered
    def keep_join_tokens(self, node_id: str, tokens: Mapping[str, str]) -> None:
        """Seal what a manager reported."""
        with self._ports.database.write() as connection:
            node = nodes.get(connection, node_id)
            if node is None or node["role"] != "master":
                raise Forbidden("Only masters report join tokens.")
            join_tokens.keep(self._ports, connection, node["cluster_id"], tokens)

    @_answered
    def join_token(self, node_id: str) -> str | None:
        """The join token of the node's own role; None while there is none."""
        with self._ports.database.read() as connection:
            node = nodes.get(connection, node_id)
            if node is None or node["state"] in {NodeState.LEAVING, NodeState.GONE}:
                raise Forbidden("This node is not to join.")
            role = "manager" if node["role"] == "master" else "worker"
            return join_tokens.get(self._ports, connection, node["cluster_id"], role)


def _profile(cluster: Row, *, writes: bool) -> str:
    """What a member, or a reader, gets. Raises Forbidden."""
    if cluster["imported"]:  # nothing in it knows our viewers
        if writes:
            return {"kubernetes": profiles.KUBERNETES_ADMIN}.get(cluster["coe"], profiles.DOCKER_CLIENT).name
        raise Forbidden(f"A reader gets no certificate of a cluster that {cluster['imported']} made.")
    driver = registry.get(cluster["coe"])
    profile = driver.member_profile if writes else driver.reader_profile
    if profile is None:
        raise Forbidden(driver.reader_refused)
    return profile


def sign(ports: Ports, context: Context, cluster_uuid: str, pem: str, ttl: int | None) -> str:
    """A client certificate as the caller's role allows. Raises InvalidInput, Forbidden, NotFound."""
    try:
        verified = csr.verify(pem)
    except PKIError as error:
        raise InvalidInput(Problem("csr", error.reason)) from None
    with ports.database.read() as connection:
        found = certificates.for_signing(connection, cluster_uuid, wishes.people(verified))
        if found is None:
            raise NotFound("Cluster", cluster_uuid)
        cluster, known = found
        reserved = nodes.hostnames(connection, cluster_uuid) if cluster["names_node"] else ()
    profile = _profile(cluster, writes=bool(context.roles & _WRITERS))
    most = ports.conf.certificates.client_max_days
    days = min(ports.conf.certificates.client_days, most)
    lifetime = dt.timedelta(seconds=ttl) if ttl else dt.timedelta(days=days)
    if lifetime > dt.timedelta(days=most):
        raise InvalidInput(Problem("ttl", f"at most {most} days ({most * 86400} seconds) are given"))
    try:
        return authorities.issue(
            ports,
            cluster,
            profiles.PROFILES[profile],
            verified,
            common_name=(context.user_name or context.user_id)[:64] or "member",
            reserved=reserved,
            lifetime=lifetime,
            requester={"requester_user": context.user_id, "requester_project": context.project_id},
            known=known,
            event=f"A client certificate was issued to {context.user_name or context.user_id}.",
        )
    except RequestRefused as error:
        raise Forbidden(error.reason) from None
    except PKIError as error:
        raise InvalidInput(Problem("csr", error.reason)) from None
