"""``magnum-lite-conductor``: one conductor of a cloud; run as many as you like."""

import sys

from magnum_lite import concurrency, config


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; what is under way gets eight seconds, its leases end by themselves."""
    conf = config.load(sys.argv[1:] if argv is None else argv)
    concurrency.choose(conf.conductor.concurrency)
    # All that makes locks or opens sockets comes after the choice.
    from oslo_log import log

    from magnum_lite import metrics, rpc
    from magnum_lite.cmd import serving
    from magnum_lite.conductor.service import ConductorService
    from magnum_lite.conductor.wiring import make_ports

    log.setup(conf, "magnum_lite")
    metrics.setup(conf)
    service = ConductorService(make_ports(conf), rpc.transport(conf))
    service.start()
    serving.wait_for_signal()
    if not service.stop(grace=8.0):
        serving.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
