"""API, conductor and node door in one process, for one-machine mode: ``python -m
magnum_lite.local.service --config-file PATH``. The message bus is ``fake://``, which does not leave
the process.
"""

import sys

from magnum_lite import concurrency, config


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""
    conf = config.load(argv)
    concurrency.choose(conf.conductor.concurrency)
    # All that makes locks or opens sockets comes after the choice.
    from oslo_log import log

    from magnum_lite import rpc
    from magnum_lite.api.app import make_application, make_deps
    from magnum_lite.cmd import serving
    from magnum_lite.conductor.service import ConductorService
    from magnum_lite.conductor.wiring import make_ports
    from magnum_lite.nodes.app import make_application as make_door
    from magnum_lite.nodes.deps import DoorDeps
    from magnum_lite.rpc import Conductors

    log.setup(conf, "magnum_lite")
    bus = rpc.transport(conf)
    deps = make_deps(conf, lambda: bus)
    conductor = ConductorService(make_ports(conf), bus)
    conductor.start()
    conductors = Conductors(lambda: bus, timeout=conf.api.rpc_timeout)
    door = make_door(DoorDeps(conf=conf, database=deps.database, conductors=conductors))
    servers = [
        serving.serve(make_application(deps), conf.api.host, conf.api.port),
        serving.serve(
            door,
            conf.node_door.host,
            conf.node_door.port,
            (conf.node_door.cert_file, conf.node_door.key_file),
        ),
    ]
    print("ready", flush=True)
    serving.wait_for_signal()
    for server in servers:
        server.stop()
    if not conductor.stop(grace=5.0):
        serving.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
