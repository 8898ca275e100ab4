"""The Compute API 2.1 beside servers: flavors, key pairs, server groups, limits, zones."""

from typing import Any

from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, not_found
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.settings import Flavor
from magnum_lite.local.cloud.stamps import new_id
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.volumes import ZONES

ROUTER = Router("/compute/v2.1")

_POLICIES = {"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}


@ROUTER.on("GET", "/flavors", "/flavors/detail")
def flavors(call: Call) -> Answer:
    """All flavors, by memory."""
    ordered = sorted(
        call.cloud.settings.flavors, key=lambda flavor: (flavor.ram_mib, flavor.vcpus, flavor.name)
    )
    return 200, linked("flavors", *page(call, [_flavor(call, flavor) for flavor in ordered]))


@ROUTER.on("GET", "/flavors/{ident}")
def flavor(call: Call, ident: str) -> Answer:
    """A flavor by its id; clients also try names here and then read the list."""
    return 200, {"flavor": _flavor(call, _find_flavor(call, ident))}


@ROUTER.on("GET", "/flavors/{ident}/os-extra_specs")
def extra_specs(call: Call, ident: str) -> Answer:
    """A flavor's extra specs: none."""
    _find_flavor(call, ident)
    return 200, {"extra_specs": {}}


@ROUTER.on("GET", "/limits")
def limits(call: Call) -> Answer:
    """What is used and what is allowed."""
    project = call.query.get("tenant_id", call.project) if call.admin else call.project
    used = call.cloud.quota.compute(project)
    groups = len(call.cloud.store.list("server_group", project))
    absolute = {
        "maxTotalInstances": used["instances"][1],
        "totalInstancesUsed": used["instances"][0],
        "maxTotalCores": used["cores"][1],
        "totalCoresUsed": used["cores"][0],
        "maxTotalRAMSize": used["ram"][1],
        "totalRAMUsed": used["ram"][0],
        "maxServerMeta": 128,
        "maxImageMeta": 128,
        "maxPersonality": 0,
        "maxPersonalitySize": 0,
        "maxTotalKeypairs": 100,
        "maxServerGroups": -1,
        "maxServerGroupMembers": -1,
        "totalServerGroupsUsed": groups,
        "maxTotalFloatingIps": -1,
        "totalFloatingIpsUsed": 0,
        "maxSecurityGroups": -1,
        "totalSecurityGroupsUsed": 0,
        "maxSecurityGroupRules": -1,
    }
    return 200, {"limits": {"rate": [], "absolute": absolute}}


@ROUTER.on("GET", "/os-quota-sets/{project}", "/os-quota-sets/{project}/{form}")
def quota_set(call: Call, project: str, form: str = "") -> Answer:
    """The limits; ``detail`` also what is used, ``defaults`` the same for everybody."""
    if form not in {"", "detail", "defaults"}:
        raise Fault(404, "The resource could not be found.")
    if project != call.project and not call.admin:
        raise not_found("project", project)
    usage = call.cloud.quota.compute(project) | {
        "key_pairs": (0, 100),
        "metadata_items": (0, 128),
        "server_groups": (len(call.cloud.store.list("server_group", project)), -1),
        "server_group_members": (0, -1),
    }
    values: dict[str, Any] = {
        name: {"in_use": used, "limit": limit, "reserved": 0} if form == "detail" else limit
        for name, (used, limit) in usage.items()
    }
    return 200, {"quota_set": {"id": project, **values}}


@ROUTER.on("GET", "/os-availability-zone")
def zones(_call: Call) -> Answer:
    """The zones."""
    return 200, {
        "availabilityZoneInfo": [
            {"zoneName": zone, "zoneState": {"available": True}, "hosts": None} for zone in ZONES
        ]
    }


@ROUTER.on("GET", "/os-availability-zone/detail")
def zone_details(_call: Call) -> Answer:
    """Refused as Nova does to tenants; clients then ask for the short form."""
    raise Fault(403, "Policy doesn't allow os_compute_api:os-availability-zone:detail to be performed.")


@ROUTER.on("GET", "/extensions")
def extensions(_call: Call) -> Answer:
    """None that are not part of 2.1."""
    return 200, {"extensions": []}


@ROUTER.on("GET", "/os-keypairs")
def keypairs(call: Call) -> Answer:
    """The caller's key pairs."""
    shown, following = page(
        call, [_keypair(record) for record in call.cloud.keypairs.list(call.user)], "name"
    )
    return 200, linked("keypairs", [{"keypair": item} for item in shown], following)


@ROUTER.on("POST", "/os-keypairs")
def create_keypair(call: Call) -> Answer:
    """Import a public key, or make a pair and answer its private key this once."""
    record, private = call.cloud.keypairs.create(call, call.body("keypair"))
    shown = _keypair(record) | {"user_id": call.user}
    return 200, {"keypair": shown | ({"private_key": private} if private else {})}


@ROUTER.on("GET", "/os-keypairs/{name}")
def keypair(call: Call, name: str) -> Answer:
    """One of the caller's key pairs."""
    record = call.cloud.keypairs.find(call.user, name)
    more = {"user_id": call.user, "id": 1, "deleted": False, "deleted_at": None, "updated_at": None}
    return 200, {"keypair": _keypair(record) | more | {"created_at": record["created_at"]}}


@ROUTER.on("DELETE", "/os-keypairs/{name}")
def delete_keypair(call: Call, name: str) -> Answer:
    """Forget a key pair."""
    call.cloud.keypairs.delete(call.user, name)
    return 202, None


@ROUTER.on("GET", "/os-server-groups")
def server_groups(call: Call) -> Answer:
    """The project's server groups."""
    found = [_group(call, record) for record in call.cloud.store.list("server_group", call.project)]
    return 200, linked("server_groups", *page(call, found))


@ROUTER.on("POST", "/os-server-groups")
def create_server_group(call: Call) -> Answer:
    """Make a server group. Its policy is recorded; with one machine each is as good as kept."""
    body = call.body("server_group")
    name, policies = reading.needed(body, "name"), body.get("policies")
    if policies not in [[policy] for policy in _POLICIES]:
        raise bad_request(f"Invalid input for policies: one of {', '.join(sorted(_POLICIES))} is needed.")
    record = {
        "id": new_id(),
        "project_id": call.project,
        "user_id": call.user,
        "name": name,
        "policies": policies,
    }
    return 200, {"server_group": _group(call, call.cloud.store.put("server_group", record))}


@ROUTER.on("GET", "/os-server-groups/{ident}")
def server_group(call: Call, ident: str) -> Answer:
    """One server group."""
    return 200, {"server_group": _group(call, call.find("server_group", ident))}


@ROUTER.on("DELETE", "/os-server-groups/{ident}")
def delete_server_group(call: Call, ident: str) -> Answer:
    """Forget a server group; its servers stay."""
    call.cloud.store.delete("server_group", call.find("server_group", ident)["id"])
    return 204, None


def _find_flavor(call: Call, ident: str) -> Flavor:
    found = call.cloud.settings.flavor(ident)
    if found is None:
        raise not_found("flavor", ident)
    return found


def _flavor(call: Call, item: Flavor) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "ram": item.ram_mib,
        "vcpus": item.vcpus,
        "disk": item.disk_gib,
        "swap": "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "links": [{"rel": "self", "href": f"{call.request.host_url}/compute/v2.1/flavors/{item.id}"}],
    }


def _keypair(record: Record) -> dict[str, Any]:
    return {key: record[key] for key in ("name", "public_key", "fingerprint")}


def _group(call: Call, record: Record) -> dict[str, Any]:
    members = [
        one["id"]
        for one in call.cloud.store.list("server", record["project_id"])
        if one["group_id"] == record["id"]
    ]
    return {key: record[key] for key in ("id", "name", "policies", "project_id", "user_id")} | {
        "members": members,
        "metadata": {},
    }
