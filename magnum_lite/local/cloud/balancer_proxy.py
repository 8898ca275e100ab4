"""What a load balancer of the local cloud runs in its container: TCP as it comes, to members that answer.

``balancer_proxy.py DIRECTORY``: ``config.json`` there says what to do and is read again whenever it changes;
``status.json`` says how members are. The standard library only: the image has a Python and nothing of ours.
"""

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import sys
import time
import zlib
from pathlib import Path
from typing import Any

CHUNK, POLL, SUSPECT = 1 << 16, 0.25, 15.0
EVERYWHERE = "0.0.0.0"  # noqa: S104  # nosec B104  of its container, whose one address is the VIP
Json = dict[str, Any]


class Member:
    """Where connections go. It counts as well until its looks say otherwise."""

    def __init__(self, told: Json) -> None:
        self.told = told
        self.up, self.streak, self.turn, self.failed = True, 0, 0, float("-inf")
        self.open: set[asyncio.StreamWriter] = set()

    def seen(self, *, well: bool, monitor: Json) -> None:
        """A look at it: so many in a row that say the other thing change its state."""
        self.streak = 0 if well == self.up else self.streak + 1
        if self.streak and self.streak >= monitor["max_retries" if well else "max_retries_down"]:
            self.up, self.streak = well, 0
            for line in () if well else tuple(self.open):
                line.transport.abort()  # its clients come again, and go to another


class Pool:
    """Members, and one task that looks at them."""

    def __init__(self) -> None:
        self.told: Json = {}
        self.members: dict[str, Member] = {}
        self._looking: asyncio.Task[None] | None = None

    def set(self, told: Json) -> None:
        """As the configuration says now; who is known with the same address stays as he is."""
        known = self.members
        self.members = {}
        for ident, wanted in told["members"].items():
            kept = known.get(ident)
            if kept is None or any(kept.told[k] != wanted[k] for k in ("address", "port", "look")):
                kept = Member(wanted)
            kept.told = wanted
            self.members[ident] = kept
        if told["monitor"] != self.told.get("monitor"):
            self.end()
            for member in self.members.values():
                member.up, member.streak = True, 0
            if told["monitor"]:
                self._looking = asyncio.ensure_future(self._look(told["monitor"]))
        self.told = told

    def end(self) -> None:
        """No more looks."""
        if self._looking:
            self._looking.cancel()
        self._looking = None

    async def _look(self, monitor: Json) -> None:
        while True:
            members = list(self.members.values())
            found = await asyncio.gather(*(answers(m.told["look"], monitor["timeout"]) for m in members))
            for member, well in zip(members, found, strict=True):
                member.seen(well=well, monitor=monitor)
            await asyncio.sleep(monitor["delay"])

    def order(self, client: str) -> list[Member]:
        """Whom to try, best first; those that just refused a connection come last."""
        usable = {i: m for i, m in self.members.items() if m.up and m.told["weight"] > 0}
        first = {i: m for i, m in usable.items() if not m.told["backup"]} or usable
        if self.told["by_source"]:
            found = sorted(first.items(), key=lambda pair: zlib.crc32(f"{client} {pair[0]}".encode()))
            out = [member for _, member in found]
        elif self.told["algorithm"] == "LEAST_CONNECTIONS":
            out = sorted(first.values(), key=lambda m: len(m.open) / m.told["weight"])
        else:
            for member in first.values():
                member.turn += member.told["weight"]
            out = sorted(first.values(), key=lambda m: -m.turn)
            if out:
                out[0].turn -= sum(m.told["weight"] for m in out)
        return sorted(out, key=lambda m: time.monotonic() - m.failed < SUSPECT)


class Listener:
    """A port. ``pool`` is looked up at each connection, as it may change."""

    def __init__(self, told: Json, pools: dict[str, Pool]) -> None:
        self.told, self._pools = told, pools
        self.active = self.total = 0
        self.bytes = {"in": 0, "out": 0}
        self.server: asyncio.Server | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first to its last byte."""
        client = str(writer.get_extra_info("peername")[0])
        full = 0 <= self.told["limit"] <= self.active
        pool = self._pools.get(self.told["pool"] or "")
        if full or pool is None or not allowed(client, self.told["allowed"]):
            writer.transport.abort()
            return
        self.active, self.total = self.active + 1, self.total + 1
        watch(writer)
        try:
            for member in pool.order(client):
                try:
                    there = await connect(member.told["address"], member.told["port"], self.told["patience"])
                except OSError:
                    member.failed = time.monotonic()
                    continue
                member.failed = float("-inf")
                member.open.add(there[1])
                try:
                    await self._talk((reader, writer), there)
                finally:
                    member.open.discard(there[1])
                    there[1].close()
                break
        finally:
            self.active -= 1
            writer.close()

    async def _talk(self, here: Any, there: Any) -> None:
        asked = asyncio.ensure_future(self._pump(here[0], there[1], "in"))
        told = asyncio.ensure_future(self._pump(there[0], here[1], "out"))
        await asyncio.wait((asked, told), return_when=asyncio.FIRST_COMPLETED)
        # An answer may go on after the question has ended, but not the reverse: the member has said all.
        if not told.done() and asked.result():
            await told
        asked.cancel()
        told.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> bool:
        try:
            while data := await reader.read(CHUNK):
                self.bytes[way] += len(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            return False
        return True


def allowed(client: str, networks: list[str]) -> bool:
    """Whether a client may come from there."""
    return not networks or any(ipaddress.ip_address(client) in ipaddress.ip_network(n) for n in networks)


async def connect(address: str, port: int, seconds: float) -> Any:
    """Reader and writer. Raises OSError."""
    found = await asyncio.wait_for(asyncio.open_connection(address, port), seconds)
    watch(found[1])
    return found


async def answers(look: list[Any], seconds: float) -> bool:
    """Whether something takes connections there (address, port)."""
    try:
        _, writer = await connect(look[0], look[1], seconds)
    except OSError:
        return False
    writer.transport.abort()
    return True


def watch(writer: asyncio.StreamWriter) -> None:
    """A side that vanished without a word is noticed."""
    line = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("KEEPIDLE", 6), ("KEEPINTVL", 2), ("KEEPCNT", 3), ("USER_TIMEOUT", 12000)):
        line.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"), value)


class Proxy:
    """All listeners of one load balancer."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read: tuple[int, int] | None = None
        self._told = ""
        self.pools: dict[str, Pool] = {}
        self.listeners: dict[str, Listener] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(OSError, ValueError):
                await self._reload()
            self._tell()
            await asyncio.sleep(POLL)

    async def _reload(self) -> None:
        seen = (self._home / "config.json").stat()
        if (seen.st_mtime_ns, seen.st_ino) == self._read:
            return
        told = json.loads((self._home / "config.json").read_text())
        for ident in self.pools.keys() - told["pools"].keys():
            self.pools.pop(ident).end()
        for ident, pool in told["pools"].items():
            self.pools.setdefault(ident, Pool()).set(pool)
        for ident in self.listeners.keys() - told["listeners"].keys():
            server = self.listeners.pop(ident).server
            if server:
                server.close()
        for ident, wanted in told["listeners"].items():
            listener = self.listeners.setdefault(ident, Listener(wanted, self.pools))
            listener.told = wanted
            if listener.server is None:  # a port never changes
                listener.server = await asyncio.start_server(
                    listener.serve, wanted.get("host", EVERYWHERE), wanted["port"], backlog=512
                )
        self._read = (seen.st_mtime_ns, seen.st_ino)

    def _tell(self) -> None:
        members = {i: m.up for pool in self.pools.values() for i, m in pool.members.items()}
        ports = {
            i: {"active": one.active, "total": one.total, **one.bytes, "listens": one.server is not None}
            for i, one in self.listeners.items()
        }
        told = json.dumps({"members": members, "listeners": ports})
        if told != self._told:
            (self._home / "status.new").write_text(told)
            (self._home / "status.new").replace(self._home / "status.json")
            self._told = told


async def main() -> None:
    """Until SIGTERM, which PID 1 does not get unless it asks for it."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    await Proxy(Path(sys.argv[1])).run()


if __name__ == "__main__":
    asyncio.run(main())
