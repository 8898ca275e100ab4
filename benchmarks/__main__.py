"""``make bench``: everything, and ``benchmarks/results.md`` from it. ``--only`` runs a part and prints it."""

import argparse
import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import environments, report, scaling, serving, sides
from tests.support import servers
from tests.support.processes import family, machine

CLUSTER = "/v1/clusters/00000001-0000-0000-0000-000000000000"  # the one with certificates
PAGES = ["/v1/clusters?limit=100", "/v1/clusters/detail?limit=100", "/v1/clustertemplates?limit=100"]
REQUESTS = ["/", CLUSTER, *PAGES, "/v1/clusters"]
SIGNING = "POST /v1/certificates (a CSR of RSA 2048)"
CLUSTERS = 10_000
CONDUCTORS = (
    "With RabbitMQ. CPU of the workers; of a certificate, of the workers and the conductor. Both conductors have "
    "their defaults and PyMySQL, but no periodic tasks (upstream's would make a thread per cluster; ours finds nothing due). "
    "CAs have each side's default key: upstream's is RSA 2048, ours ECDSA P-256."
)


@dataclasses.dataclass(frozen=True)
class Way:
    """How both are served."""

    words: str
    server: str
    driver: str


WAYS = (
    Way("uWSGI (2 processes), mysqlclient", "uwsgi", "mysqldb"),
    Way("gunicorn (2 sync workers, its parser in C), PyMySQL", "gunicorn", "pymysql"),
)


def _imports(place: Path) -> Path:
    return place / "imports.json"


def _counts(path: str) -> dict[str, int]:
    slow = 1 if path == "/v1/clusters" else 5 if "clusters" in path and path != CLUSTER else 25
    return {"upstream": slow, "ours": max(slow * 2, 20)}


def run_in_process(place: Path) -> str:
    """CPU and SQL on SQLite, and the floor."""
    both = [make(place, f"sqlite:///{place}/{name}.sqlite", "fake://") for name, make in _MAKERS.items()]
    with contextlib.ExitStack() as stack:
        processes = {}
        for side in both:
            side.fill(CLUSTERS)
            processes[side.name] = stack.enter_context(side.in_process())
        imports = {name: process.ready() for name, process in processes.items()}
        found = {}
        for path in REQUESTS:
            counts = _counts(path)
            found[path] = {name: p.measure(path, counts[name]) for name, p in processes.items()}
        found[SIGNING] = {
            name: p.measure("/v1/certificates", 50, _signing()) for name, p in processes.items()
        }
    _imports(place).write_text(json.dumps(imports))
    ours = next(side for side in both if side.name == "ours")
    script = environments.CHECKOUT / "benchmarks/scripts/bare.py"
    command = [ours.python, script, f"sqlite:///{place}/ours.sqlite"]
    bare = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return report.in_process(found) + report.floor(bare) + "\n"


_MAKERS: dict[str, Callable[[Path, str, str], sides.Side]] = {"upstream": sides.upstream, "ours": sides.ours}


def run_served(place: Path) -> str:
    """Latency, throughput, signing, start, memory, on MariaDB: as the installation guide recommends it, and the
    most used server and driver.
    """
    out, body = "", _signing()
    with servers.mariadb(place, buffer_pool="1G") as mariadb, servers.rabbitmq(place) as rabbit:
        both = []
        for name, make in _MAKERS.items():
            url = servers.create_database(environments.ours(), mariadb.url, name)
            both.append(make(place, url, rabbit.url))
            both[-1].fill(CLUSTERS)
        for way in WAYS:
            driven = [side.driven_by(way.driver) for side in both]
            out += report.served(way.words, CONDUCTORS, _measured(driven, way, body))
            starts = serving.starts(driven, way.server, [*PAGES, "/v1/clusters"], body)
            out += report.starts(way.words, starts)
    return out + (report.imports(json.loads(_imports(place).read_text())) if _imports(place).exists() else "")


def _measured(
    both: list[sides.Side], way: Way, body: dict[str, str]
) -> dict[str, dict[str, serving.Figures]]:
    found = {}
    with contextlib.ExitStack() as stack:
        up = {side.name: stack.enter_context(side.served(2, way.server)) for side in both}
        for path in REQUESTS:
            found[path] = serving.in_turns({n: (s, []) for n, s in up.items()}, path, _counts(path))
        # The driver in C would hold up all green threads of a conductor.
        work = {side.name: stack.enter_context(side.driven_by("pymysql").conductor()) for side in both}
        for served in up.values():
            serving.signed(served, body)
        pairs = {n: (s, family(work[n])) for n, s in up.items()}
        found[SIGNING] = serving.in_turns(pairs, "/v1/certificates", {"upstream": 25, "ours": 50}, body)
    return found


def run_scaling(place: Path) -> str:
    """Pages at three sizes on three databases."""
    own = place / "scaling"
    own.mkdir()
    found = {}
    side = sides.ours(own, f"sqlite:///{own}/scaling.sqlite", "fake://", kek=False)
    found["SQLite"] = (scaling.measure(side, None), scaling.plans(side))
    print(report.scaling(found), flush=True)
    with servers.mariadb(own, buffer_pool="1G") as server:
        url = servers.create_database(environments.ours(), server.url, "ours")
        side = sides.ours(own, url, "fake://", kek=False)
        found["MariaDB"] = (scaling.measure(side, server.pid), scaling.plans(side))
        print(report.scaling(found), flush=True)
    own.chmod(0o711)
    with servers.postgresql(own, shared_buffers="512MB") as server:
        side = sides.ours(own, f"{server.url}/postgres", "fake://", kek=False)
        found["PostgreSQL"] = (scaling.measure(side, server.pid), scaling.plans(side))
    return report.scaling(found)


def _signing() -> dict[str, str]:
    """The body of a POST of a CSR."""
    command = [
        "openssl",
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-subj",
        "/CN=ana",
    ]
    csr = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {"cluster_uuid": CLUSTER.rsplit("/", 1)[1], "csr": csr}


PARTS = {"in-process": run_in_process, "served": run_served, "scaling": run_scaling}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; the results are printed only")
    wanted = parser.parse_args().only
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and files go with us
    text = report.head(machine(), {"upstream": "23.0.0"})
    with servers.scratch("magnum-lite-bench-") as place:
        for name, part in PARTS.items():
            if not wanted or name in wanted:
                found = part(place)
                print(found, flush=True)
                text += found
    if not wanted:
        (environments.CHECKOUT / "benchmarks" / "results.md").write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
