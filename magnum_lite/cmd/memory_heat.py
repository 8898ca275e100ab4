"""``python -m magnum_lite.cmd.memory_heat``: the in-memory Heat as a process, for tests and benchmarks of
crashes and scale. It listens on loopback only.
"""

import argparse
import sys
import time
from pathlib import Path

from magnum_lite.cmd import serving
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.orchestration.memory_http import HeatApplication, declared
from magnum_lite.orchestration.memory_identity import Identity
from magnum_lite.orchestration.memory_journal import Journal

HOST = "127.0.0.1"


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="memory_heat", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, help="SQLite file to keep stacks in; else they end with it")
    parser.add_argument(
        "--settle", type=float, help="seconds that each action takes; else nodes' signals end it"
    )
    parser.add_argument(
        "--interrupted", action="store_true", help="fail what was in progress when it was killed"
    )
    parser.add_argument(
        "--race", type=float, default=0.0, help="seconds in which two stacks may take one name"
    )
    parser.add_argument("--username", default="magnum-lite")
    parser.add_argument("--password", required=True)
    parser.add_argument("--service-project", default="service")
    told = parser.parse_args(argv)
    stacks = MemoryStacks(
        clock=time.time,
        settle=told.settle,
        declared=declared,
        keeper=Journal(told.state) if told.state else None,
        race=told.race,
    )
    if told.interrupted:
        stacks.interrupt()
    identity = Identity(told.username, told.password, told.service_project)
    application = HeatApplication(stacks, identity, f"http://{HOST}:{told.port}")
    server = serving.serve(application, HOST, told.port)
    serving.wait_for_signal()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
