"""What a request names in the cloud, looked up with the caller's own token while he waits: images,
flavors, key pairs, networks, quotas.
"""

import dataclasses
import re
import urllib.parse
from typing import Any, Protocol

from keystoneauth1 import exceptions as ka
from keystoneauth1 import session as ks

from magnum_lite.context import Context
from magnum_lite.errors import Ambiguous, Forbidden, NotFound, Unavailable


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """A Glance image."""

    id: str
    name: str
    os_distro: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Flavor:
    """A Nova flavor; ``ram`` in MiB, ``disk`` in GiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """What is left of the project's quota; None: no limit."""

    instances: int | None
    cores: int | None
    ram: int | None


class Lookups(Protocol):
    """The port; ``memory.py`` has its twin. All raise NotFound, Ambiguous, Forbidden, Unavailable."""

    def image(self, context: Context, ident: str) -> Image:
        """By uuid or name."""

    def flavor(self, context: Context, ident: str) -> Flavor:
        """By id or name."""

    def public_key(self, context: Context, name: str) -> str:
        """Text of a key pair of the caller; key pairs belong to users, not to projects."""

    def network(self, context: Context, ident: str) -> str:
        """Id of a network that the project sees."""

    def subnet(self, context: Context, ident: str) -> str:
        """Id of a subnet that the project sees."""

    def room(self, context: Context) -> Room:
        """What compute quota is left."""


_VERSION = {"image": "/v2", "network": "/v2.0"}


class CloudLookups:
    """The real one: plain REST through keystoneauth, endpoints from the caller's catalogue."""

    def __init__(self, conf: Any) -> None:
        self._interface = conf.service_user.interface
        self._region = conf.service_user.region_name
        self._timeout = conf.api.lookup_timeout
        self._verify = conf.service_user.cafile or True

    def image(self, context: Context, ident: str) -> Image:
        found = self._find(context, "image", "images", ident, "name", "images", "Image")
        return Image(found["id"], found.get("name") or "", found.get("os_distro"))

    def flavor(self, context: Context, ident: str) -> Flavor:
        found = self._get(context, "compute", f"/flavors/{_quoted(ident)}")
        if found is None:
            listed = (self._get(context, "compute", "/flavors/detail") or {}).get("flavors", [])
            found = {"flavor": _only([x for x in listed if x["name"] == ident], "Flavor", ident)}
        got = found["flavor"]
        return Flavor(str(got["id"]), got["name"], got["vcpus"], got["ram"], got["disk"])

    def public_key(self, context: Context, name: str) -> str:
        found = self._get(context, "compute", f"/os-keypairs/{_quoted(name)}")
        if found is None:
            raise NotFound("Keypair", name)
        return str(found["keypair"]["public_key"])

    def network(self, context: Context, ident: str) -> str:
        return str(self._find(context, "network", "networks", ident, "name", "networks", "Network")["id"])

    def subnet(self, context: Context, ident: str) -> str:
        return str(self._find(context, "network", "subnets", ident, "name", "subnets", "Subnet")["id"])

    def room(self, context: Context) -> Room:
        got = (self._get(context, "compute", "/limits") or {}).get("limits", {}).get("absolute", {})
        return Room(
            _left(got, "maxTotalInstances", "totalInstancesUsed"),
            _left(got, "maxTotalCores", "totalCoresUsed"),
            _left(got, "maxTotalRAMSize", "totalRAMUsed"),
        )

    def _find(
        self, context: Context, service: str, path: str, ident: str, key: str, listed: str, kind: str
    ) -> dict[str, Any]:
        """By id first, then by name."""
        if re.fullmatch(r"[0-9a-fA-F-]{32,36}", ident):
            found = self._get(context, service, f"/{path}/{ident}")
            if found is not None:
                return dict(found.get(listed.rstrip("s"), found))
        query = urllib.parse.urlencode({key: ident})
        return _only((self._get(context, service, f"/{path}?{query}") or {}).get(listed, []), kind, ident)

    def _get(self, context: Context, service: str, path: str) -> dict[str, Any] | None:
        """A JSON answer, None on 404."""
        session = ks.Session(auth=context.auth, verify=self._verify, timeout=self._timeout)
        try:
            base = session.get_endpoint(
                service_type=service, interface=self._interface, region_name=self._region, skip_discovery=True
            )
            if not base:
                raise Unavailable(service, "It is not in this cloud's catalogue.")
            base = base.rstrip("/")
            wanted = _VERSION.get(service, "")
            if wanted and not re.search(r"/v[0-9.]+$", base):
                base += wanted
            answer = session.get(base + path, raise_exc=False, headers={"Accept": "application/json"})
        except (ka.ClientException, OSError) as error:
            raise Unavailable(service) from error
        if answer.status_code == 404 or (answer.status_code == 400 and "/os-keypairs/" in path):
            return None
        if answer.status_code in {401, 403}:
            raise Forbidden(f"The {service} service does not let you look that up.")
        if answer.status_code >= 400:
            raise Unavailable(service)
        try:
            return dict(answer.json())
        except ValueError as error:
            raise Unavailable(service) from error


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _only(found: list[dict[str, Any]], kind: str, ident: str) -> dict[str, Any]:
    if not found:
        raise NotFound(kind, ident)
    if len(found) > 1:
        raise Ambiguous(kind, ident)
    return found[0]


def _left(absolute: dict[str, Any], limit: str, used: str) -> int | None:
    most = absolute.get(limit, -1)
    return None if most is None or most < 0 else max(0, most - absolute.get(used, 0))
