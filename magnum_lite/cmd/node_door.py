"""``magnum-lite-node-door``: the node door of a cloud, on its own TLS listener."""

import sys

from magnum_lite import concurrency, config


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM."""
    conf = config.load(sys.argv[1:] if argv is None else argv)
    concurrency.choose("threading")
    from oslo_log import log

    from magnum_lite import metrics, rpc
    from magnum_lite.cmd import serving
    from magnum_lite.db.session import Database
    from magnum_lite.nodes.app import make_application
    from magnum_lite.nodes.deps import DoorDeps

    log.setup(conf, "magnum_lite")
    metrics.setup(conf)
    conductors = rpc.Conductors(lambda: rpc.transport(conf), timeout=conf.api.rpc_timeout)
    door = make_application(DoorDeps(conf, Database(conf.database.connection), conductors))
    options = conf.node_door
    tls = (options.cert_file, options.key_file)
    server = serving.serve(door, options.host, options.port, tls, grace=7)
    serving.wait_for_signal()
    server.stop()
    serving.leave()


if __name__ == "__main__":
    sys.exit(main())
