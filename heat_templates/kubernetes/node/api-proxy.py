#!/usr/bin/python3
"""The way of a worker to the API: a connection to 127.0.0.1:6443 goes to a master that answers, untouched
(TLS ends at the API server). A file has the masters, an address a line, and is read for each connection.
Standard library only, of Python 3.7 or newer.
"""

import asyncio
import random
import socket
import sys
from pathlib import Path
from typing import Optional, Tuple  # noqa: UP035  Python 3.7

Both = Tuple[asyncio.StreamReader, asyncio.StreamWriter]  # noqa: UP006
MASTERS = Path(sys.argv[1] if len(sys.argv) > 1 else "/etc/magnum-lite-masters")
LISTEN = ("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 6443)
PORT, CONNECT, CHUNK = int(sys.argv[3]) if len(sys.argv) > 3 else 6443, 3.0, 1 << 16
well = []  # masters that answered last time come first


async def connect() -> "Optional[Both]":  # noqa: UP045
    """To a master that answers; None if none does."""
    try:
        known = MASTERS.read_text().split()
    except OSError:
        known = []
    random.shuffle(known)
    for address in sorted(known, key=lambda a: a not in well):
        try:
            found = await asyncio.wait_for(asyncio.open_connection(address, PORT), CONNECT)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041  two of them before Python 3.11
            if address in well:
                well.remove(address)
            continue
        if address not in well:
            well.append(address)
        watch(found[1].get_extra_info("socket"))
        return found
    return None


def watch(line: socket.socket) -> None:
    """A master that vanished is noticed within 12 s, sooner than nodes without a word count as lost."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("KEEPIDLE", 6), ("KEEPINTVL", 2), ("KEEPCNT", 3), ("USER_TIMEOUT", 12000)):
        line.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"), value)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One direction, until it ends; whether that was its end and no fault."""
    try:
        while True:
            data = await reader.read(CHUNK)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        return False
    return True


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    found = await connect()
    if found is not None:
        asked = asyncio.ensure_future(pump(reader, found[1]))
        told = asyncio.ensure_future(pump(found[0], writer))
        await asyncio.wait((asked, told), return_when=asyncio.FIRST_COMPLETED)
        # An answer may go on after the question has ended, but not the reverse: the API has said all.
        if not told.done() and asked.result():
            await told
        asked.cancel()
        told.cancel()
        found[1].close()
    writer.close()


async def main() -> None:
    """For ever."""
    server = await asyncio.start_server(serve, *LISTEN)
    await server.serve_forever()


asyncio.run(main())
