"""The port that every engine (COE) implements: all that the rest of the product asks about an engine.

A driver is pure: it turns values and rows into values, and reads template and script texts from disk. What
talks to a running engine is in ``native``.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from magnum_lite.drivers.contract import ClusterSpec
from magnum_lite.errors import Problem
from magnum_lite.models.access import Rule
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.renewal import Signs
from magnum_lite.models.stack import StackFacts, StackRequest

Row = Mapping[str, Any]
Versions = Mapping[str, str | None]
SecretKind = Literal["ec-key", "random"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeCertificate:
    """A certificate that a node gets besides its identity. ``name`` is its word on the wire and on the node,
    ``profile`` one of ``pki.profiles``, ``signs`` which of two CAs signs it during a rotation.
    """

    name: str
    profile: str
    common_name: str
    sans: tuple[str, ...] = ()
    signs: Signs = Signs.CLIENTS


class Driver(Protocol):
    """One engine. Stateless: one object serves all clusters at once. Rows are those of ``models.node``.

    ``api_port``: where masters serve the engine's API. ``words``: role → its word in host names. ``place``:
    what nodes are in, in words. ``purposes``: the CAs that a cluster has. ``member_profile`` and
    ``reader_profile``: the certificates of clients (``pki.profiles``); where ``reader_profile`` is None,
    ``reader_refused`` says why. ``conductor_profile``: the conductor's own. ``steps``: of nodes' reports, in
    order; in the last but one it enters the engine. ``join_tokens``: nodes enter by tokens that masters make.
    ``agents_expel``: masters are taken out by the others' agents, as the engine's API does not do all of it.
    ``addressed``: roles whose nodes enrol only once their addresses are known.
    ``slug_length``: how much of a cluster's name is in its nodes' host names.
    ``node_clients``: nodes are clients of each other, with certificates of the cluster's own CA.
    """

    coe: str
    api_port: int
    words: Mapping[str, str]
    place: str
    purposes: tuple[Purpose, ...]
    member_profile: str
    reader_profile: str | None
    reader_refused: str
    conductor_profile: str
    steps: tuple[str, ...]
    join_tokens: bool
    agents_expel: bool
    addressed: tuple[str, ...]
    slug_length: int
    node_clients: bool

    def check(self, spec: ClusterSpec) -> list[Problem]:
        """What this engine can not do, all of it at once; empty if ``stack_request`` will work.
        Credentials are not looked at: the API checks before there are nodes.
        """
        ...

    def check_upgrade(self, before: ClusterSpec, after: ClusterSpec) -> list[Problem]:
        """Why this engine's nodes can't go over from the one to the other; networks and volumes aside."""
        ...

    def stack_request(self, spec: ClusterSpec) -> StackRequest:
        """The stack that the cluster wants. The same spec always gives the same request."""
        ...

    def facts(self, outputs: Mapping[str, Any]) -> StackFacts:
        """What the stack's outputs say; whatever is not there yet is None or left out."""
        ...

    def group_of(self, path: str) -> tuple[str, str] | None:
        """Role and key of the node group that a resource of the stack belongs to; ``path`` are the names of
        resources from the top. None: it is nobody's own, as the network.
        """
        ...

    def certificates(self, spec: ClusterSpec, node: Row) -> tuple[NodeCertificate, ...]:
        """What this node gets besides its identity. The one that its API shows is called ``server``."""
        ...

    def trusts(self, role: str) -> tuple[Purpose, ...]:
        """CAs whose certificates a node of this role gets, besides that of nodes."""
        ...

    def secrets(self, role: str) -> Mapping[str, SecretKind]:
        """What nodes of this role share: made once for each cluster, given at enrolment."""
        ...

    def access(self, spec: ClusterSpec) -> tuple[Rule, ...]:
        """What a cluster itself does in the cloud; without any it has no credential there."""
        ...

    def cloud_secrets(self, spec: ClusterSpec, role: str, ident: str, secret: str) -> dict[str, str]:
        """What a node of this role is given for its use of the cloud, beside ``secrets``: the application
        credential of the cluster ('': it has none), and what Keystone is checked with.
        """
        ...

    def uses_credential(self, spec: ClusterSpec, members: Sequence[Row]) -> bool:
        """Whether all that need it have taken up the credential of ``spec``, by their own word."""
        ...

    def enrolment(self, spec: ClusterSpec, node: Row, group: Row) -> dict[str, Any]:
        """What else the answer to an enrolment says."""
        ...

    def labels(self, group: Row) -> dict[str, str]:
        """What is set on the nodes of a group in the engine: the user's labels, the group's name and role."""
        ...

    def engine_id(self, node: Row, claimed: str) -> str | None:
        """The node's id in the engine, from its own word; None if it can't be that."""
        ...

    def instructions(
        self, node: Row, members: Sequence[Row], join_token: Callable[[], str | None]
    ) -> dict[str, Any]:
        """What this engine's nodes are told in answer to a report, besides what all are. ``members``: of
        the cluster, all masters at least.
        """
        ...

    def additions(self, spec: ClusterSpec, node: Row, members: Sequence[Row]) -> dict[str, Any]:
        """What a master that is inside is told besides, for the whole cluster."""
        ...

    def may_renew(self, node: Row, members: Sequence[Row], told: str, now: float) -> bool:
        """Whether it is this node's turn to take new certificates; ``told`` is the cluster's renewal."""
        ...

    def versions(self, reported: Versions) -> dict[str, str | None]:
        """``coe_version`` and ``container_version`` of a cluster, from a master's report."""
        ...
