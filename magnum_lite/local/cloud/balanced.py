"""What a load balancer is made of: listeners, pools, members, health monitors. Records, of which
``Balancers.publish`` makes what its container does. TCP only.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from magnum_lite.local.cloud import attributes
from magnum_lite.local.cloud.balancers import Balancers
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

ALGORITHMS = ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP")
_RANGES = {
    "protocol_port": (1, 65535), "monitor_port": (1, 65535), "weight": (0, 256),
    "connection_limit": (-1, 2**31), "delay": (1, 3600), "timeout": (1, 3600),
    "max_retries": (1, 10), "max_retries_down": (1, 10),
    "timeout_client_data": (0, 31536000000), "timeout_member_connect": (1, 31536000000),
    "timeout_member_data": (0, 31536000000), "timeout_tcp_inspect": (0, 31536000000),
}  # fmt: skip
_CHOICES = {"protocol": ("TCP",), "lb_algorithm": ALGORITHMS, "type": ("TCP",)}


class Balanced:
    """The parts of all load balancers. ``_balancer`` is whose they are."""

    def __init__(self, store: Store, balancers: Balancers) -> None:
        self._store = store
        self._balancers = balancers

    def create(self, call: Call, kind: str, body: dict[str, Any], pool: str = "") -> Record:
        """A new part; a member's ``pool`` is not in its body. Raises Fault 400, 404, 409."""
        values = _checked(attributes.created(kind, body))
        with self._store.transaction():
            place = getattr(self, f"_place_{kind}")
            owner, more = place(call, values, *([pool] if pool else []))
            self._balancers.mutable(owner)
            record = stamped(call.project, values | more) | {"_balancer": owner} | MARK
            self._store.put(kind, record)
            if values.get("listener_id"):
                self._store.change("listener", values["listener_id"], default_pool_id=record["id"])
        self._balancers.publish(owner)
        return record

    def _place_listener(self, call: Call, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        owner = _found(call, "loadbalancer", values.pop("loadbalancer_id"))["id"]
        for other in self._balancers.parts(owner, "listener"):
            if other["protocol_port"] == values["protocol_port"]:
                raise conflict(
                    f"Another Listener on this Load Balancer is already using protocol TCP and protocol_port "
                    f"{values['protocol_port']}"
                )
        self._check_pool(call, owner, values)
        return owner, {}

    def _place_pool(self, call: Call, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        wanted = values.pop("loadbalancer_id")
        if values["listener_id"]:
            listener = _found(call, "listener", values["listener_id"])
            if listener["default_pool_id"]:
                raise conflict(f"Listener {listener['id']} already has a default pool.")
            owner = listener["_balancer"]
        elif wanted:
            owner = _found(call, "loadbalancer", wanted)["id"]
        else:
            raise bad_request("Must provide at least one of: loadbalancer_id, listener_id.")
        if wanted and wanted != owner:
            raise bad_request("listener_id and loadbalancer_id are of different load balancers.")
        return str(owner), {}

    def _place_member(self, call: Call, values: dict[str, Any], pool: str) -> tuple[str, dict[str, Any]]:
        found = _found(call, "pool", pool)
        if values["subnet_id"]:
            _found(call, "subnet", values["subnet_id"])
        here = (values["address"], values["protocol_port"])
        for other in self._balancers.parts(found["_balancer"], "member"):
            if other["pool_id"] == pool and (other["address"], other["protocol_port"]) == here:
                raise conflict(
                    f"Another member on this pool is already using ip {here[0]} on protocol_port {here[1]}"
                )
        return found["_balancer"], {"pool_id": pool}

    def _place_healthmonitor(self, call: Call, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        _check_times(values)
        pool = _found(call, "pool", values["pool_id"])
        if any(m["pool_id"] == pool["id"] for m in self._balancers.parts(pool["_balancer"], "healthmonitor")):
            raise conflict("This pool already has a health monitor")
        return pool["_balancer"], {}

    def _check_pool(self, call: Call, owner: str, values: dict[str, Any]) -> None:
        wanted = values.get("default_pool_id")
        if wanted and _found(call, "pool", wanted)["_balancer"] != owner:
            raise bad_request(f"Pool {wanted} is of another load balancer.")

    def update(self, call: Call, kind: str, record: Record, body: dict[str, Any]) -> Record:
        """Change a part. Raises Fault 400, 404, 409."""
        values = _checked(attributes.changed(kind, body))
        with self._store.transaction():
            self._balancers.mutable(record["_balancer"])
            self._check_pool(call, record["_balancer"], values)
            now = self._store.get(kind, record["id"])
            if now is None:
                raise Fault(404, f"{kind.capitalize()} {record['id']} not found.")
            if kind == "healthmonitor":
                _check_times(now | values)
            changed = self._store.put(kind, touched(now, values))
        self._balancers.publish(record["_balancer"])
        return changed

    def delete(self, kind: str, record: Record) -> None:
        """Remove a part, and of a pool what belongs to it. Raises Fault 409."""
        with self._store.transaction():
            self._balancers.mutable(record["_balancer"])
            for inner, part in self._inner(kind, record):
                self._store.delete(inner, part["id"])
            for listener in self._balancers.parts(record["_balancer"], "listener"):
                if listener["default_pool_id"] == record["id"]:
                    self._store.put("listener", touched(listener, {"default_pool_id": None}))
            self._store.delete(kind, record["id"])
        self._balancers.publish(record["_balancer"])

    def _inner(self, kind: str, record: Record) -> Iterator[tuple[str, Record]]:
        for inner in ("member", "healthmonitor") if kind == "pool" else ():
            for part in self._balancers.parts(record["_balancer"], inner):
                if part["pool_id"] == record["id"]:
                    yield inner, part


def _found(call: Call, kind: str, ident: str) -> Record:
    try:
        return call.find(kind, ident)
    except Fault as fault:
        raise Fault(404, f"{kind.capitalize()} {ident} not found.") from fault


def _check_times(values: dict[str, Any]) -> None:
    if values["timeout"] > values["delay"]:
        raise bad_request("Invalid input for timeout: it must not be longer than delay.")


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers, words and addresses. Raises Fault 400."""
    for name, (least, most) in _RANGES.items():
        if values.get(name) is not None and not least <= values[name] <= most:
            raise bad_request(f"Invalid input for field/attribute {name}: from {least} to {most}.")
    for name, choices in _CHOICES.items():
        if name in values and values[name] not in choices:
            raise bad_request(
                f"Invalid input for field/attribute {name}. Value: '{str(values[name])[:60]}'. The load "
                f"balancers of this cloud have {', '.join(choices)}."
            )
    if values.get("tls_enabled"):
        raise bad_request("Invalid input for field/attribute tls_enabled: TLS passes untouched here.")
    if values.get("session_persistence") not in (None, {"type": "SOURCE_IP"}):
        raise bad_request("Invalid input for field/attribute session_persistence: this cloud has SOURCE_IP.")
    for name in ("address", "monitor_address"):
        if values.get(name) is not None:
            values[name] = _read(name, ipaddress.IPv4Address, values[name])
    if "allowed_cidrs" in values:
        cidrs = values["allowed_cidrs"] or []
        values["allowed_cidrs"] = [_read("allowed_cidrs", ipaddress.ip_network, c) for c in cidrs] or None
    return values


def _read(name: str, kind: Any, value: Any) -> str:
    try:
        return str(kind(str(value)))
    except ValueError as error:
        raise bad_request(f"Invalid input for field/attribute {name}. Value: '{str(value)[:60]}'.") from error
