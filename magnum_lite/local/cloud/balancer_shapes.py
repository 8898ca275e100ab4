"""Load balancers and their parts as Octavia shows them; how they are comes from what their container says."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from magnum_lite.local.cloud.store import Record

if TYPE_CHECKING:
    from magnum_lite.local.cloud.app import Cloud

_NO_TLS: Mapping[str, dict[str, Any]] = {
    "listener": {
        "default_tls_container_ref": None, "sni_container_refs": [], "client_ca_tls_container_ref": None,
        "client_authentication": "NONE", "client_crl_container_ref": None, "tls_ciphers": None,
        "tls_versions": None, "alpn_protocols": None, "insert_headers": {}, "l7policies": [],
    },
    "pool": {
        "tls_container_ref": None, "ca_tls_container_ref": None, "crl_container_ref": None,
        "tls_ciphers": None, "tls_versions": None, "alpn_protocols": None,
    },
    "healthmonitor": {"http_method": None, "url_path": None, "expected_codes": None, "http_version": None,
                      "domain_name": None},
    "loadbalancer": {"additional_vips": []},
}  # fmt: skip
#: Of the network API's records, what Octavia's objects do not have.
_NOT_OURS = {"status", "revision_number", "tenant_id"}


def shown(cloud: "Cloud", kind: str, record: Record) -> dict[str, Any]:
    """One object."""
    owner = record["id"] if kind == "loadbalancer" else record["_balancer"]
    seen = cloud.balancers.seen(owner)
    plain = {k: v for k, v in record.items() if not k.startswith("_") and k not in _NOT_OURS}
    balancer = cloud.store.get("loadbalancer", owner) or record
    state = {
        "provisioning_status": balancer.get("provisioning_status", "ACTIVE"),
        "operating_status": _operating(cloud, kind, record, seen),
    }
    return plain | _NO_TLS.get(kind, {}) | state | _relations(cloud, kind, record, owner)


def _relations(cloud: "Cloud", kind: str, record: Record, owner: str) -> dict[str, Any]:
    def ids(what: str, **same: Any) -> list[dict[str, str]]:
        found = cloud.balancers.parts(owner, what)
        return [{"id": one["id"]} for one in found if all(one[k] == v for k, v in same.items())]

    match kind:
        case "loadbalancer":
            return {"listeners": ids("listener"), "pools": ids("pool")}
        case "listener":
            return {"loadbalancers": [{"id": owner}]}
        case "pool":
            monitor = next(iter(ids("healthmonitor", pool_id=record["id"])), None)
            return {
                "loadbalancers": [{"id": owner}],
                "listeners": ids("listener", default_pool_id=record["id"]),
                "members": ids("member", pool_id=record["id"]),
                "healthmonitor_id": monitor["id"] if monitor else None,
            }
        case "healthmonitor":
            return {"pools": [{"id": record["pool_id"]}]}
    return {}


def _operating(cloud: "Cloud", kind: str, record: Record, seen: dict[str, Any]) -> str:  # noqa: PLR0911
    """By Octavia's rules: a whole is as its parts are."""
    if not record["admin_state_up"]:
        return "OFFLINE"
    parts = cloud.balancers.parts
    match kind:
        case "member":
            monitors = parts(record["_balancer"], "healthmonitor")
            if not any(monitor["pool_id"] == record["pool_id"] for monitor in monitors):
                return "NO_MONITOR"
            up = seen.get("members", {}).get(record["id"])
            return "OFFLINE" if up is None else "ONLINE" if up else "ERROR"
        case "pool":
            mine = [m for m in parts(record["_balancer"], "member") if m["pool_id"] == record["id"]]
            return _whole(_operating(cloud, "member", m, seen) for m in mine)
        case "listener":
            told = seen.get("listeners", {}).get(record["id"], {})
            return "ONLINE" if told.get("listens") else "OFFLINE"
        case "loadbalancer":
            if not seen:
                return "OFFLINE" if not parts(record["id"], "listener") else "ERROR"
            return _whole(_operating(cloud, "pool", p, seen) for p in parts(record["id"], "pool"))
    return "ONLINE"


def _whole(parts: Iterable[str]) -> str:
    states = {state for state in parts if state != "NO_MONITOR"}
    if states <= {"ONLINE"}:
        return "ONLINE"
    return "ERROR" if states == {"ERROR"} else "DEGRADED"


def tree(cloud: "Cloud", record: Record) -> dict[str, Any]:
    """``loadbalancer status show``."""
    parts, owner = cloud.balancers.parts, record["id"]

    def brief(kind: str, one: Record, **more: Any) -> dict[str, Any]:
        told = shown(cloud, kind, one)
        names = ("id", "name", "provisioning_status", "operating_status")
        return {name: told[name] for name in names} | more

    def of_pool(pool: Record) -> dict[str, Any]:
        inner = {
            kind: [one for one in parts(owner, kind) if one["pool_id"] == pool["id"]]
            for kind in ("member", "healthmonitor")
        }
        members = [
            brief("member", one, address=one["address"], protocol_port=one["protocol_port"])
            for one in inner["member"]
        ]
        monitor = next((brief("healthmonitor", m, type=m["type"]) for m in inner["healthmonitor"]), {})
        return brief("pool", pool, members=members, health_monitor=monitor)

    pools = {pool["id"]: of_pool(pool) for pool in parts(owner, "pool")}
    listeners = [
        brief("listener", one, pools=[pools[i] for i in [one["default_pool_id"]] if i in pools])
        for one in parts(owner, "listener")
    ]
    return brief("loadbalancer", record, listeners=listeners, pools=list(pools.values()))


def stats(cloud: "Cloud", kind: str, record: Record) -> dict[str, int]:
    """Of a listener, or of all of a load balancer; since its container began."""
    owner = record["id"] if kind == "loadbalancer" else record["_balancer"]
    told = cloud.balancers.seen(owner).get("listeners", {})
    mine = [one for ident, one in told.items() if kind == "loadbalancer" or ident == record["id"]]
    names = {
        "bytes_in": "in",
        "bytes_out": "out",
        "active_connections": "active",
        "total_connections": "total",
    }
    return {name: sum(one[key] for one in mine) for name, key in names.items()} | {"request_errors": 0}
