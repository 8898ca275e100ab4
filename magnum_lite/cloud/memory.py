"""The in-memory twins of the look-ups, the inventory and the credentials, for developers and fast tests."""

import dataclasses
import secrets
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn

from magnum_lite.cloud.credentials import CredentialExists, CredentialRefused, Made
from magnum_lite.cloud.inventory import Thing
from magnum_lite.cloud.lookups import QUOTAS, Allowance, Flavor, Image
from magnum_lite.context import Context
from magnum_lite.errors import NotFound, Unavailable
from magnum_lite.models.access import Rule


@dataclasses.dataclass
class MemoryLookups:
    """A small cloud that is always the same. ``down`` names a service that does not answer."""

    images: tuple[Image, ...] = (
        Image("0c6c7a5e-5a5b-4b3a-9a3e-0f3b1c2d4e5f", "fedora-atomic-23", "fedora-atomic"),
        Image("1d7d8b6f-6b6c-4c4b-8b4f-1a4c2d3e5f6a", "debian-12-node", "debian"),
        Image("2e8e9c70-7c7d-4d5c-9c50-2b5d3e4f6a7b", "plain", None),
    )
    flavors: tuple[Flavor, ...] = (
        Flavor("1", "m1.small", 1, 1024, 10),
        Flavor("2", "m1.medium", 2, 2048, 20),
        Flavor("3", "m2.medium", 2, 4096, 40),
    )
    keys: tuple[str, ...] = ("my-key", "testkey")
    networks: tuple[str, ...] = ("public", "CERN_NETWORK", "private")
    subnets: tuple[str, ...] = ("private-subnet",)
    limits: Mapping[str, Allowance] = dataclasses.field(default_factory=dict)
    balancers: bool = True
    strangers: tuple[str, ...] = ("nobody",)
    down: str | None = None

    def _up(self, service: str) -> None:
        if self.down == service:
            raise Unavailable(service)

    def image(self, context: Context, ident: str) -> Image:  # noqa: ARG002
        self._up("image")
        return next((i for i in self.images if ident in {i.id, i.name}), None) or _none("Image", ident)

    def flavor(self, context: Context, ident: str) -> Flavor:  # noqa: ARG002
        self._up("compute")
        return next((f for f in self.flavors if ident in {f.id, f.name}), None) or _none("Flavor", ident)

    def public_key(self, context: Context, name: str) -> str:  # noqa: ARG002
        self._up("compute")
        if name not in self.keys:
            raise NotFound("Keypair", name)
        return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm9bVQ0m0h9nJ0g6f3i0m0 {name}"

    def network(self, context: Context, ident: str) -> str:  # noqa: ARG002
        self._up("network")
        return ident if ident in self.networks else _none("Network", ident)

    def subnet(self, context: Context, ident: str) -> str:  # noqa: ARG002
        self._up("network")
        return ident if ident in self.subnets else _none("Subnet", ident)

    def room(self, context: Context, wanted: Collection[str]) -> Mapping[str, Allowance]:  # noqa: ARG002
        for service, names in QUOTAS.items():
            if set(names) & set(wanted):
                self._up(service)
        return {name: allowance for name, allowance in self.limits.items() if name in wanted}

    def has_load_balancers(self, context: Context) -> bool:  # noqa: ARG002
        return self.balancers

    def project(self, context: Context, ident: str) -> str:  # noqa: ARG002
        self._up("identity")
        return _none("Project", ident) if ident in self.strangers else ident


@dataclasses.dataclass
class MemoryServers:
    """The twin of ``cloud.servers``: ``there`` tells the ids of a project's servers, ``gone`` were removed
    behind everybody's back, ``others`` are not ACTIVE. ``asked`` are the projects of all calls.
    """

    there: Callable[[str], Collection[str]]
    gone: set[str] = dataclasses.field(default_factory=set)
    others: dict[str, str] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    down: bool = False

    def states(self, project_id: str) -> Mapping[str, str]:
        self.asked.append(project_id)
        if self.down:
            raise Unavailable("compute")
        return {s: self.others.get(s, "ACTIVE") for s in self.there(project_id) if s not in self.gone}


def _none(kind: str, ident: str) -> NoReturn:
    raise NotFound(kind, ident)


@dataclasses.dataclass
class MemoryInventory:
    """See ``inventory.Inventory``. ``down`` names a service that does not answer."""

    open_projects: list[str]
    all_servers: list[Thing] = dataclasses.field(default_factory=list)
    down: str | None = None

    def projects(self) -> list[str]:
        self._up("identity")
        return list(self.open_projects)

    def servers(self, project_id: str) -> list[Thing]:
        self._up("compute")
        return [server for server in self.all_servers if server.project_id == project_id]

    def remove_server(self, project_id: str, ident: str) -> None:
        self._up("compute")
        self.all_servers = [s for s in self.all_servers if (s.project_id, s.id) != (project_id, ident)]

    def _up(self, service: str) -> None:
        if self.down == service:
            raise Unavailable(service)


@dataclasses.dataclass
class MemoryCredentials:
    """The twin of ``cloud.credentials``. ``held`` are the roles of the service user; ``secrets`` maps an id
    to the secret; ``asked`` keeps what they may do, by id.
    """

    held: tuple[str, ...] = ("member",)
    things: list[Thing] = dataclasses.field(default_factory=list)
    secrets: dict[str, str] = dataclasses.field(default_factory=dict)
    asked: dict[str, tuple[tuple[str, ...], tuple[Rule, ...]]] = dataclasses.field(default_factory=dict)
    down: bool = False

    def all(self) -> list[Thing]:
        self._up()
        return list(self.things)

    def named(self, name: str) -> list[Thing]:
        self._up()
        return [thing for thing in self.things if thing.name == name]

    def make(self, project_id: str, name: str, roles: Sequence[str], access: Sequence[Rule]) -> Made:
        self._up()
        if not access:
            raise CredentialRefused("It would have no access rules.")
        if missing := [role for role in roles if role not in self.held]:
            raise CredentialRefused(f"Could not find role assignment with role: {missing[0]}")
        if self.named(name):
            raise CredentialExists(f"Duplicate entry found with name {name}")
        made = Made(uuid.uuid4().hex, secrets.token_urlsafe(64))
        self.things.append(Thing(made.id, name, project_id))
        self.secrets[made.id] = made.secret
        self.asked[made.id] = (tuple(roles), tuple(access))
        return made

    def remove(self, ident: str) -> None:
        self._up()
        self.things = [thing for thing in self.things if thing.id != ident]
        self.secrets.pop(ident, None)

    def _up(self) -> None:
        if self.down:
            raise Unavailable("identity")
