"""No bay is ever lost: the whole service under a load of tenants, while its processes, its database, its message
bus and Heat are killed and frozen. ``make test-crash KILLS=500`` kills as many; the seed is printed.
"""

import collections
import json
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.crash import checks
from tests.crash.killer import Killer
from tests.crash.workload import NoAnswer, Tenants
from tests.crash.world import world

KILLS = int(os.environ.get("MAGNUM_LITE_KILLS", "100"))
# Without a number the suite has to end in time, whatever the machine: then the kills are fewer.
SECONDS = float(
    os.environ.get("MAGNUM_LITE_CRASH_SECONDS") or (3600 if "MAGNUM_LITE_KILLS" in os.environ else 150)
)
LEAST = 10
SEED = int(os.environ.get("MAGNUM_LITE_SEED", "0")) or random.randrange(10**6)
REPORT = os.environ.get("MAGNUM_LITE_CRASH_REPORT")
QUIET = 240  # seconds for all to settle once nobody dies any more
CASES = ["mariadb", "postgresql"]
pytestmark = [pytest.mark.crash, pytest.mark.timeout(400 + QUIET + SECONDS)]


def busy(tenants, stop):
    while not stop.wait(1.0):  # faster, and no bay would ever be whole enough to be rotated
        tenants.act()


def eventually(act, seconds=60):
    """The API may be away for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except NoAnswer:
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.5)


def wrong_after(made, tenants, found):
    """What is wrong in the end; sweeper and health get a moment to see what a frozen one did."""
    deadline = time.monotonic() + 60
    while (wrong := checks.everything(made, tenants, found)) and time.monotonic() < deadline:
        time.sleep(2)
    return wrong


@pytest.mark.parametrize("database", CASES)
def test_nothing_is_lost(database, capsys):
    began = time.monotonic()
    with world(database, heat_options={"race": 0.05, "interrupted": True}) as made:
        tenants = Tenants(made.api_port, SEED, made.log)
        killer, stop = Killer(made, SEED), threading.Event()
        eventually(tenants.prepare)
        worker = threading.Thread(target=busy, args=(tenants, stop), daemon=True)
        worker.start()
        ends = time.monotonic() + SECONDS
        while killer.total < KILLS // len(CASES) and time.monotonic() < ends:
            assert worker.is_alive(), "the load has ended"
            killer.strike()
        stop.set()
        worker.join(60)
        killer.peace()
        calm = time.monotonic()
        found = checks.settled(made, tenants, QUIET)
        wrong = wrong_after(made, tenants, found)
        bays = collections.Counter(told[0] if told else "gone" for told in found.values())
        report = {
            "seed": SEED, "database": database, "kills": killer.total, "by": killer.kills, "bays": bays,
            "requests": tenants.counts, "seconds": round(calm - began),
            "seconds until quiet": round(time.monotonic() - calm), "wrong": wrong,
            "reasons": [told for told in found.values() if told and told[0].endswith("FAILED")],
        }  # fmt: skip
        with capsys.disabled():
            print(f"\n{json.dumps(report, indent=1)}")
        if REPORT:
            with Path(REPORT).open("a") as out:
                out.write(json.dumps(report) + "\n")
        if wrong and (keep := os.environ.get("MAGNUM_LITE_CRASH_KEEP")):
            shutil.copytree(
                made.place,
                keep,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("mariadb", "pgdata", "rabbitmq"),
            )
        assert wrong == []
        assert killer.total >= min(LEAST, KILLS // len(CASES))
