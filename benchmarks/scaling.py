"""The same page of this service at 1,000, 10,000 and 100,000 clusters, on three databases: CPU of the API
and of the database server, and the index that the database walks.
"""

import dataclasses
import json
import subprocess

from benchmarks.sides import Side
from tests.support.processes import cpu, family

SIZES = (1_000, 10_000, 100_000)
ORDERS = ("id", "name", "status", "created_at")
_COUNT = 40


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one first page and one page from the middle of the list, milliseconds of CPU, both processes."""

    first: float
    middle: float


def measure(side: Side, server_pid: int | None) -> dict[tuple[str, int], Cost]:
    """Costs by order and size; the database grows from size to size."""
    out = {}
    for size in SIZES:
        side.fill(size)
        with side.in_process() as process:
            process.ready()
            for order in ORDERS:
                path = f"/v1/clusters?limit=100&sort_key={order}"
                middle = f"{path}&marker={_middle(side, order)}"
                out[order, size] = Cost(_cost(process, path, server_pid), _cost(process, middle, server_pid))
    return out


def _cost(process, path: str, server_pid: int | None) -> float:
    """The least of three rounds; the server's share is a mean of each round's."""
    best = float("inf")
    for _ in range(3):
        before = cpu(family(server_pid)) if server_pid else 0.0
        found = process.measure(path, _COUNT)
        served = (cpu(family(server_pid)) - before) / (_COUNT + 2) if server_pid else 0.0
        best = min(best, found["cpu"] + served)
    return best * 1000


def _explained(side: Side, *arguments: str) -> dict[str, str]:
    script = side.scratch.parent / "explain"  # only a name in messages
    command = [side.python, _SCRIPT, side.config, *arguments]
    done = subprocess.run(command, env=side.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script.name}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _middle(side: Side, order: str) -> str:
    return _explained(side, "middle", order)["uuid"]


def plans(side: Side) -> dict[str, str]:
    """What the database says about a page behind a marker, by order, for a member and for an admin."""
    return _explained(side, "plans", *ORDERS)


_SCRIPT = __file__.replace("scaling.py", "scripts/explain_ours.py")
