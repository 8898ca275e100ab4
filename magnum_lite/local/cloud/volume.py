"""The Block Storage API v3.0: volumes, their limits, and the lists that clients ask for first."""

from typing import Any

from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, not_found
from magnum_lite.local.cloud.paging import linked, page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.stamps import fixed_id
from magnum_lite.local.cloud.store import Record
from magnum_lite.local.cloud.unanswered import answered
from magnum_lite.local.cloud.volumes import TYPE, ZONE

ROUTER = Router("/volume/v3")

_TYPE = {
    "id": fixed_id("volume type loop"),
    "name": TYPE,
    "description": "a sparse file on this machine",
    "is_public": True,
    "os-volume-type-access:is_public": True,
    "extra_specs": {},
    "qos_specs_id": None,
}


@ROUTER.on("GET", "/{project}/volumes", "/{project}/volumes/detail")
def index(call: Call, project: str) -> Answer:
    """List the project's volumes, or with ``all_tenants`` an administrator's view of all."""
    _own(call, project)
    everyone = call.admin and call.query.get("all_tenants", "").lower() in {"1", "true"}
    found = [
        _shown(record)
        for record in reversed(call.cloud.store.list("volume", None if everyone else call.project))
        if all(str(record.get(key)) == call.query[key] for key in ("name", "status") if key in call.query)
    ]
    return 200, linked("volumes", *page(call, found))


@ROUTER.on("POST", "/{project}/volumes")
def create(call: Call, project: str) -> Answer:
    """Make a volume."""
    _own(call, project)
    record = call.cloud.volumes.create(call, call.body("volume"))
    call.sent.append(answered(call.cloud.store, "volume", record["id"]))
    return 202, {"volume": _shown(record)}


@ROUTER.on("GET", "/{project}/volumes/{ident}")
def show(call: Call, project: str, ident: str) -> Answer:
    """Show a volume."""
    return 200, {"volume": _shown(_find(call, project, ident))}


@ROUTER.on("PUT", "/{project}/volumes/{ident}")
def update(call: Call, project: str, ident: str) -> Answer:
    """Rename a volume."""
    record = _find(call, project, ident)
    return 200, {"volume": _shown(call.cloud.volumes.update(record, call.body("volume")))}


@ROUTER.on("DELETE", "/{project}/volumes/{ident}")
def delete(call: Call, project: str, ident: str) -> Answer:
    """Remove a volume."""
    call.cloud.volumes.delete(_find(call, project, ident))
    return 202, None


@ROUTER.on("POST", "/{project}/volumes/{ident}/action")
def act(call: Call, project: str, ident: str) -> Answer:
    """Extend a volume; there are no other actions here."""
    record, body = _find(call, project, ident), call.json()
    wanted = body.get("os-extend")
    if not isinstance(wanted, dict):
        raise bad_request(f"There is no such action: {', '.join(map(str, body))[:80]}.")
    call.cloud.volumes.extend(record, wanted)
    return 202, None


@ROUTER.on("GET", "/{project}/volumes/{ident}/metadata")
def metadata(call: Call, project: str, ident: str) -> Answer:
    """Show a volume's metadata."""
    return 200, {"metadata": _find(call, project, ident)["metadata"]}


@ROUTER.on("PUT", "/{project}/volumes/{ident}/metadata")
@ROUTER.on("POST", "/{project}/volumes/{ident}/metadata")
def set_metadata(call: Call, project: str, ident: str) -> Answer:
    """Set a volume's metadata: POST adds, PUT replaces."""
    record = _find(call, project, ident)
    kept = record["metadata"] if call.method == "POST" else {}
    changed = call.cloud.volumes.update(record, {"metadata": kept | call.body("metadata")})
    return 200, {"metadata": changed["metadata"]}


@ROUTER.on("GET", "/{project}/limits")
def limits(call: Call, project: str) -> Answer:
    """What is used and what is allowed."""
    _own(call, project)
    used = call.cloud.quota.volume(project)
    absolute = {
        "maxTotalVolumes": used["volumes"][1],
        "totalVolumesUsed": used["volumes"][0],
        "maxTotalVolumeGigabytes": used["gigabytes"][1],
        "totalGigabytesUsed": used["gigabytes"][0],
        "maxTotalSnapshots": 0,
        "totalSnapshotsUsed": 0,
        "maxTotalBackups": 0,
        "totalBackupsUsed": 0,
        "maxTotalBackupGigabytes": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return 200, {"limits": {"rate": [], "absolute": absolute}}


@ROUTER.on("GET", "/{project}/os-quota-sets/{of}")
def quota_set(call: Call, project: str, of: str) -> Answer:
    """The limits, with ``usage=True`` also what is used."""
    _own(call, project)
    _own(call, of)
    usage = call.query.get("usage", "").lower() == "true"
    values: dict[str, Any] = {
        name: {"in_use": used, "limit": limit, "reserved": 0} if usage else limit
        for name, (used, limit) in call.cloud.quota.volume(of).items()
    }
    return 200, {"quota_set": {"id": of, **values}}


@ROUTER.on("GET", "/{project}/types")
def types(call: Call, project: str) -> Answer:
    """The one type of volume."""
    _own(call, project)
    return 200, {"volume_types": [_TYPE]}


@ROUTER.on("GET", "/{project}/types/{ident}")
def show_type(call: Call, project: str, ident: str) -> Answer:
    """The one type, also as the default one."""
    _own(call, project)
    if ident not in {_TYPE["id"], "default"}:
        raise not_found("volume_type", ident)
    return 200, {"volume_type": _TYPE}


@ROUTER.on("GET", "/{project}/os-availability-zone")
def zones(call: Call, project: str) -> Answer:
    """The one zone."""
    _own(call, project)
    return 200, {"availabilityZoneInfo": [{"zoneName": ZONE, "zoneState": {"available": True}}]}


@ROUTER.on("GET", "/{project}/snapshots", "/{project}/snapshots/detail")
def snapshots(call: Call, project: str) -> Answer:
    """There are none."""
    _own(call, project)
    return 200, {"snapshots": []}


@ROUTER.on("GET", "/{project}/backups", "/{project}/backups/detail")
def backups(call: Call, project: str) -> Answer:
    """There are none."""
    _own(call, project)
    return 200, {"backups": []}


@ROUTER.on("GET", "/{project}/extensions")
def extensions(call: Call, project: str) -> Answer:
    """There are none."""
    _own(call, project)
    return 200, {"extensions": []}


def _own(call: Call, project: str) -> None:
    """Raises Fault 404 for the address of another project."""
    if project != call.project and not call.admin:
        raise Fault(404, f"Project {project} could not be found.")


def _find(call: Call, project: str, ident: str) -> Record:
    _own(call, project)
    return call.find("volume", ident)


def _shown(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "project_id" and key[0] != "_"} | {
        "os-vol-tenant-attr:tenant_id": record["project_id"],
        "availability_zone": ZONE,
        "volume_type": TYPE,
        "bootable": "true" if "volume_image_metadata" in record else "false",
        "encrypted": False,
        "multiattach": False,
        "snapshot_id": None,
        "source_volid": None,
        "consistencygroup_id": None,
        "replication_status": None,
        "links": [],
    }
