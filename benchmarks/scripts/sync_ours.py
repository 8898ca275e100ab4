"""What this service's status pass costs: in progress are some of many clusters, whose stacks are in a Heat
that is asked over HTTP. Prints JSON.
"""

import gc
import itertools
import json
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from magnum_lite import config
from magnum_lite.conductor import glance, work
from magnum_lite.conductor.reconciler import reconcile
from magnum_lite.conductor.wiring import make_ports
from magnum_lite.db import leases
from magnum_lite.db.schema import cluster
from magnum_lite.models.stack import TAG, StackRequest, cluster_tag
from magnum_lite.orchestration import heat
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.orchestration.memory_journal import Journal

PASSES, LOOKS = 10, 50


def make_stacks(state, count, busy):
    """(stack id, project) of ``count`` stacks, the last ``busy`` in progress, in the file of a Heat. The uuids
    are those of ``fill_ours``.
    """
    import uuid

    journal, out = Journal(Path(state)), []
    for first, last, settle in ((0, count - busy, 0.0), (count - busy, count, None)):
        stacks = MemoryStacks(clock=time.time, settle=settle, keeper=journal)
        for number in range(first, last):
            ident, project = str(uuid.UUID(int=(1 << 96) + number)), f"{number % 100:032x}"
            tags = (TAG, cluster_tag(ident))
            told = {"managers": 1, "workers": 1}
            request = StackRequest(f"stack-{number}", "{}", told, tags=tags, timeout_mins=600)
            out.append({"wanted": ident, "stack": stacks.create(project, request), "project": project})
    return out


def place(ports, made, busy):
    """Write into the rows which stack is whose; the last ``busy`` clusters are being updated."""
    c = cluster.c
    mine = {"stack_id": sa.bindparam("stack"), "project_id": sa.bindparam("project")}
    moving = {"action": "UPDATE", "generation": 2, "applied_generation": 2, "stack_busy": True}
    with ports.database.write() as connection:
        now = connection.execute(sa.select(leases.now_epoch())).scalar_one()
        query = cluster.update().where(c.uuid == sa.bindparam("wanted"))
        connection.execute(query.values(**mine), made[:-busy])
        moving |= {"accepted_at": now, "next_sync": now + 1e6}
        connection.execute(query.values(**mine, **moving), made[-busy:])


class Counters:
    """SQL statements and requests to Heat (logins are not counted)."""

    def __init__(self):
        self.sql = self.heat = 0
        sa.event.listen(sa.Engine, "before_cursor_execute", self._saw)
        really = heat._HeatHTTP.request

        def request(client, *arguments, **more):
            self.heat += 1
            return really(client, *arguments, **more)

        heat._HeatHTTP.request = request

    def _saw(self, *_):
        self.sql += 1


def resident():
    """MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no memory")


def measured(counters, call, times):
    """The least CPU and wall seconds of a call, its statements and requests, and how memory grew."""
    call()
    gc.collect()
    cpu, wall, memory = [], [], resident()
    for _ in range(times):
        counters.sql = counters.heat = 0
        start, began = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - began)
    return {"cpu": min(cpu), "wall": min(wall), "sql": counters.sql, "heat": counters.heat,
            "grown": resident() - memory, "resident": resident()}  # fmt: skip


def main(path, count, busy):
    """Measure."""
    conf = config.load(["--config-file", path])
    counters, found = Counters(), {}
    for scope, everywhere in (("one list of all projects", True), ("a list for each of 100 projects", False)):
        conf.set_override("global_stack_list", everywhere, group="conductor")
        ports = make_ports(conf)
        assert glance.glance(ports) == 0
        found[f"all in progress, {scope}"] = measured(
            counters, lambda ports=ports: glance.glance(ports), PASSES
        )
    with ports.database.read() as connection:
        recent = cluster.c.stack_busy.is_(True)
        query = sa.select(cluster.c.uuid).where(recent).limit(LOOKS).order_by(cluster.c.id.desc())
        moving = list(connection.execute(query).scalars())
        settled = cluster.c.stack_busy.is_(None)
        idle = list(connection.execute(sa.select(cluster.c.uuid).where(settled).limit(LOOKS)).scalars())
    for name, uuids in (("one in progress by itself", moving), ("one that is settled", idle)):
        for uuid in uuids:  # the first look finds work
            look(ports, uuid)
        each = itertools.cycle(uuids)
        found[name] = measured(counters, lambda each=each: look(ports, next(each)), LOOKS)
    with ports.database.write() as connection:
        connection.execute(cluster.update().where(cluster.c.observed_generation == 1).values(next_sync=0.0))
    with ports.database.read() as connection:
        found["what is due, when all are"] = measured(counters, lambda: leases.due(connection, 64), PASSES)
    print(json.dumps(found | {"count": count, "busy": busy}))


def look(ports, uuid):
    """One look at one cluster."""
    with ports.database.read() as connection:
        token = connection.execute(
            sa.select(cluster.c.fencing_token).where(cluster.c.uuid == uuid)
        ).scalar_one()
    held = work.claim(ports, uuid, token)
    work.release(held, max(reconcile(held), 1e6))


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        _, _, where, state, many, some = sys.argv
        place(
            make_ports(config.load(["--config-file", where])),
            make_stacks(state, int(many), int(some)),
            int(some),
        )
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
