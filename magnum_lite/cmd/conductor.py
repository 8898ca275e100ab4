"""``magnum-lite-conductor``: one conductor of a cloud; run as many as you like."""

import sys
from collections.abc import Callable
from typing import Any

from magnum_lite import concurrency, config


def main(
    argv: list[str] | None = None,
    *,
    at_point: Callable[[str], None] = lambda _: None,
    prepare: Callable[[Any], Any] = lambda ports: ports,
) -> int:
    """Run until SIGTERM; what is under way gets eight seconds, its leases end by themselves. ``at_point`` and
    ``prepare`` (of its ports) are for crash tests, which have a console script of their own.
    """
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
    service = ConductorService(prepare(make_ports(conf)), rpc.transport(conf), at_point=at_point)
    service.start()
    serving.wait_for_signal()
    if not service.stop(grace=8.0):
        serving.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
