"""Load balancers: each is a port, which has its address, and a container that runs ``balancer_proxy``.

What a container does is written as a whole from the records into a directory that it sees, so writing is also
repairing. Containers go on while the local cloud is away; it finds them again by their names.
"""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magnum_lite.local.cloud import attributes, balancer_proxy
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.engine import BALANCER_HOME, BalancerSpec, Engine, EngineAway, EngineError
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict
from magnum_lite.local.cloud.locking import KeyedLocks
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.ports import Ports, link
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.settings import CloudSettings
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

LOG = logging.getLogger(__name__)

PROVIDERS = {"amphora": "A container of this machine.", "octavia": "The same under its old name."}
OWNER = "Octavia"
PARTS = ("listener", "pool", "member", "healthmonitor")
_LOOK = ("delay", "timeout", "max_retries", "max_retries_down")
_COMMAND = ("/usr/bin/python3", "-I", f"{BALANCER_HOME}/proxy.py", BALANCER_HOME)


class Balancers:
    """Their life. ``published`` is called when floating addresses may have lost their port."""

    def __init__(
        self,
        settings: CloudSettings,
        store: Store,
        engine: Engine,
        ports: Ports,
        quota: Quota,
        locks: KeyedLocks,
        published: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._ports = ports
        self._quota = quota
        self._locks = locks
        self._published = published

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new one, with its port. Raises Fault 400, 403 (quota), 404, 409."""
        values = attributes.created("loadbalancer", body)
        if (values["provider"] or "amphora") not in PROVIDERS:
            raise bad_request(f"Provider '{values['provider']}' is not enabled.")
        for name in ("flavor_id", "availability_zone", "vip_qos_policy_id"):
            if values[name]:
                raise bad_request(f"Invalid input for field/attribute {name}: this cloud has none.")
        with self._store.transaction():
            self._quota.check_balancers(call.project)
            record = stamped(call.project, values | {"provider": values["provider"] or "amphora"})
            try:
                port = self._vip(call, record, values)
            except Fault as fault:
                raise Fault(400 if fault.status in {403, 404} else fault.status, fault.message) from fault
            fixed = port["fixed_ips"][0]
            record |= {
                "vip_address": fixed["ip_address"],
                "vip_subnet_id": fixed["subnet_id"],
                "vip_network_id": port["network_id"],
                "vip_port_id": port["id"],
                "provisioning_status": "PENDING_CREATE",
            }
            self._store.put("loadbalancer", record | MARK)
        self.publish(record["id"])
        return self._store.get("loadbalancer", record["id"]) or record

    def _vip(self, call: Call, record: Record, values: dict[str, Any]) -> Record:
        """The port: the one that is given, or a new one on the subnet or network."""
        mine = f"lb-{record['id']}"
        held = {"_server": mine, "device_id": mine, "device_owner": OWNER, "status": "ACTIVE"}
        if values["vip_port_id"]:
            port = self._ports.bind(call.find("port", values["vip_port_id"])["id"], mine)
            return self._store.put("port", touched(port, held))
        fixed = {}
        if values["vip_subnet_id"]:
            subnet = call.find("subnet", values["vip_subnet_id"])
            network, fixed["subnet_id"] = subnet["network_id"], subnet["id"]
        elif values["vip_network_id"]:
            network = values["vip_network_id"]
        else:
            raise bad_request("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
        if values["vip_address"]:
            fixed["ip_address"] = values["vip_address"]
        wanted = {"network_id": network, "name": f"octavia-{mine}", "fixed_ips": [fixed] if fixed else None}
        port = self._ports.create(call, wanted, _own=True)
        if not port["fixed_ips"]:
            raise bad_request(f"Network {network} has no subnet.")
        return self._store.put("port", touched(port, held))

    def update(self, record: Record, body: dict[str, Any]) -> Record:
        """Rename it, switch it on or off. Raises Fault 400, 409."""
        values = attributes.changed("loadbalancer", body)
        with self._store.transaction():
            now = self.mutable(record["id"])
            self._store.put("loadbalancer", touched(now, values))
        self.publish(record["id"])
        return self._store.get("loadbalancer", record["id"]) or record

    def mutable(self, ident: str) -> Record:
        """Its record; for use in the transaction of a change. Raises Fault 404, 409 (it goes)."""
        record = self._store.get("loadbalancer", ident)
        if record is None:
            raise Fault(404, f"Load Balancer {ident} not found.")
        if record.get("_deleting"):
            raise conflict(f"Load Balancer {ident} is immutable and cannot be updated.")
        return record

    def delete(self, record: Record, *, cascade: bool = False) -> None:
        """Remove it; with ``cascade`` also what it is made of. Raises Fault 409."""
        with self._store.transaction():
            if not cascade and any(self.parts(record["id"], kind) for kind in PARTS[:2]):
                raise conflict(f"Cannot delete Load Balancer {record['id']} - it has children")
            going = {"_deleting": True, "provisioning_status": "PENDING_DELETE"}
            self._store.change("loadbalancer", record["id"], **going)
        self._remove(record["id"])

    def _remove(self, ident: str) -> None:
        with self._locks.holding(f"lb-{ident}"):
            self._engine.unbalance(ident)
            shutil.rmtree(self._directory(ident), ignore_errors=True)
            with self._store.transaction():
                for kind in PARTS:
                    for part in self.parts(ident, kind):
                        self._store.delete(kind, part["id"])
                for port in self._ports.of_server(f"lb-{ident}"):
                    self._ports.release(port)
                self._store.delete("loadbalancer", ident)
        self._published()

    def parts(self, ident: str, kind: str) -> list[Record]:
        """Its listeners, pools, members or monitors."""
        return [part for part in self._store.list(kind) if part["_balancer"] == ident]

    def restore(self) -> None:
        """Run those that there are, end those that go, remove those that no record knows."""
        there = self._engine.balancers()
        known = {record["id"]: record for record in self._store.list("loadbalancer")}
        for ident in there.keys() - known.keys():
            LOG.warning("removing a load balancer without record: id=%s", ident)
            self._engine.unbalance(ident)
        for ident, record in known.items():
            if record.get("_deleting"):
                self._remove(ident)
            else:
                self.publish(ident)

    def publish(self, ident: str) -> None:
        """Make it do what the records say now. Without the engine, that is done once it is back."""
        with self._locks.holding(f"lb-{ident}"):
            record = self._store.get("loadbalancer", ident)
            port = self._store.get("port", record["vip_port_id"]) if record else None
            if record is None or port is None or record.get("_deleting"):
                return
            home = self._directory(ident)
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            program = Path(balancer_proxy.__file__).read_text()
            renewed = _write(home / "proxy.py", program)
            _write(home / "config.json", json.dumps(self._told(record)))
            images = self._settings.all_images()
            image = images[0].ref if images else ""
            spec = BalancerSpec(ident, record["project_id"], image, link(port), home, _COMMAND)
            try:
                if renewed:
                    self._engine.unbalance(ident)
                self._engine.balance(spec)
            except EngineAway as error:
                LOG.warning("load balancer %s waits for the engine: %s", ident, error)
            except EngineError as error:
                LOG.warning("load balancer %s does not run: %s", ident, error)
                self._store.change("loadbalancer", ident, provisioning_status="ERROR")
            else:
                self._store.change("loadbalancer", ident, provisioning_status="ACTIVE")

    def seen(self, ident: str) -> dict[str, Any]:
        """What its container says of listeners and members; nothing if it does not run."""
        with contextlib.suppress(OSError, ValueError, EngineError):
            if self._engine.balancers().get(ident) != "running":
                return {}
            return dict(json.loads((self._directory(ident) / "status.json").read_text()))
        return {}

    def _directory(self, ident: str) -> Path:
        return self._settings.state_dir / "balancers" / ident

    def _told(self, record: Record) -> dict[str, Any]:
        """``config.json`` of ``balancer_proxy``."""
        ident = record["id"]
        members, monitors = self.parts(ident, "member"), self.parts(ident, "healthmonitor")
        watched = {m["pool_id"]: {n: m[n] for n in _LOOK} for m in monitors if _is_on(m)}
        pools = {
            pool["id"]: {
                "algorithm": pool["lb_algorithm"],
                "by_source": pool["lb_algorithm"] == "SOURCE_IP" or bool(pool["session_persistence"]),
                "monitor": watched.get(pool["id"]),
                "members": {m["id"]: _member(m) for m in members if m["pool_id"] == pool["id"] and _is_on(m)},
            }
            for pool in self.parts(ident, "pool")
            if _is_on(pool)
        }
        listeners = {
            one["id"]: {
                "port": one["protocol_port"],
                "pool": one["default_pool_id"] if one["default_pool_id"] in pools else None,
                "allowed": one["allowed_cidrs"] or [],
                "limit": one["connection_limit"],
                "patience": one["timeout_member_connect"] / 1000,
            }
            for one in self.parts(ident, "listener")
            if _is_on(one) and _is_on(record)
        }
        return {"listeners": listeners, "pools": pools}


def _is_on(record: Record) -> bool:
    return bool(record["admin_state_up"])


def _member(record: Record) -> dict[str, Any]:
    address, port = record["address"], record["protocol_port"]
    look = [record["monitor_address"] or address, record["monitor_port"] or port]
    return {"address": address, "port": port, "look": look} | {n: record[n] for n in ("weight", "backup")}


def _write(path: Path, text: str) -> bool:
    """Write a file at once, unless it says that already; whether it was written."""
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return False
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)
    return True
