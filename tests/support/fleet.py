"""Simulated machines by the hundred: whatever the in-memory Heat says that there is boots, enrols and reports
through the real node door, over TLS, with keys of its own; as many threads as the caller allows.
"""

import hashlib
import heapq
import http.client
import itertools
import json
import secrets
import ssl
import threading
import time
import urllib.parse
import urllib.request

from tests.support.stand import SimulatedNode

_WAIT = 25  # the door itself waits 20 s for a conductor
_KEPT = 5  # the door hangs up on who is silent for ten


class Answer:
    """What `SimulatedNode` reads of webtest's answers."""

    def __init__(self, status, raw):
        self.status_int = status
        self.json = json.loads(raw) if raw else {}


class Door:
    """The node door at an https URL; a connection for each thread, made anew when it broke. A door that does not
    answer is an answer with status 0. A connection that rested is not used again.
    """

    def __init__(self, url, ca_file):
        self._where = urllib.parse.urlsplit(url)
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._local = threading.local()

    def post_json(self, path, body, expect_errors=True):
        return self.post(path, json.dumps(body).encode(), {})

    def post(self, path, raw, headers, content_type="application/json", expect_errors=True):
        sent = headers | {"Content-Type": content_type}
        try:
            connection = self._connection()
            connection.request("POST", path, raw, sent)
            answer = connection.getresponse()
            body = answer.read()
            self._local.used = time.monotonic()
            return Answer(answer.status, body)
        except (OSError, http.client.HTTPException, ValueError):
            self._local.connection = None
            return Answer(0, b"")

    def _connection(self):
        kept = getattr(self._local, "connection", None)
        if kept is not None and time.monotonic() - self._local.used > _KEPT:
            kept.close()
            kept = None
        if kept is None:
            self._local.connection = http.client.HTTPSConnection(
                self._where.hostname, self._where.port, context=self._tls, timeout=_WAIT
            )
            self._local.used = time.monotonic()
        return self._local.connection


class Swarm:
    """The machines of one stack and their join tokens."""

    def __init__(self):
        self.nodes = {}
        self.tokens = {role: f"SWMTKN-{secrets.token_hex(8)}" for role in ("worker", "manager")}

    def step(self, node):
        """One report of a node, and what it is told."""
        if node.identity is None:
            node.refused = node.enrol().status_int == 403
        elif not node.swarm:
            answer = node.report("swarm", 70)
            node.swarm = answer.status_int == 200 and bool(answer.json.keys() & {"init_swarm", "join"})
        else:
            answer = node.report("ready", 100, "ok", **self._facts(node))
            if answer.status_int == 200:
                node.gap = max(node.gap, time.monotonic() - node.heard) if node.ready else 0.0
                node.ready, node.heard = True, time.monotonic()
                self._obey(answer.json)
                if answer.json.get("renew"):
                    node.renew()

    def _facts(self, node):
        facts = {"healthy": True, "swarm_node_id": node.engine_id, "versions": {"docker": "20.10.24"}}
        if node.role == "master":
            seen = [
                {"id": n.engine_id, "hostname": n.node_id, "state": "ready" if n.alive else "down"}
                | {"availability": n.availability, "labels": n.labels, "role": n.role}
                for n in list(self.nodes.values())
                if n.swarm
            ]
            facts |= {"join_tokens": self.tokens, "served": node.served(), "swarm_nodes": seen}
        return facts

    def _obey(self, told):
        if told.get("rotate_join_tokens") == hashlib.sha256(self.tokens["worker"].encode()).hexdigest():
            self.tokens = {role: f"SWMTKN-{secrets.token_hex(8)}" for role in self.tokens}
        for node in list(self.nodes.values()):
            merged = node.labels | told.get("set_labels", {}).get(node.engine_id, {})
            node.labels = {k: v for k, v in merged.items() if v is not None}
            if node.engine_id in told.get("drain", ()):
                node.availability = "drain"
            if node.engine_id in told.get("remove", ()):
                node.swarm = False


class Fleet:
    """``servers_url``: the in-memory Heat's list. ``busy`` and ``idle`` are the seconds between the reports of
    machines that boot and of those that are ready. ``seen`` keeps, for ever, which servers there were:
    (stack, group, index) → ids.
    """

    def __init__(self, servers_url, door, *, threads=4, busy=0.5, idle=5.0, pause=0.5):
        self._url, self._door, self._busy, self._idle, self._pause = servers_url, door, busy, idle, pause
        self.swarms, self.machines, self.told, self.seen = {}, {}, {}, {}
        self.failures = []
        self._due, self._number = [], itertools.count()
        self._ready = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._follow, daemon=True)]
        self._threads += [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        with self._ready:
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(_WAIT + 5)

    def end(self, server):
        """A machine is gone, and nobody was told."""
        self.machines[server].alive = False

    def look(self):
        """Learn what there is now. Raises OSError while Heat is away."""
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            told = {item["server"]: item for item in json.load(answer)["servers"]}
        for server in self.machines.keys() - told.keys():
            node = self.machines.pop(server)
            node.alive = False
            self.swarms[self.told.pop(server)["stack"]].nodes.pop(server, None)
        for server in told.keys() - self.machines.keys():
            self._boot(told[server])

    def _boot(self, item):
        place = (item["stack"], item["group"], item["index"])
        self.seen.setdefault(place, set()).add(item["server"])
        if ":" not in item["credential"]:
            self.failures.append(f"server {item['server']} at {place} has no credential")
            return
        node = SimulatedNode(self._door, item["credential"], item["role"])
        node.refused = node.ready = False
        node.gap = node.heard = 0.0  # the longest time between two reports that were answered, and the last
        self.swarms.setdefault(item["stack"], Swarm()).nodes[item["server"]] = node
        self.told[item["server"]] = item
        self.machines[item["server"]] = node
        self._later(0.0, item["server"])

    def _later(self, seconds, server):
        with self._ready:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), server))
            self._ready.notify()

    def _follow(self):
        while not self._stop.wait(self._pause):
            try:
                self.look()
            except (OSError, http.client.HTTPException, ValueError):
                continue  # it is being killed

    def _next(self):
        with self._ready:
            while not self._stop.is_set():
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)[2]
                self._ready.wait(min(self._due[0][0] - now, 1.0) if self._due else 1.0)
        return None

    def _work(self):
        while (server := self._next()) is not None:
            node, item = self.machines.get(server), self.told.get(server)
            if node is None or item is None or not node.alive:
                continue
            try:
                self.swarms[item["stack"]].step(node)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self._later(self._idle if node.ready or node.refused else self._busy, server)
