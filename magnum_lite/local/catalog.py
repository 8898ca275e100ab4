"""What Keystone is told of this cloud: projects, users, roles and the service catalogue.

Everything is "ensure": look, then create what is missing, so that a half-done run is completed by
the next. Passwords are set again each time, as they belong to the files in the state directory.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from magnum_lite.local import keystone, passwords, state

DEFAULT_DOMAIN = "default"
SERVICE_USER = "magnum-lite"
HEAT_DOMAIN = "heat"
INDEX_ROLE = "magnum_service"
"""Heat's policy lets this role list the stacks of every project."""

ROLES = ("heat_stack_user", "service", INDEX_ROLE)
PROJECTS = ("service", "demo", "demo2")


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """A user of the Default domain and its roles: pairs (project, role)."""

    name: str
    grants: tuple[tuple[str, str], ...]


USERS = (
    User("heat", (("service", "admin"), ("service", "service"))),
    User("local-cloud", (("service", "service"),)),
    # "service" lets it hand on a request's token together with its own.
    User(SERVICE_USER, (("service", "member"), ("service", "service"), ("service", INDEX_ROLE))),
    User("demo", (("demo", "member"),)),
    User("demo2", (("demo2", "member"),)),
    User("demo-reader", (("demo", "reader"),)),
)


def endpoints(settings: state.Settings) -> tuple[tuple[str, str, str], ...]:
    """(service type, name, public URL). Only public endpoints exist; clients must ask for those."""
    cloud = settings.cloud_url
    return (
        ("orchestration", "heat", f"{settings.heat_url}/v1/%(project_id)s"),
        ("cloudformation", "heat-cfn", f"http://127.0.0.1:{settings.heat_cfn_port}/v1"),
        ("compute", "nova", f"{cloud}/compute/v2.1"),
        ("image", "glance", f"{cloud}/image"),
        ("network", "neutron", f"{cloud}/network"),
        ("load-balancer", "octavia", f"{cloud}/load-balancer"),
        ("volumev3", "cinderv3", f"{cloud}/volume/v3/%(project_id)s"),
        ("block-storage", "cinder", f"{cloud}/volume/v3/%(project_id)s"),
        ("container-infra", "magnum-lite", f"{settings.api_url}/v1"),
        # what the service was called until 2016: the clients of then look for it
        ("container", "magnum-lite-2016", f"{settings.api_url}/v1"),
    )


def ensure(settings: state.Settings) -> None:
    """Bring a running Keystone to what this module says; quick if that was done before."""
    marker = _marker(settings)
    wanted = _fingerprint(settings)
    if marker.exists() and marker.read_text() == wanted:
        return
    door = _Door(administrator(settings))
    roles = {name: door.ensure("roles", name) for name in (*ROLES, "admin", "member", "reader")}
    projects = {name: door.ensure("projects", name, domain_id=DEFAULT_DOMAIN) for name in PROJECTS}
    for user in USERS:
        secret = passwords.password(settings.state_dir, user.name)
        ident = door.ensure_user(user.name, DEFAULT_DOMAIN, secret)
        for project, role in user.grants:
            door.put(f"/projects/{projects[project]}/users/{ident}/roles/{roles[role]}")
        if user.name == SERVICE_USER:  # a member of every project of the domain, also of later ones
            inherited = f"/OS-INHERIT/domains/{DEFAULT_DOMAIN}/users/{ident}/roles/{roles['member']}"
            door.put(f"{inherited}/inherited_to_projects")
    heat_domain = door.ensure("domains", HEAT_DOMAIN)
    secret = passwords.password(settings.state_dir, "heat_domain_admin")
    ident = door.ensure_user("heat_domain_admin", heat_domain, secret)
    door.put(f"/domains/{heat_domain}/users/{ident}/roles/{roles['admin']}")
    for kind, name, url in endpoints(settings):
        door.ensure_endpoint(kind, name, url)
    state.write_atomically(marker, wanted)


def was_ensured(settings: state.Settings) -> bool:
    """Whether users and projects were once complete."""
    return _marker(settings).exists()


def administrator(settings: state.Settings) -> session.Session:
    """A session as ``admin`` in the project ``admin``."""
    return user_session(settings, "admin", "admin")


def user_session(settings: state.Settings, user: str, project: str) -> session.Session:
    """A session as one of this module's users, scoped to a project of the Default domain."""
    auth = v3.Password(
        settings.keystone_url,
        username=user,
        password=passwords.password(settings.state_dir, user),
        user_domain_id=DEFAULT_DOMAIN,
        project_name=project,
        project_domain_id=DEFAULT_DOMAIN,
    )
    return session.Session(auth=auth)


def _marker(settings: state.Settings) -> Path:
    return keystone.files(settings).directory / "catalog"


def _fingerprint(settings: state.Settings) -> str:
    facts = (ROLES, PROJECTS, [dataclasses.astuple(user) for user in USERS], endpoints(settings))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


class _Door:
    """Keystone's REST API, as far as it is needed here. Ids are strings of 32 hexadecimal digits."""

    def __init__(self, session_: session.Session) -> None:
        self._http = adapter.Adapter(session_, service_type="identity", interface="public")
        self._base = str(session_.auth.auth_url)

    def put(self, path: str) -> None:
        """Grant a role; granting it again changes nothing."""
        self._http.put(self._base + path)

    def _find(self, collection: str, **query: str) -> dict[str, Any] | None:
        found = self._http.get(f"{self._base}/{collection}", params=query).json()[collection]
        return found[0] if found else None

    def _create(self, collection: str, **fields: Any) -> dict[str, Any]:
        kind = collection.removesuffix("s")
        created: dict[str, Any] = self._http.post(f"{self._base}/{collection}", json={kind: fields}).json()
        return created[kind]

    def ensure(self, collection: str, name: str, **fields: str) -> str:
        """The id of a role, project or domain of this name."""
        found = self._find(collection, name=name, **fields)
        return str((found or self._create(collection, name=name, **fields))["id"])

    def ensure_user(self, name: str, domain_id: str, secret: str) -> str:
        """The id of a user, who has this password afterwards."""
        found = self._find("users", name=name, domain_id=domain_id)
        if found is None:
            return str(self._create("users", name=name, domain_id=domain_id, password=secret)["id"])
        self._http.patch(f"{self._base}/users/{found['id']}", json={"user": {"password": secret}})
        return str(found["id"])

    def ensure_endpoint(self, kind: str, name: str, url: str) -> None:
        """One service of this type with one public endpoint at this URL."""
        service = self._find("services", type=kind) or self._create("services", name=name, type=kind)
        found = self._find("endpoints", service_id=service["id"], interface="public")
        if found is None:
            self._create(
                "endpoints",
                service_id=service["id"],
                interface="public",
                region_id=keystone.REGION,
                url=url,
            )
        elif found["url"] != url:
            self._http.patch(f"{self._base}/endpoints/{found['id']}", json={"endpoint": {"url": url}})
