"""What a request names in the cloud, looked up with the caller's own token while he waits: images,
flavors, key pairs, networks, quotas.
"""

import dataclasses
import re
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from magnum_lite.context import Context, current_request
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
class Allowance:
    """A quota of the project and what is left of it."""

    limit: int
    left: int


# What can be asked for, by the service that knows: our name → (its name of the limit, of the use).
QUOTAS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "compute": {
        "instances": ("maxTotalInstances", "totalInstancesUsed"),
        "cores": ("maxTotalCores", "totalCoresUsed"),
        "ram": ("maxTotalRAMSize", "totalRAMUsed"),
    },
    "volume": {
        "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
        "gigabytes": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
    },
    "network": {"floating_ips": ("floatingip", "floatingip")},
    "load-balancer": {"load_balancers": ("load_balancer", "load_balancer")},
}


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

    def room(self, context: Context, wanted: Collection[str]) -> Mapping[str, Allowance]:
        """What is left of the quotas of these names (see QUOTAS); one without a limit is left out."""

    def has_load_balancers(self, context: Context) -> bool:
        """Whether this cloud has a load balancer service."""

    def project(self, context: Context, ident: str) -> str:
        """Id of a project; by an administrator's token."""


_BALANCING = "load-balancer"
_VERSION = {"image": "/v2", "network": "/v2.0", "identity": "/v3", _BALANCING: "/v2.0"}
_VOLUMES = "block-storage"  # its newest type; keystoneauth knows the older ones


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

    def room(self, context: Context, wanted: Collection[str]) -> Mapping[str, Allowance]:
        out: dict[str, Allowance] = {}
        for service, names in QUOTAS.items():
            asked = {ours: theirs for ours, theirs in names.items() if ours in wanted}
            if asked:
                usage = self._usage(context, service)
                found = {ours: _allowance(usage, *theirs) for ours, theirs in asked.items()}
                out |= {ours: allowance for ours, allowance in found.items() if allowance is not None}
        return out

    def _usage(self, context: Context, service: str) -> Mapping[str, Any]:
        """Limits and usage in the service's own words; a network's are made to look like the others'."""
        if service == _BALANCING:
            return self._balancers(context)
        if service == "network":
            path = f"/quotas/{_quoted(context.project_id)}/details.json"
            found = (self._get(context, service, path) or {}).get("quota", {})
            return {kind: (q.get("limit"), q.get("used", 0)) for kind, q in found.items()}
        kind = _VOLUMES if service == "volume" else service
        found = (self._get(context, kind, "/limits") or {}).get("limits", {})
        return dict(found.get("absolute", {}))

    def _balancers(self, context: Context) -> Mapping[str, Any]:
        """Octavia tells limits only. Who may not ask may have a bay: the service's own user makes it."""
        try:
            found = self._get(context, _BALANCING, f"/lbaas/quotas/{_quoted(context.project_id)}") or {}
            quota = found.get("quota", {})
            most = quota.get("load_balancer", quota.get("loadbalancer"))
            if most is None or most < 0:
                return {}
            query = urllib.parse.urlencode({"project_id": context.project_id, "fields": "id"})
            listed = self._get(context, _BALANCING, f"/lbaas/loadbalancers?{query}") or {}
        except Forbidden:
            return {}
        return {"load_balancer": (most, len(listed.get("loadbalancers", ())))}

    def has_load_balancers(self, context: Context) -> bool:
        return self._where(context, _BALANCING)[1] is not None

    def project(self, context: Context, ident: str) -> str:
        found = self._get(context, "identity", f"/projects/{_quoted(ident)}")
        if found is None:
            raise NotFound("Project", ident)
        return str(found["project"]["id"])

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
        from keystoneauth1 import exceptions as ka

        session, base = self._where(context, service)
        if not base:
            raise Unavailable(service, "It is not in this cloud's catalogue.")
        try:
            base = base.rstrip("/")
            wanted = _VERSION.get(service, "")
            if wanted and not re.search(r"/v[0-9.]+$", base):
                base += wanted
            headers = {"Accept": "application/json", "X-OpenStack-Request-ID": current_request()}
            answer = session.get(base + path, raise_exc=False, headers=headers)
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

    def _where(self, context: Context, service: str) -> tuple[Any, str | None]:
        """The caller's session, and the service's endpoint if the catalogue has one."""
        # Late: an API worker that only reads its own database stays small.
        from keystoneauth1 import exceptions as ka
        from keystoneauth1 import session as ks

        session = ks.Session(auth=context.auth, verify=self._verify, timeout=self._timeout)
        where = {"interface": self._interface, "region_name": self._region, "skip_discovery": True}
        try:
            return session, session.get_endpoint(service_type=service, **where)
        except ka.EmptyCatalog as error:
            raise Unavailable(service, "The caller's token has no catalogue.") from error
        except ka.EndpointNotFound:
            return session, None
        except (ka.ClientException, OSError) as error:
            raise Unavailable(service) from error


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _only(found: list[dict[str, Any]], kind: str, ident: str) -> dict[str, Any]:
    if not found:
        raise NotFound(kind, ident)
    if len(found) > 1:
        raise Ambiguous(kind, ident)
    return found[0]


def _allowance(usage: Mapping[str, Any], limit: str, used: str) -> Allowance | None:
    if limit == used:
        most, taken = usage.get(limit, (None, 0))
    else:
        most, taken = usage.get(limit), usage.get(used, 0)
    if most is None or most < 0:
        return None
    return Allowance(int(most), max(0, int(most) - int(taken or 0)))
