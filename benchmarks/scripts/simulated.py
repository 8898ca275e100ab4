"""Bays of many sizes from the request to COMPLETE, in one process: real API, conductor and node door on SQLite;
Heat is its twin in memory, and each machine enrols and reports with keys of its own. Time is CPU, the
machines' share of it apart. Prints JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.support.stand import Stand

REPORTS = 300


class Clocked:
    """CPU seconds that calls take in sum, and how many they were."""

    def __init__(self):
        self.seconds, self.calls = 0.0, 0

    def around(self, call):
        def clocked(*arguments, **more):
            start = time.process_time()
            try:
                return call(*arguments, **more)
            finally:
                self.seconds += time.process_time() - start
                self.calls += 1

        return clocked


def passed(stand):
    """Looks at all clusters that are due, as many as there are."""
    stand.pass_once(limit=100_000, wait=lambda held, seconds: 3600.0 if held.settled else seconds)


def deployed(place, bays, nodes):
    """``bays`` of ``nodes`` workers each, at once. CPU seconds of each part, and what became of them."""
    stand = Stand(place, f"sqlite:///{place}/db.sqlite", cluster__max_clusters_per_project=-1,
                  conductor__busy_interval=0.05)  # fmt: skip
    template, door, conductor, accepting = stand.template(), Clocked(), Clocked(), Clocked()
    stand.door.do_request = door.around(stand.door.do_request)
    make = accepting.around(stand.cluster)
    began = time.perf_counter()
    uuids = [make(template, node_count=nodes) for _ in range(bays)]
    accepted = time.perf_counter() - began
    look, rounds = conductor.around(passed), 0
    while True:
        rounds += 1
        look(stand)
        states = [stand.get(uuid)["status"] for uuid in uuids]
        if all(not state.endswith("IN_PROGRESS") for state in states) or rounds > 200:
            break
        stand.boot()
    return stand, {
        "bays": bays, "nodes": nodes, "accepted": accepted, "accepting": accepting.seconds, "rounds": rounds,
        "conductor": conductor.seconds, "door": door.seconds, "calls": door.calls,
        "complete": sum(state == "CREATE_COMPLETE" for state in states), "wall": time.perf_counter() - began,
    }  # fmt: skip


def reporting(stand):
    """CPU seconds of one report of a ready node, beside all others of its bay; requests were made before."""
    workers = [m for m in stand.machines.values() if m.role == "worker"][:REPORTS]
    more = {"healthy": True, "versions": {"docker": "20.10.24"}}
    body = {"step": "ready", "percent": 100, "state": "ok"} | more
    sent = [(m.signed(body | {"swarm_node_id": m.engine_id})) for m in workers]
    start = time.process_time()
    for raw, headers in sent:
        answer = stand.door.post("/v1/report", raw, headers=headers, content_type="application/json")
        assert answer.status_int == 200
    return (time.process_time() - start) / len(sent)


def main(sheet):
    """Each row of ``bays×nodes``; reports are measured in the bay of the last one."""
    out, stand = [], None
    for row in sheet:
        bays, nodes = (int(n) for n in row.split("x"))
        place = Path(tempfile.mkdtemp(dir=sys.argv[1]))
        stand, found = deployed(place, bays, nodes)
        print(json.dumps(found), file=sys.stderr, flush=True)
        out.append(found)
    print(json.dumps({"sheet": out, "report": reporting(stand), "members": len(stand.machines)}))


if __name__ == "__main__":
    main(sys.argv[2:])
