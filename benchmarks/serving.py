"""Behind a server, with MariaDB and RabbitMQ: latency, throughput and CPU of requests, signing over both
processes, start-up, memory. Both sides run beside each other and are measured in turns.
"""

import concurrent.futures
import dataclasses
import statistics
import time

from benchmarks.sides import Served, Side
from tests.support.processes import cpu, family, resident

ROUNDS = 3
_CLIENTS = 4


@dataclasses.dataclass
class Figures:
    """Of one request: seconds of CPU over the measured processes, latencies of one client after the other,
    requests per second of four clients at once.
    """

    cpu: float = float("inf")
    latencies: list[float] = dataclasses.field(default_factory=list)
    rate: float = 0.0

    @property
    def p50(self) -> float:
        """Median latency, seconds."""
        return statistics.median(self.latencies)

    @property
    def p95(self) -> float:
        """95th percentile, seconds."""
        return statistics.quantiles(self.latencies, n=20)[-1]


def sequential(
    served: Served, processes: list[int], path: str, body: object, count: int, into: Figures
) -> None:
    """One client; CPU is the least of the rounds, latencies are collected."""
    before = cpu(processes)
    for _ in range(count):
        start = time.perf_counter()
        served.ask(path, body)
        into.latencies.append(time.perf_counter() - start)
    into.cpu = min(into.cpu, (cpu(processes) - before) / count)


def concurrent_rate(served: Served, path: str, body: object, count: int, into: Figures) -> None:
    """Four clients at once (they share the cores with the server); the best of the rounds."""
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        start = time.perf_counter()
        list(pool.map(lambda _: served.ask(path, body), range(count)))
        into.rate = max(into.rate, count / (time.perf_counter() - start))


def in_turns(
    sides: dict[str, tuple[Served, list[int]]], path: str, counts: dict[str, int], body: object = None
) -> dict[str, Figures]:
    """Every round measures each side once; the first request of each is not counted."""
    out = {name: Figures() for name in sides}
    for served, _ in sides.values():
        for _ in range(4):  # both workers
            served.ask(path, body)
    for _ in range(ROUNDS):
        for name, (served, conductor) in sides.items():
            processes = served.workers() + conductor
            sequential(served, processes, path, body, counts[name], out[name])
            concurrent_rate(served, path, body, counts[name], out[name])
    return out


@dataclasses.dataclass
class Start:
    """CPU and wall seconds to the first answer, server and one worker; MiB of the worker afterwards."""

    cpu: float = float("inf")
    wall: float = float("inf")
    memory: dict[str, float] = dataclasses.field(default_factory=dict)


def starts(sides: list[Side], server: str, lists: list[str], sign: object) -> dict[str, Start]:
    """Each side started in turns; the last start of each goes on to lists and to a certificate, which its
    conductor signs.
    """
    out = {side.name: Start() for side in sides}
    for number in range(ROUNDS):
        for side in sides:
            found = out[side.name]
            before = time.perf_counter()
            with side.served(1, server) as served:
                found.wall = min(found.wall, time.perf_counter() - before)
                found.cpu = min(found.cpu, cpu(family(served.pid)))
                if number == ROUNDS - 1:
                    (worker,) = served.workers()
                    found.memory["fresh"] = resident(worker)
                    for path in lists:
                        for _ in range(3):
                            served.ask(path)
                    found.memory["lists"] = resident(worker)
                    with side.driven_by("pymysql").conductor():
                        signed(served, sign)
                        found.memory["post"] = resident(worker)
    return out


def signed(served: Served, body: object) -> None:
    """One certificate, as soon as the conductor is there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            served.ask("/v1/certificates", body)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
