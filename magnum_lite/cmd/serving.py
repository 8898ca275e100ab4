"""Serving a WSGI application over HTTP or TLS with threads, and ending in order."""

import logging
import os
import signal
import threading
from typing import Any, NoReturn

THREADS = 16
BACKLOG = 128
MAX_BODY = 4 * 1024 * 1024


def serve(
    application: Any, host: str, port: int, tls: tuple[str, str] | None = None, *, grace: int = 2
) -> Any:
    """Start a threaded server; it has ``stop()``. ``tls``: files of certificate and key. ``grace``:
    seconds that requests have to end when it is stopped.
    """
    from cheroot import wsgi  # late: the concurrency of the process is chosen before sockets are known
    from cheroot.ssl.builtin import BuiltinSSLAdapter

    server = wsgi.Server((host, port), application, numthreads=THREADS, request_queue_size=BACKLOG)
    server.max_request_body_size = MAX_BODY
    server.shutdown_timeout = grace
    if tls is not None:
        server.ssl_adapter = BuiltinSSLAdapter(*tls)
    server.prepare()
    threading.Thread(target=server.serve, name=f"http-{port}", daemon=True).start()
    return server


def leave() -> NoReturn:
    """End the process now: threads that wait for a cloud service would hold it up for a minute."""
    logging.shutdown()
    os._exit(0)


def wait_for_signal() -> None:
    """Return on SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(1.0):  # a plain wait() would not let eventlet's hub run signal handlers
        pass
