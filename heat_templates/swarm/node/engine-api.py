#!/usr/bin/python3
"""Serves the Docker API of a manager over TLS: what a client with a certificate of this bay's CA sends goes
to the engine's socket, and back. dockerd reads its own certificates only at its start, and containers stop
with it; here new files hold from the next connection on. Standard library only, of Python 3.7 or newer.
"""

import os
import select
import socket
import ssl
import sys
import threading
from pathlib import Path

WHERE = Path(sys.argv[1] if len(sys.argv) > 1 else "/etc/docker")
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 2376
ENGINE = sys.argv[3] if len(sys.argv) > 3 else "/var/run/docker.sock"
CA, CERTIFICATE, KEY = WHERE / "ca.pem", WHERE / "server.pem", WHERE / "server-key.pem"
MOST, HANDSHAKE, LOOK = 400, 10.0, 10.0
CHUNK, AHEAD = 1 << 16, 1 << 18


class Trust:
    """The TLS settings of the files as they are now."""

    def __init__(self) -> None:
        self._lock, self._stamp, self.context, self.issuers = threading.Lock(), None, None, frozenset()

    def look(self) -> "Trust":
        """Read what has changed; files that do not belong together yet are left for the next look."""
        with self._lock:
            try:
                stamp = [(s.st_ino, s.st_mtime_ns) for s in map(os.stat, (CA, CERTIFICATE, KEY))]
                if stamp == self._stamp:
                    return self
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.options |= ssl.OP_NO_TICKET  # a resumed session would skip the client's certificate
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(CA)
                context.load_cert_chain(CERTIFICATE, KEY)
            except (OSError, ssl.SSLError) as error:
                print(f"certificates stay as they were: {error}", file=sys.stderr, flush=True)
            else:
                self.issuers = frozenset(ca["subject"] for ca in context.get_ca_certs())
                self.context, self._stamp = context, stamp
        return self


TRUST, PLACES = Trust(), threading.BoundedSemaphore(MOST)


def pump(client: ssl.SSLSocket, engine: socket.socket) -> None:
    """Both ways until the engine is done, or the client's CA is trusted no more. A client may end its own
    direction first (`docker run -i` does), so that is passed on.
    """
    issuer = client.getpeercert()["issuer"]
    other, waiting, open_ends = {client: engine, engine: client}, {client: b"", engine: b""}, {client, engine}
    client.setblocking(False)
    engine.setblocking(False)
    while engine in open_ends or waiting[client]:
        more = [end for end in open_ends if len(waiting[other[end]]) < AHEAD]
        buffered = client in more and client.pending() > 0  # decrypted already: no socket becomes readable
        full = [end for end, data in waiting.items() if data]
        readable, _, _ = select.select(more, full, [], 0 if buffered else LOOK)
        if issuer not in TRUST.look().issuers:
            return
        for end in {*readable, client} if buffered else readable:
            try:
                data = end.recv(CHUNK)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                continue
            waiting[other[end]] += data
            if not data:
                open_ends.discard(end)
                if end is client and not waiting[engine]:
                    engine.shutdown(socket.SHUT_WR)
        for end, data in waiting.items():
            if data:
                try:
                    waiting[end] = data[end.send(data) :]
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    continue
                if end is engine and not waiting[engine] and client not in open_ends:
                    engine.shutdown(socket.SHUT_WR)


def serve(raw: socket.socket) -> None:
    """One connection."""
    try:
        raw.settimeout(HANDSHAKE)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with TRUST.look().context.wrap_socket(raw, server_side=True) as client:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(ENGINE)
                pump(client, engine)
            client.settimeout(1.0)
            client.unwrap().close()  # says that this was the end
    except (OSError, ValueError):
        pass  # refused, or gone: the client has been told by TLS
    finally:
        raw.close()
        PLACES.release()


def main() -> None:
    """Accepts for ever."""
    if TRUST.look().context is None:
        sys.exit(1)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", PORT))  # all of the node's addresses
        listener.listen(128)
        while True:
            raw, _ = listener.accept()
            PLACES.acquire()
            threading.Thread(target=serve, args=(raw,), daemon=True).start()


main()
