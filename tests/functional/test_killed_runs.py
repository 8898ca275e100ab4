"""A run of tests or benchmarks that is killed leaves no server behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.machine import eventually
from tests.support.processes import family

RUN = """
import json, sys, time
from pathlib import Path
from tests.support import memory_heat, processes, servers
where, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "memory_heat":
    made = memory_heat.MemoryHeat(where / "log")
elif kind == "running":
    script = "sleep 600 & wait"
    made = processes.running(["sh", "-c", script], where / "log")
else:
    made = getattr(servers, kind)(where)
with made as server:
    print(json.dumps([server.pid, *processes.family(server.pid)]), flush=True)
    time.sleep(600)
"""


def gone(pid):
    """Ended, whether anybody has asked how or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("kind", ["mariadb", "postgresql", "rabbitmq", "memory_heat", "running"])
def test_servers_end_with_the_run_that_is_killed(kind):
    with servers.scratch() as place:
        run = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RUN, place, kind], stdout=subprocess.PIPE, text=True
        )
        try:
            server, *pids = json.loads(run.stdout.readline())
            assert not gone(server)
            # A database's own helpers come and go.
            pids = [p for p in {server, *pids, *family(run.pid)} - {run.pid} if not gone(p)]
        finally:
            run.kill()
            run.communicate()
        eventually("all are gone", lambda: all(gone(pid) for pid in pids), seconds=20)
