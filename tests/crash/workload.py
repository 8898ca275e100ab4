"""What tenants do while everything dies around them: seeded, over the real API, with an account of what was
accepted. A request that got no answer may have been accepted or not; its name tells afterwards.
"""

import dataclasses
import http.client
import json
import random

PROJECTS = ("a" * 32, "b" * 32, "c" * 32)
TEMPLATE = {
    "name": "model",
    "coe": "swarm",
    "image_id": "fedora-atomic-23",
    "flavor_id": "m2.medium",
    "keypair_id": "my-key",
    "external_network_id": "CERN_NETWORK",
    "public": False,
}


class NoAnswer(Exception):
    """The API died, or what it needs is away."""


@dataclasses.dataclass
class Bay:
    """What we know of a bay that the API has accepted."""

    uuid: str
    project: str
    asked_to_go: bool | None = False


class Tenants:
    """``say`` gets a line about each request. Bays by uuid are in ``bays``."""

    def __init__(self, port, seed, say, *, most=8):
        self._port, self._random, self._say, self._most = port, random.Random(seed), say, most
        self.bays, self.unsure, self.templates = {}, set(), {}
        self._made = 0
        self.counts = {}

    def call(self, project, method, path, body=None):
        """(status, JSON). Raises NoAnswer."""
        headers = {
            "X-User-Id": "u1",
            "X-User-Name": "ana",
            "X-Project-Id": project,
            "X-Roles": "member,reader",
            "OpenStack-API-Version": "container-infra 1.14",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(str(error)) from error
        finally:
            connection.close()
        if answer.status >= 500:
            raise NoAnswer(f"{answer.status} {raw[:300]!r}")
        return answer.status, json.loads(raw) if raw else None

    def prepare(self):
        """A template in each project."""
        for project in PROJECTS:
            _, made = self.call(project, "POST", "/v1/clustertemplates", TEMPLATE)
            self.templates[project] = made["uuid"]

    def act(self):
        """One request of somebody."""
        alive = [bay for bay in self.bays.values() if not bay.asked_to_go]
        kinds = ["create"] * 3 if len(alive) < self._most else ["delete"]
        kinds += ["resize", "resize", "group", "ungroup", "rotate", "delete"] if alive else []
        kind = self._random.choice(kinds)
        bay = self._random.choice(alive) if alive else None
        try:
            status = getattr(self, f"_{kind}")(bay)
        except NoAnswer as error:
            status = 0
            self._say(f"no answer: {kind} {bay.uuid if bay else ''} {str(error)[:160]}")
        self.counts[f"{kind} {status}"] = self.counts.get(f"{kind} {status}", 0) + 1

    def _create(self, _bay):
        self._made += 1
        project, name = self._random.choice(PROJECTS), f"bay-{self._made}"
        body = {"name": name, "cluster_template_id": self.templates[project]}
        body["node_count"] = self._random.randint(1, 3)
        self.unsure.add((project, name))
        status, made = self.call(project, "POST", "/v1/clusters", body)
        assert status == 202, (status, made)
        self.unsure.discard((project, name))
        self.bays[made["uuid"]] = Bay(made["uuid"], project)
        return status

    def _resize(self, bay):
        change = [{"op": "replace", "path": "/node_count", "value": self._random.randint(1, 4)}]
        return self.call(bay.project, "PATCH", f"/v1/clusters/{bay.uuid}", change)[0]

    def _group(self, bay):
        body = {"name": f"g{self._random.randint(1, 3)}", "node_count": self._random.randint(1, 2)}
        return self.call(bay.project, "POST", f"/v1/clusters/{bay.uuid}/nodegroups", body)[0]

    def _ungroup(self, bay):
        _, found = self.call(bay.project, "GET", f"/v1/clusters/{bay.uuid}/nodegroups")
        more = [g for g in (found or {}).get("nodegroups", ()) if not g["name"].startswith("default-")]
        if not more:
            return "none"
        path = f"/v1/clusters/{bay.uuid}/nodegroups/{more[0]['uuid']}"
        return self.call(bay.project, "DELETE", path)[0]

    def _rotate(self, bay):
        """Only what is complete can be rotated: the first such one that is found."""
        alive = [other for other in self.bays.values() if not other.asked_to_go]
        for other in self._random.sample(alive, len(alive)):
            if (self.status(other) or ("", ""))[0].endswith("_COMPLETE"):
                bay = other
                break
        path = self._random.choice((f"/v1/certificates/{bay.uuid}", f"/v1/credentials/{bay.uuid}"))
        return self.call(bay.project, "PATCH", path)[0]

    def _delete(self, bay):
        try:
            status, _ = self.call(bay.project, "DELETE", f"/v1/clusters/{bay.uuid}")
        except NoAnswer:
            bay.asked_to_go = None  # perhaps
            raise
        if status == 204 or bay.asked_to_go is False:
            bay.asked_to_go = status == 204
        return status

    def settle_doubts(self):
        """What came of requests without an answer. Raises NoAnswer."""
        for project, name in list(self.unsure):
            status, found = self.call(project, "GET", f"/v1/clusters/{name}")
            if status == 200:
                self.bays[found["uuid"]] = Bay(found["uuid"], project)
            self.unsure.discard((project, name))

    def status(self, bay):
        """(status, reason), or None when it is gone. Raises NoAnswer."""
        code, found = self.call(bay.project, "GET", f"/v1/clusters/{bay.uuid}")
        return (found["status"], found["status_reason"]) if code == 200 else None
