"""Servers: nodes that are built, changed and removed behind the caller's back, as Nova does.

A request writes the record with its ``task`` and answers; a worker does the task and clears it.
A server that can not be built exists in ERROR with its fault. Tasks that a kill has cut off are
done again at the next start: each one can be repeated.
"""

import base64
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from magnum_lite.local.cloud import power
from magnum_lite.local.cloud.engine import Engine, EngineAway, EngineError, NodeSpec
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict
from magnum_lite.local.cloud.host import HostError
from magnum_lite.local.cloud.locking import KeyedLocks
from magnum_lite.local.cloud.ports import Ports, link
from magnum_lite.local.cloud.settings import CloudSettings
from magnum_lite.local.cloud.stamps import now
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.volumes import Volumes

LOG = logging.getLogger(__name__)

_SEED = "/var/lib/cloud/seed/nocloud/"
#: How long a task waits for a dockerd that is restarting, in seconds.
_PATIENCE = 60


class Servers:
    """The life of servers. ``published`` is called when floating addresses may have lost their port."""

    def __init__(
        self,
        settings: CloudSettings,
        store: Store,
        engine: Engine,
        ports: Ports,
        volumes: Volumes,
        locks: KeyedLocks,
        published: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._ports = ports
        self._volumes = volumes
        self._locks = locks
        self._published = published
        self._workers = ThreadPoolExecutor(8, thread_name_prefix="server")
        self._closing = threading.Event()
        self._cut_off = [record["id"] for record in store.list("server") if record["task"]]

    def build(self, server_id: str) -> None:
        """Start building a server whose record and ports are there."""
        self._submit(self._build, server_id)

    def delete(self, server_id: str) -> None:
        """Start removing a server; once is enough."""
        with self._store.transaction():
            record = self._store.get("server", server_id)
            if record is None or record["task"] == "deleting":
                return
            self._store.put("server", record | {"task": "deleting", "updated": now()})
        self._submit(self._delete, server_id)

    def act(self, server_id: str, action: str) -> None:
        """Start one of ``power.ACTIONS``. Raises Fault 409 when the server's state does not allow it."""
        wanted = power.ACTIONS[action]
        state = self._engine.state(server_id)
        with self._store.transaction():
            record = self._store.get("server", server_id)
            if record is None or record["task"]:
                task = record["task"] if record else "deleting"
                raise conflict(f"Cannot '{action}' instance {server_id} while it is in task_state {task}")
            status = power.status(record, state)
            if status not in wanted.allowed or state is None:
                raise conflict(
                    f"Cannot '{action}' instance {server_id} while it is in vm_state {power.vm_state(status)}"
                )
            self._store.put("server", record | {"task": wanted.task, "fault": None, "updated": now()})
        self._submit(self._act, server_id)

    def attach_port(self, server_id: str, port: Record) -> Record:
        """Plug a server into a port. Raises Fault 409 for one in use, 400 for a second one on a subnet."""
        with self._locks.holding(server_id):
            there = {link(known).subnet_id for known in self._ports.of_server(server_id)}
            if port["fixed_ips"] and link(port).subnet_id in there:
                raise bad_request("Two ports of a server can not be on one subnet of this cloud.")
            bound = self._ports.bind(port["id"], server_id)
            try:
                self._engine.connect(server_id, link(bound))
            except EngineError:
                self._ports.release(bound)
                raise
            return bound

    def detach_port(self, server_id: str, port: Record) -> None:
        """Unplug a server from a port; one that Nova made is gone with that."""
        with self._locks.holding(server_id):
            if self._engine.state(server_id) is not None:
                self._engine.disconnect(server_id, port["fixed_ips"][0]["subnet_id"])
            self._ports.release(port)
        self._published()

    def resume(self) -> None:
        """After a kill: do the tasks again that were cut off, and remove nodes that no record knows."""
        there = self._engine.states()  # before the records: a node made meanwhile has its record already
        for server_id in there.keys() - {record["id"] for record in self._store.list("server")}:
            LOG.warning("removing a node without record: server=%s", server_id)
            self._engine.remove(server_id)
        cut_off, self._cut_off = self._cut_off, []
        for record in filter(None, (self._store.get("server", ident) for ident in cut_off)):
            LOG.info("resuming task=%s server=%s", record["task"], record["id"])
            job = {"spawning": self._build, "deleting": self._delete}.get(record["task"], self._act)
            self._submit(job, record["id"])

    def close(self) -> None:
        """Take no more tasks; those that run are resumed at the next start."""
        self._closing.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _submit(self, job: Callable[[str], None], server_id: str) -> None:
        def run() -> None:
            with self._locks.holding(server_id):
                fault = self._outcome(job, server_id)
                if fault is not None:
                    self._settle(server_id, fault)

        if not self._closing.is_set():
            self._workers.submit(run)

    def _outcome(self, job: Callable[[str], None], server_id: str) -> dict[str, Any] | None:
        """Do a job, patiently while the engine is away: None, or its fault as Nova shows it."""
        for left in range(_PATIENCE, -1, -1):
            try:
                job(server_id)
            except EngineAway as error:
                if left and not self._closing.wait(1):
                    continue
                message = str(error)
            except (EngineError, HostError, Fault) as error:
                message = str(error)
            except Exception:
                LOG.exception("task of server=%s failed", server_id)
                message = "Unexpected error of the local cloud, see its log."
            else:
                return None
            if self._closing.is_set():
                return None  # the next start does it again
            LOG.warning("task of server=%s failed: %s", server_id, message)
            return {"message": message[:500], "code": 500, "created": now()}
        return None

    def _settle(self, server_id: str, fault: dict[str, Any] | None, *tasks: str) -> None:
        """End a task, unless another one (a deletion) has taken its place."""
        with self._store.transaction():
            record = self._store.get("server", server_id)
            if record is None or (tasks and record["task"] not in tasks):
                return
            self._store.put("server", record | {"task": None, "fault": fault, "updated": now()})

    def _build(self, server_id: str) -> None:
        record = self._store.get("server", server_id)
        if record is None or record["task"] != "spawning":
            return
        if made := record.get("_boot_made"):
            self._volumes.make(made)
        self._engine.run(self._spec(record))
        for volume_id, device in record.get("_volumes", {}).items():
            if volume_id not in record["attachments"]:
                self._volumes.attach(server_id, volume_id, device)
        with self._store.transaction():
            # the user data has served its purpose; it may hold a bootstrap token
            self._store.change("server", server_id, launched_at=now(), _user_data="")
            self._settle(server_id, None, "spawning")

    def _spec(self, record: Record) -> NodeSpec:
        image, flavor = self._settings.image(record["image_id"]), self._settings.flavor(record["flavor_id"])
        ports = self._ports.of_server(record["id"])
        if image is None or flavor is None or not ports:
            raise EngineError("No valid host was found: the server's image, flavor or port is gone.")
        subnets = [self._store.get("subnet", port["fixed_ips"][0]["subnet_id"]) for port in ports]
        meta: dict[str, Any] = {"instance-id": record["id"], "local-hostname": record["hostname"]}
        if record["_public_key"]:
            meta["public-keys"] = [record["_public_key"]]
        if record["metadata"]:
            meta["meta"] = record["metadata"]
        return NodeSpec(
            server_id=record["id"],
            project_id=record["project_id"],
            hostname=record["hostname"],
            image=image.ref,
            ram_mib=flavor.ram_mib,
            vcpus=flavor.vcpus,
            links=tuple(link(port) for port in ports),
            # JSON is YAML, and needs no quoting of our own
            files={
                _SEED + "meta-data": (json.dumps(meta) + "\n").encode(),
                _SEED + "user-data": base64.b64decode(record["_user_data"] or ""),
            },
            nameservers=tuple(
                dict.fromkeys(name for one in subnets if one for name in one["dns_nameservers"])
            ),
        )

    def _act(self, server_id: str) -> None:
        record = self._store.get("server", server_id)
        wanted = next((one for one in power.ACTIONS.values() if record and one.task == record["task"]), None)
        if wanted is None:
            return
        self._engine.act(server_id, wanted.engine)
        self._settle(server_id, None, wanted.task)

    def _delete(self, server_id: str) -> None:
        record = self._store.get("server", server_id)
        if record is None:
            return
        self._engine.remove(server_id)
        for volume_id in record["attachments"]:
            self._volumes.detach(server_id, volume_id)
        if own := self._store.get("volume", record.get("_boot_own") or ""):
            self._volumes.delete(own)
        for port in self._ports.of_server(server_id):
            self._ports.release(port)
        self._store.delete("server", server_id)
        self._published()
