"""``magnum-lite-metrics``: what this host's processes counted, and what the database knows, for Prometheus.

Run it on each host; what comes from the database is the same on all of them.
"""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magnum_lite import config, metrics
from magnum_lite.db import standing
from magnum_lite.db.session import Database
from magnum_lite.errors import Unavailable

GAUGES = {
    "clusters": "Clusters by status.",
    "queue_age_seconds": "How long the cluster that waits longest for a conductor is due.",
    "queue_length": "Clusters that are due and that nobody works on.",
    "leases_expired": "Clusters whose conductor went silent.",
    "conductors_up": "Conductors that beat lately.",
    "authorities_ending": "CAs of clusters that end within [certificates] authority_warn_days.",
    "database_up": "Whether the database answers.",
}


class Standing:
    """A collector (see prometheus_client): asks the database at each scrape."""

    def __init__(self, conf: Any, database: Database) -> None:
        self._conf, self._database = conf, database

    def collect(self) -> Iterator[Any]:
        """The gauges; only ``database_up`` while the database is away."""
        from prometheus_client.core import GaugeMetricFamily

        def gauge(name: str, value: float) -> Any:
            return GaugeMetricFamily(f"{metrics.PREFIX}_{name}", GAUGES[name], value=value)

        try:
            with self._database.read() as connection:
                found = standing.now(
                    connection,
                    down_after=self._conf.conductor.down_after,
                    warn_days=self._conf.certificates.authority_warn_days,
                )
        except Unavailable:
            yield gauge("database_up", 0)
            return
        yield gauge("database_up", 1)
        for name in (
            "queue_age_seconds",
            "queue_length",
            "leases_expired",
            "conductors_up",
            "authorities_ending",
        ):
            yield gauge(name, getattr(found, name))
        clusters = GaugeMetricFamily(f"{metrics.PREFIX}_clusters", GAUGES["clusters"], labels=["status"])
        for status, number in sorted(found.clusters.items()):
            clusters.add_metric([status], number)
        yield clusters


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM."""
    conf = config.load(sys.argv[1:] if argv is None else argv)
    if not conf.metrics.directory:
        raise SystemExit("[metrics] directory is not set: the processes of this host count nothing")
    Path(conf.metrics.directory).mkdir(parents=True, exist_ok=True, mode=0o750)
    import prometheus_client as prometheus  # late: after the directory is known
    from prometheus_client import multiprocess

    from magnum_lite.cmd import serving

    registry = prometheus.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=conf.metrics.directory)  # type: ignore[no-untyped-call]
    registry.register(Standing(conf, Database(conf.database.connection, pool_size=1)))
    server, thread = prometheus.start_http_server(conf.metrics.port, conf.metrics.host, registry)
    assert isinstance(thread, threading.Thread)  # noqa: S101  # nosec B101  older versions gave none
    serving.wait_for_signal()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
