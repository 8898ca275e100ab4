"""What the cloud has that no cluster here knows, and what clusters here lack there. It looks and, where
an operator says so, removes what is nobody's. Clusters themselves it never touches.

The cloud is read before the database: what a cluster makes meanwhile is then no finding.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from magnum_lite.cloud.credentials import Credentials
from magnum_lite.cloud.inventory import Inventory, Thing
from magnum_lite.db import audits
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Database
from magnum_lite.errors import Unavailable
from magnum_lite.models.stack import TAG, Stack
from magnum_lite.models.status import Action, NodeState
from magnum_lite.orchestration.stacks import OrchestrationError, StackRefused, Stacks

_Answer = TypeVar("_Answer")
_AWAY = {NodeState.LEAVING.value, NodeState.GONE.value}
_UUID = re.compile(rf"{TAG}-([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")
_SERVER = re.compile(r".+-([0-9a-f]{8})-[a-z0-9-]+-\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` is stable: stack-without-cluster, second-stack, server-without-cluster,
    credential-without-cluster, cluster-without-stack, node-without-server, project-closed, not-looked-at.
    ``remove`` is there for what is nobody's.
    """

    kind: str
    service: str
    id: str
    name: str
    project_id: str
    cluster_uuid: str
    text: str
    remove: Callable[[], None] | None = dataclasses.field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, str]:
        """All but the remedy."""
        names = ("kind", "service", "id", "name", "project_id", "cluster_uuid", "text")
        return {name: getattr(self, name) for name in names}


def audit(
    database: Database, stacks: Stacks, inventory: Inventory, credentials: Credentials
) -> list[Finding]:
    """Everything that is not as it should be."""
    return list(_Look(database, stacks, inventory, credentials).findings())


class _Look:
    """One look at everything. A service that is away is a finding, not the end."""

    def __init__(
        self, database: Database, stacks: Stacks, inventory: Inventory, credentials: Credentials
    ) -> None:
        self._stacks, self._inventory, self._keystone = stacks, inventory, credentials
        self._missed: list[Finding] = []
        with database.read() as connection:
            ours = set(audits.projects(connection))
        allowed = self._try("identity", "", inventory.projects)
        self._closed = ours - set(allowed) if allowed is not None else set()
        self._projects = sorted(ours - self._closed | set(allowed or ()))
        self._found = self._all_stacks()
        self._servers = {
            project: found
            for project in self._projects
            if (found := self._try("compute", project, functools.partial(inventory.servers, project)))
            is not None
        }
        self._credentials = self._try("identity", "", credentials.all) or []
        with database.read() as connection:
            self._clusters = {row["uuid"]: row for row in audits.clusters(connection)}
            self._nodes = audits.nodes(connection)
            self._known = audits.ever_known(connection) | self._clusters.keys()

    def findings(self) -> Iterator[Finding]:
        yield from self._missed
        for project in sorted({row["project_id"] for row in self._clusters.values()} & self._closed):
            text = "Clusters are in a project that Keystone does not let the service user into."
            yield Finding("project-closed", "identity", project, "", project, "", text)
        yield from self._of_stacks()
        yield from self._of_clusters()
        yield from self._of_servers()
        yield from self._of_credentials()

    def _try(self, service: str, project: str, call: Callable[[], _Answer]) -> _Answer | None:
        try:
            return call()
        except (Unavailable, OrchestrationError) as error:
            why = getattr(error, "reason", None) or str(error)
            text = f"Nothing is known of it: {why}"
            self._missed.append(Finding("not-looked-at", service, "", "", project, "", text))
            return None

    def _all_stacks(self) -> dict[str, list[Stack]]:
        """By project; a project that could not be asked is left out."""
        try:
            everywhere = self._stacks.find(None, [TAG])
        except StackRefused:
            found = {
                p: self._try("orchestration", p, functools.partial(self._stacks.find, [p], [TAG]))
                for p in self._projects
            }
            return {project: some for project, some in found.items() if some is not None}
        except OrchestrationError as error:
            text = f"Nothing is known of it: {error.reason}"
            self._missed.append(Finding("not-looked-at", "orchestration", "", "", "", "", text))
            return {}
        out: dict[str, list[Stack]] = {project: [] for project in self._projects}
        for stack in everywhere:
            out.setdefault(stack.project_id, []).append(stack)
        return out

    def _of_stacks(self) -> Iterator[Finding]:
        for stack in (stack for some in self._found.values() for stack in some):
            match = next((m for tag in stack.tags if (m := _UUID.fullmatch(tag))), None)
            uuid = match[1] if match else ""
            row = self._clusters.get(uuid)
            if row is not None and stack.id == row["stack_id"]:
                continue
            if row is not None and not row["stack_id"] and stack.name == row["stack_name"]:
                continue
            if row is not None:
                kind, text = (
                    "second-stack",
                    f"The cluster's own stack is {row['stack_id'] or row['stack_name']}.",
                )
            elif uuid in self._known:
                kind, text = "stack-without-cluster", "The cluster was deleted; the stack is still there."
            else:
                kind, text = "stack-without-cluster", "This database has never known its cluster."
            yield Finding(
                kind, "orchestration", stack.id, stack.name, stack.project_id, uuid, text,
                functools.partial(self._stacks.delete, stack.project_id, stack.id),
            )  # fmt: skip

    def _of_clusters(self) -> Iterator[Finding]:
        """What was not there when the cloud was read may be there now: it is asked again."""
        for row in self._clusters.values():
            stacks = {stack.id for stack in self._found.get(row["project_id"], ())}
            project, ident = row["project_id"], row["stack_id"]
            if row["action"] == Action.DELETE or project not in self._found or not ident or ident in stacks:
                continue
            if self._try("orchestration", project, functools.partial(self._gone, project, ident)):
                text = f"Its status is {row['status']}; its stack {ident} is not in Heat."
                yield self._of(row, "cluster-without-stack", "orchestration", ident, "", text)
        for project, nodes in self._without_server(self._servers).items():
            again = self._try("compute", project, functools.partial(self._inventory.servers, project))
            there = {server.id for server in again or ()}
            for node in nodes if again is not None else ():
                text = f"Node {node['hostname']} is {node['state']}; its server is not in Nova."
                if node["server_id"] not in there:
                    told = (node["server_id"], node["hostname"], text)
                    yield self._of(
                        self._clusters[node["cluster_id"]], "node-without-server", "compute", *told
                    )

    def _gone(self, project_id: str, stack_id: str) -> bool:
        return self._stacks.get(project_id, stack_id) is None

    def _without_server(self, servers: Mapping[str, Sequence[Thing]]) -> dict[str, list[Row]]:
        """By project: nodes that are to be there, whose server is not."""
        there = {project: {server.id for server in some} for project, some in servers.items()}
        out: dict[str, list[Row]] = {}
        for node in self._nodes:
            holder = self._clusters.get(node["cluster_id"])
            if holder is None or holder["action"] == Action.DELETE or node["state"] in _AWAY:
                continue
            project = holder["project_id"]
            if node["server_id"] and node["server_id"] not in there.get(project, {node["server_id"]}):
                out.setdefault(project, []).append(node)
        return out

    def _of(self, row: Row, kind: str, service: str, ident: str, name: str, text: str) -> Finding:
        return Finding(kind, service, ident, name or row["name"], row["project_id"], row["uuid"], text)

    def _of_servers(self) -> Iterator[Finding]:
        """A server is only called ours when the start of a uuid in its name is that of a cluster which this
        database has known, and no stack can hold it.
        """
        heads: dict[str, str] = {uuid[:8]: uuid for uuid in self._known}
        recorded = {node["server_id"] for node in self._nodes}
        for project, servers in self._servers.items():
            if project not in self._found:
                continue
            held = {tag for stack in self._found.get(project, ()) for tag in stack.tags}
            for server in servers:
                match = _SERVER.fullmatch(server.name)
                uuid = heads.get(match[1], "") if match else ""
                if not uuid or server.id in recorded or f"{TAG}-{uuid}" in held or uuid in self._clusters:
                    continue
                yield Finding(
                    "server-without-cluster", "compute", server.id, server.name, project, uuid,
                    "The cluster and its stack are gone; the server is still there.",
                    functools.partial(self._inventory.remove_server, project, server.id),
                )  # fmt: skip

    def _of_credentials(self) -> Iterator[Finding]:
        for item in self._credentials:
            match = _UUID.match(item.name)
            if match is None or match[1] in self._clusters:
                continue
            yield Finding(
                "credential-without-cluster", "identity", item.id, item.name, item.project_id, match[1],
                "The cluster is gone; its application credential is still valid.",
                functools.partial(self._keystone.remove, item.id),
            )  # fmt: skip
