"""What ``/healthcheck`` checks, as a plug-in of oslo.middleware. A load balancer takes a worker out that
fails: so by default only what this worker can't do without, its database. Without broker or conductors it
still accepts what they do later; that they are away is told by metrics.
"""

import functools
import threading
import time
from typing import Any

from oslo_middleware.healthcheck import pluginbase

from magnum_lite.db import services
from magnum_lite.db.session import Database
from magnum_lite.errors import Unavailable

_FRESH = 1.0  # seconds: whoever may ask must not make work
_LOCK = threading.Lock()


@functools.cache
def _database(url: str) -> Database:
    return Database(url, pool_size=1, seconds=5)


class ServiceHealth(pluginbase.HealthcheckBaseExtension):
    """The database answers; with ``[api] health_needs_conductor`` also: a conductor beat lately."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._told: tuple[float, pluginbase.HealthcheckResult] | None = None

    def healthcheck(self, server_port: int) -> pluginbase.HealthcheckResult:  # noqa: ARG002
        """Never names an address."""
        with _LOCK:
            if self._told is None or time.monotonic() - self._told[0] > _FRESH:
                self._told = time.monotonic(), self._look()
            return self._told[1]

    def _look(self) -> pluginbase.HealthcheckResult:
        conf = self.oslo_conf
        try:
            with _database(conf.database.connection).read() as connection:
                found = services.every(connection)
        except Unavailable:
            return pluginbase.HealthcheckResult(available=False, reason="the database does not answer")
        up = sum(row["age"] <= conf.conductor.down_after for row in found)
        if not up and conf.api.health_needs_conductor:
            return pluginbase.HealthcheckResult(available=False, reason="no conductor is up")
        return pluginbase.HealthcheckResult(available=True, reason=f"OK, conductors={up}")
