"""What the processes of this host count, for Prometheus. Each process writes into files of its own below one
directory; ``magnum-lite-metrics`` adds them up and serves them on a listener of its own, so that nothing of
them is reachable where tenants are, and workers need no port each. Without a directory nothing is counted.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PREFIX = "magnum_lite"
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

COUNTERS = {
    "requests": ("Requests to the API.", ("method", "route", "code")),
    "door_requests": ("Calls of nodes.", ("call", "code")),
    "leases_lost": ("Clusters that another conductor took over while one worked on them.", ()),
    "reconcile_failures": ("Passes over a cluster that ended with an unexpected error.", ()),
    "heat_calls": ("Calls of Heat.", ("call", "outcome")),
    "database_interruptions": ("Transactions that the database ended.", ("lost",)),
    "certificates_issued": ("Certificates that were issued.", ("profile",)),
    "notifications_lost": ("Notifications that the bus did not take.", ()),
}
HISTOGRAMS = {
    "request_seconds": ("Time of an answer of the API.", ("method", "route"), _QUICK),
    "phase_seconds": ("Time of a phase of a reconcile pass.", ("phase", "outcome"), _SLOW),
    "heat_seconds": ("Time of a call of Heat.", ("call",), _SLOW),
}
_made: dict[str, Any] = {}


def setup(conf: Any) -> None:
    """Begin to count in this process, if the operator named a directory. Before anything is counted."""
    if not conf.metrics.directory or _made:
        return
    Path(conf.metrics.directory).mkdir(parents=True, exist_ok=True, mode=0o750)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = conf.metrics.directory  # the library reads it when imported
    import prometheus_client as prometheus

    for name, (text, labels) in COUNTERS.items():
        _made[name] = prometheus.Counter(f"{PREFIX}_{name}", text, labels)
    for name, (text, labels, buckets) in HISTOGRAMS.items():
        _made[name] = prometheus.Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets)


def enabled() -> bool:
    """Whether this process counts."""
    return bool(_made)


def count(name: str, **labels: object) -> None:
    """One more of ``COUNTERS``."""
    found = _made.get(name)
    if found is not None:
        (found.labels(**labels) if labels else found).inc()


def observe(name: str, seconds: float, **labels: object) -> None:
    """A time of ``HISTOGRAMS``."""
    found = _made.get(name)
    if found is not None:
        found.labels(**labels).observe(seconds)


@contextlib.contextmanager
def heat_call(name: str) -> Iterator[None]:
    """Count and time a call of Heat, and say whether it was answered."""
    began, outcome = time.monotonic(), "ok"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        count("heat_calls", call=name, outcome=outcome)
        observe("heat_seconds", time.monotonic() - began, call=name)
