"""Volumes: sparse files; attached, a loop device for which a node gets a device file.

A node's /dev is gone when it restarts, so its device files are made again at each start; loop
devices are gone when the machine restarts, and are made again with them.
"""

import logging
import re
from pathlib import Path
from typing import Any

from magnum_lite.local.cloud import boot_volumes
from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.engine import Engine, EngineError
from magnum_lite.local.cloud.faults import Fault, bad_request, conflict, not_found
from magnum_lite.local.cloud.host import Host, HostError
from magnum_lite.local.cloud.locking import KeyedLocks
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.stamps import bare, now
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

LOG = logging.getLogger(__name__)

ZONE = "nova"
#: Of servers: names only, as there is one machine.
ZONES = (ZONE, "nova-b", "nova-c")
TYPE = "loop"
_DEVICE = re.compile(r"/dev/[a-z]{2,4}")
_MAKE = (
    'rm -f "$1" && mknod "$1" b "$2" "$3" && mkdir -p /dev/disk/by-id && '
    'ln -sfn "$1" "/dev/disk/by-id/virtio-$4"'
)
# a file system that is still in use is unmounted as soon as it is not: a stack that goes away
# takes its volume before its server
_TAKE = (
    'grep "^$1 " /proc/mounts | cut -d" " -f2 | while read -r at; do umount "$at" || umount -l "$at"; done; '
    'rm -f "$1" "/dev/disk/by-id/virtio-$2"'
)


class Volumes:
    """The volumes of all projects, as files in ``directory``."""

    def __init__(
        self, directory: Path, store: Store, engine: Engine, host: Host, quota: Quota, locks: KeyedLocks
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._store = store
        self._engine = engine
        self._host = host
        self._quota = quota
        self._locks = locks
        settled = {"available", "in-use", "error"}
        self._cut_off = [volume["id"] for volume in store.list("volume") if volume["status"] not in settled]

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new, empty volume of ``size`` GiB. Raises Fault 400, 404 (type), 413 (quota)."""
        size = reading.number(body, "size", least=1)
        if size is None:
            raise bad_request("Invalid input for field/attribute size: it is a required property.")
        for source in ("snapshot_id", "source_volid", "backup_id"):
            if body.get(source):
                raise bad_request(
                    f"Invalid input received: volumes of this cloud start empty or from images, {source} can "
                    "not be used."
                )
        image = body.get("imageRef")
        if body.get("volume_type") not in (None, "", TYPE):
            raise not_found("volume_type", str(body["volume_type"]))
        if body.get("availability_zone") not in (None, "", ZONE):
            raise bad_request(f"Availability zone '{body['availability_zone']}' is invalid.")
        named = {name: reading.text(body, name) for name in ("name", "description")}
        record: Record = {
            **boot_volumes.new_record(call.project, call.user, size),
            **named,
            **MARK,
            "metadata": reading.strings(body, "metadata"),
            **(boot_volumes.wanted_image(call.cloud.settings, image) if image else {}),
        }
        return self.make(record)

    def make(self, record: Record) -> Record:
        """Make a volume by its new record; one that is there already is left alone. Raises Fault 413."""
        with self._store.transaction():
            if (there := self._store.get("volume", record["id"])) and there["status"] != "creating":
                return there
            if there is None:
                self._quota.check_volume(record["project_id"], record["size"])
                self._store.put("volume", record)
        return self._fill(record)

    def _fill(self, record: Record) -> Record:
        with self._file(record["id"]).open("ab") as file:
            file.truncate(record["size"] << 30)
        return self._store.put("volume", record | {"status": "available"})

    def update(self, record: Record, body: dict[str, Any]) -> Record:
        """Rename a volume or set its metadata. Raises Fault 400."""
        values: dict[str, Any] = {
            key: reading.text(body, key) for key in ("name", "description") if key in body
        }
        if "metadata" in body:
            values["metadata"] = reading.strings(body, "metadata")
        return self._store.put("volume", record | values | {"updated_at": bare(now())})

    def extend(self, record: Record, body: dict[str, Any]) -> None:
        """Make a volume larger. Raises Fault 400 or 413."""
        size = reading.number(body, "new_size", least=1)
        if size is None or size <= record["size"]:
            raise bad_request(
                f"Invalid input received: New size for extend must be greater than {record['size']}."
            )
        with self._store.transaction():
            self._quota.check_volume(record["project_id"], size - record["size"], count=0)
            self._store.change("volume", record["id"], size=size, updated_at=bare(now()))
        with self._file(record["id"]).open("ab") as file:
            file.truncate(size << 30)
        self._host.grow(self._file(record["id"]))

    def delete(self, record: Record) -> None:
        """Remove a volume and its data. Raises Fault 400 while it is in use."""
        with self._store.transaction():
            record = self._store.get("volume", record["id"]) or record
            if record["status"] not in {"available", "error", "deleting"}:
                raise bad_request(
                    f"Invalid volume: Volume {record['id']} status must be available or error, "
                    f"but it is {record['status']}."
                )
            self._store.put("volume", record | {"status": "deleting"})
        self._file(record["id"]).unlink(missing_ok=True)
        self._store.delete("volume", record["id"])

    def attach(self, server_id: str, volume_id: str, device: str | None = None) -> Record:
        """Attach a volume to a server, running or not: the attachment. Raises Fault 400, 404, 409."""
        with self._locks.holding(server_id):
            with self._store.transaction():
                server, volume = self._pair(server_id, volume_id)
                if volume["status"] != "available":
                    raise bad_request(
                        f"Invalid volume: volume '{volume_id}' status must be 'available', "
                        f"but it is '{volume['status']}'."
                    )
                attachment = {
                    "id": volume_id,
                    "volumeId": volume_id,
                    "serverId": server_id,
                    "device": _device(server, device),
                }
                self._store.put("volume", volume | {"status": "attaching"})
            try:
                self._check_released(volume_id)
                self._make(server_id, attachment)
            except Exception:
                self._host.release(self._file(volume_id))
                self._store.change("volume", volume_id, status="available")
                raise
            with self._store.transaction():
                server, volume = self._pair(server_id, volume_id)
                self._store.put(
                    "server", server | {"attachments": server["attachments"] | {volume_id: attachment}}
                )
                shown = {
                    "id": volume_id,
                    "attachment_id": volume_id,
                    "volume_id": volume_id,
                    "server_id": server_id,
                    "device": attachment["device"],
                    "host_name": None,
                    "attached_at": bare(now()),
                }
                self._store.put("volume", volume | {"status": "in-use", "attachments": [shown]})
            return attachment

    def _check_released(self, volume_id: str) -> None:
        """Raises Fault 409 while the kernel still uses the volume for the server that had it before."""
        if self._host.attached(self._file(volume_id)):
            raise conflict(
                f"Volume {volume_id} is still in use by the server that it was taken from: "
                "unmount it there, or delete that server."
            )

    def _pair(self, server_id: str, volume_id: str) -> tuple[Record, Record]:
        server, volume = self._store.get("server", server_id), self._store.get("volume", volume_id)
        if server is None or server["task"] == "deleting":
            raise not_found("server", server_id)
        if volume is None:
            raise not_found("volume", volume_id)
        return server, volume

    def detach(self, server_id: str, volume_id: str) -> None:
        """Take a volume off a server. Harmless when that is half done already."""
        with self._locks.holding(server_id):
            self._store.change("volume", volume_id, status="detaching")
            server = self._store.get("server", server_id)
            attachment = (server or {"attachments": {}})["attachments"].get(volume_id)
            if attachment and self._engine.state(server_id) == "running":
                self._engine.execute(
                    server_id, ("sh", "-c", _TAKE, "sh", attachment["device"], volume_id[:20])
                )
            self._host.release(self._file(volume_id))
            with self._store.transaction():
                if server := self._store.get("server", server_id):
                    rest = {key: value for key, value in server["attachments"].items() if key != volume_id}
                    self._store.put("server", server | {"attachments": rest})
                self._store.change("volume", volume_id, status="available", attachments=[])

    def remake(self, server_id: str) -> None:
        """Make a started node's device files again."""
        with self._locks.holding(server_id):
            server = self._store.get("server", server_id)
            for attachment in (server or {"attachments": {}})["attachments"].values():
                try:
                    self._make(server_id, attachment)
                except (EngineError, HostError, Fault) as error:
                    LOG.warning(
                        "no device file for volume=%s server=%s: %s", attachment["volumeId"], server_id, error
                    )

    def restore(self) -> None:
        """End what a kill had cut off when this process started."""
        cut_off, self._cut_off = self._cut_off, []
        for volume in filter(None, (self._store.get("volume", ident) for ident in cut_off)):
            holder = next(
                (
                    server["id"]
                    for server in self._store.list("server")
                    if volume["id"] in server["attachments"]
                ),
                None,
            )
            if volume["status"] == "creating":
                self._fill(volume)
            elif volume["status"] == "deleting":
                self.delete(volume)
            elif volume["status"] == "detaching" and holder:
                self.detach(holder, volume["id"])
            elif volume["status"] in {"attaching", "detaching"}:
                self._host.release(self._file(volume["id"]))
                self._store.change("volume", volume["id"], status="available", attachments=[])

    def _make(self, server_id: str, attachment: Record) -> None:
        if self._engine.state(server_id) != "running":
            return  # at its start
        volume_id = attachment["volumeId"]
        major, minor = self._host.attach(self._file(volume_id))
        command = ("sh", "-c", _MAKE, "sh", attachment["device"], str(major), str(minor), volume_id[:20])
        code, output = self._engine.execute(server_id, command)
        if code:
            raise EngineError(f"mknod in the node failed: {output.strip()[:200]}")

    def _file(self, volume_id: str) -> Path:
        return self._directory / f"{volume_id}.img"


def _device(server: Record, wanted: str | None) -> str:
    """A device name that the server does not have yet. Raises Fault 400."""
    used = {attachment["device"] for attachment in server["attachments"].values()}
    if wanted and not _DEVICE.fullmatch(wanted):
        raise bad_request(f"The supplied device path ({wanted}) is invalid.")
    if wanted and wanted not in used:
        return wanted
    # Nova too takes the next one when the wanted one is there already
    for letter in "bcdefghijklmnopqrstuvwxyz":
        if (name := f"/dev/vd{letter}") not in used:
            return name
    raise bad_request("Too many volumes are attached to the server.")
