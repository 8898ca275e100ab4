"""The same on the real Heat, with real nodes: the one-machine cloud's service, Heat and Nova's place are killed
again and again while bays come, change and go. ``make test-crash HEAT=real KILLS=20`` kills as many.
"""

import collections
import json
import os
import random
import threading
import time

import keystoneauth1.exceptions
import openstack.exceptions
import pytest

from tests.support.machine import eventually

KILLS = int(os.environ.get("MAGNUM_LITE_KILLS_HEAT", "4"))
SEED = int(os.environ.get("MAGNUM_LITE_SEED", "0")) or random.randrange(10**6)
UNITS = ("magnum-lite", "magnum-lite", "heat", "local-cloud")
BAYS = 2
AWAY = (keystoneauth1.exceptions.ClientException, openstack.exceptions.SDKException)
pytestmark = [pytest.mark.local, pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(900 + KILLS * 60)]


class Load:
    """Bays that are made, scaled and removed; one request at a time, each until somebody answers."""

    def __init__(self, tenant, model, seed):
        self._tenant, self._model, self._random = tenant, model, random.Random(seed)
        self.alive, self.gone, self._number, self.stop = {}, set(), 0, threading.Event()
        self.servers = {}
        self.moved = []

    def ask(self, method, path, body=None):
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = self._tenant.call(method, path, body)
                if answer.status_code < 500:
                    return answer
            except AWAY:
                pass
            assert time.monotonic() < deadline, f"{method} {path} is never answered"
            time.sleep(0.5)

    def run(self):
        while not self.stop.wait(self._random.uniform(2, 6)):
            self.act()

    def act(self):
        if len(self.alive) < BAYS:
            self._number += 1
            name = f"kill-{self._number}"
            body = {"name": name, "baymodel_id": self._model["uuid"], "node_count": 1}
            answer = self.ask("POST", "/bays", body)
            # A request that was taken and not answered was made twice: both count.
            for bay in self.ask("GET", "/bays").json()["bays"]:
                if bay["name"] == name:
                    self.alive[bay["uuid"]] = 1
            assert answer.status_code == 202, answer.text
        elif self._random.random() < 0.25:
            uuid = self._random.choice(list(self.alive))
            self.ask("DELETE", f"/bays/{uuid}")
            del self.alive[uuid]
            self.gone.add(uuid)
        else:
            uuid = self._random.choice(list(self.alive))
            count = self._random.randint(1, 2)
            self.ask("PATCH", f"/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": count}])
            self.alive[uuid] = count
        self.remember()

    def remember(self):
        """Each node keeps its server: a record that names another one was rebuilt."""
        for uuid in self.alive:
            for node in self.ask("GET", f"/bays/{uuid}/nodes").json()["nodes"]:
                had = self.servers.setdefault(node["uuid"], node["server_id"])
                if had is None:
                    self.servers[node["uuid"]] = node["server_id"]
                elif node["server_id"] != had:
                    self.moved.append((node["hostname"], had, node["server_id"]))


def mended(tenant, load, uuid):
    """The bay, complete; a Heat that dies in the wrong moment fails it with a cause, and a retry helps."""
    found = tenant.wait(uuid, 400)
    reasons = []
    for _ in range(3):
        if found["status"].endswith("COMPLETE"):
            break
        assert found["status_reason"], found
        reasons.append(found["status_reason"][:300])
        change = [{"op": "replace", "path": "/node_count", "value": load.alive[uuid]}]
        load.ask("PATCH", f"/bays/{uuid}", change)
        found = tenant.wait(uuid, 400)
    return found, reasons


def test_nothing_is_lost_on_a_real_heat(machine, tenant, capsys):
    began, before = time.monotonic(), machine.leftovers()
    load = Load(tenant, tenant.model("killed-often"), SEED)
    luck, kills = random.Random(SEED), collections.Counter()
    worker = threading.Thread(target=load.run, daemon=True)
    worker.start()
    while kills.total() < KILLS:
        time.sleep(luck.uniform(1, 10))
        assert worker.is_alive(), "the load has ended"
        unit = luck.choice(UNITS)
        machine.kill(unit)
        kills[unit] += 1
    load.stop.set()
    worker.join(180)
    reasons, ends = [], collections.Counter()
    for uuid in load.alive:
        found, why = mended(tenant, load, uuid)
        reasons += why
        ends[found["status"]] += 1
    for uuid in load.gone:
        assert tenant.wait(uuid, 300) is None, uuid
    load.remember()
    stacks = collections.Counter(s.name for s in tenant.cloud.orchestration.stacks() if "kill-" in s.name)
    nodes = sum(len(tenant.nodes(uuid)) for uuid in load.alive)
    there = len(machine.leftovers()["nodes"]) - len(before["nodes"])
    report = {
        "seed": SEED, "kills": kills, "bays": ends, "gone": len(load.gone), "stacks": len(stacks), "nodes": nodes,
        "containers": there, "failed on the way": reasons, "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    with capsys.disabled():
        print(f"\n{json.dumps(report, indent=1)}")
    assert all(status.endswith("COMPLETE") for status in ends), ends
    assert stacks.total() == len(load.alive), stacks
    assert nodes == there == sum(count + 1 for count in load.alive.values())
    assert load.moved == []
    for uuid in load.alive:
        load.ask("DELETE", f"/bays/{uuid}")
    for uuid in load.alive:
        assert tenant.wait(uuid, 300) is None
    eventually("nothing is left", lambda: machine.leftovers() == before, 60)
