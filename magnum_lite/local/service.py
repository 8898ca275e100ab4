"""API, conductor and node door in one process, for one-machine mode: ``python -m
magnum_lite.local.service --config-file PATH``. The message bus is ``fake://``, which does not leave
the process.
"""

import signal
import sys
import threading
from typing import Any

from magnum_lite import concurrency, config


def _serve(application: Any, host: str, port: int, tls: tuple[str, str] | None = None) -> Any:
    """A threaded HTTP server, started."""
    from cheroot import wsgi
    from cheroot.ssl.builtin import BuiltinSSLAdapter

    server = wsgi.Server((host, port), application, numthreads=16, request_queue_size=128)
    server.max_request_body_size = 4 * 1024 * 1024
    server.shutdown_timeout = 2
    if tls is not None:
        server.ssl_adapter = BuiltinSSLAdapter(*tls)
    server.prepare()
    threading.Thread(target=server.serve, name=f"http-{port}", daemon=True).start()
    return server


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""
    conf = config.load(argv)
    concurrency.choose(conf.conductor.concurrency)
    # All that makes locks or opens sockets comes after the choice.
    from oslo_log import log

    from magnum_lite import rpc
    from magnum_lite.api.app import make_application, make_deps
    from magnum_lite.conductor.service import ConductorService
    from magnum_lite.conductor.wiring import make_ports
    from magnum_lite.nodes.app import make_application as make_door
    from magnum_lite.nodes.deps import DoorDeps
    from magnum_lite.rpc import Conductors

    log.setup(conf, "magnum_lite")
    bus = rpc.transport(conf)
    deps = make_deps(conf, bus)
    conductor = ConductorService(make_ports(conf), bus)
    conductor.start()
    door = make_door(
        DoorDeps(conf=conf, database=deps.database, conductors=Conductors(bus, timeout=conf.api.rpc_timeout))
    )
    servers = [
        _serve(make_application(deps), conf.api.host, conf.api.port),
        _serve(
            door,
            conf.node_door.host,
            conf.node_door.port,
            (conf.node_door.cert_file, conf.node_door.key_file),
        ),
    ]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print("ready", flush=True)
    stop.wait()
    for server in servers:
        server.stop()
    conductor.stop(grace=5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
