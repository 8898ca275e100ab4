"""A whole service in one process for tests: real database, real RPC over fake://, real API and node
door applications; Heat and the cloud's look-ups are their in-memory twins, nodes are simulated ones
that speak the door's protocol with real keys.
"""

import functools
import hashlib
import itertools
import json
import secrets
import time
import types
from pathlib import Path

import webtest
from oslo_config import cfg
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from magnum_lite import config, rpc
from magnum_lite.api.app import bare_application
from magnum_lite.cloud.memory import MemoryCredentials, MemoryLookups, MemoryServers
from magnum_lite.cloud.room import Room
from magnum_lite.conductor import work
from magnum_lite.conductor.endpoint import Endpoint
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.reconciler import reconcile
from magnum_lite.context import Context, in_request
from magnum_lite.db import leases, migrations, schema
from magnum_lite.db.session import Database
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.nodes.app import make_application as make_door
from magnum_lite.nodes.deps import DoorDeps
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.pki.sealing import Sealer
from magnum_lite.policy import Policy
from magnum_lite.services.deps import Deps
from tests.support.kube_node import SimulatedKubeNode
from tests.support.node import SimulatedNode

PROJECT, OTHER = "a" * 32, "b" * 32


@functools.cache
def tables():
    """The schema as SQL for SQLite, compiled once: hundreds of stands are made."""
    dialect = sqlite.dialect()
    out = []
    for table in schema.metadata.sorted_tables:
        out.append(str(CreateTable(table).compile(dialect=dialect)))
        out += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return out


def headers(project=PROJECT, user="u1", roles="member,reader", name="ana"):
    """What auth_token would have established."""
    return {
        "HTTP_X_USER_ID": user,
        "HTTP_X_PROJECT_ID": project,
        "HTTP_X_ROLES": roles,
        "HTTP_X_USER_NAME": name,
    }


class Direct:
    """The RPC client's methods on the endpoint itself, through the same wire form."""

    def __init__(self, endpoint):
        self._endpoint = endpoint

    def look(self, cluster_uuid):
        self._endpoint.look({}, cluster_uuid=cluster_uuid)

    def _call(self, method, **arguments):
        answer = json.loads(json.dumps(getattr(self._endpoint, method)({}, **arguments)))
        if "error" in answer:
            rpc._raise(answer["error"])
        return answer["result"]

    def sign(self, context: Context, cluster_uuid, csr, ttl):
        return self._call("sign", context=context.to_wire(), cluster_uuid=cluster_uuid, csr=csr, ttl=ttl)

    def plan(self, cluster, groups, action):
        sent = {"cluster": cluster, "groups": groups, "action": action}
        return self._call("plan", **json.loads(json.dumps(sent)))

    def enrol(self, request):
        return self._call("enrol", request=request)

    def keep_join_tokens(self, node_id, tokens):
        return self._call("keep_join_tokens", node_id=node_id, tokens=tokens)

    def join_token(self, node_id):
        return self._call("join_token", node_id=node_id)


class RecordingStacks(MemoryStacks):
    """Keeps what Heat was given, as every reader of the project can see it there."""

    def __init__(self):
        super().__init__(settle=None)
        self.requests = []

    def create(self, project_id, request):
        found = super().create(project_id, request)
        self.requests.append(request)
        return found

    def update(self, project_id, stack_id, request):
        super().update(project_id, stack_id, request)
        self.requests.append(request)


class Stand:
    """``conf`` options may be overridden; the clock is the real one plus ``self.offset``. ``there``: the
    database has its tables and rows already; ``stacks`` and ``sealer`` are those that belong to them.
    """

    def __init__(self, tmp_path: Path, url="sqlite://", *, sealer=None, stacks=None, there=False, **options):
        self.conf = config.load([], cfg.ConfigOpts())
        self.conf.set_override("reach_engines", False, group="conductor")
        for name, value in options.items():
            group, _, option = name.partition("__")
            self.conf.set_override(option, value, group=group)
        self.database = Database(url)
        if there:
            pass
        elif self.database.is_sqlite:
            with self.database.write() as connection:
                for statement in tables():
                    connection.exec_driver_sql(statement)
        else:
            migrations.upgrade(self.database)
        self.stacks = stacks or RecordingStacks()
        self.lookups = MemoryLookups()
        self.servers = MemoryServers(self._servers)
        self.keystone = MemoryCredentials()
        self.offset = 0.0
        self.counter = itertools.count()
        self.sealer = sealer or Sealer([secrets.token_bytes(32)])
        self.ports = self.make_ports("conductor-1")
        self.conductors = Direct(Endpoint(self.ports, lambda: None))
        self.deps = Deps(
            conf=self.conf,
            database=self.database,
            policy=Policy(self.conf),
            lookups=self.lookups,
            conductors=self.conductors,
        )
        self.wsgi = bare_application(self.deps)
        self.api = self.as_caller()
        self.door = webtest.TestApp(
            make_door(DoorDeps(self.conf, self.database, self.conductors, clock=self.clock))
        )
        self.machines = {}
        self.told = []
        self.tokens = {"worker": "SWMTKN-w", "manager": "SWMTKN-m"}

    def clock(self):
        return time.time() + self.offset

    def make_ports(self, owner):
        return Ports(
            conf=self.conf,
            database=self.database,
            stacks=self.stacks,
            sealer=self.sealer,
            door=DoorSpec(url="https://192.0.2.1:9512", ca_pem="-----BEGIN CERTIFICATE-----\n"),
            owner=owner,
            cloud_ca=Path(ca).read_text() if (ca := self.conf.cloud_provider.cafile) else "",
            servers=self.servers,
            credentials=self.keystone,
            room=Room(self.lookups, lambda _: types.SimpleNamespace(auth=None)),
            clock=self.clock,
        )

    def _servers(self, project_id):
        """Ids of the servers that Heat made in a project."""
        return self.stacks.look(
            lambda stacks: [n.server for s in stacks for n in s.nodes if s.project_id == project_id]
        )

    def lose(self, node):
        """A node's machine is removed behind the service's back."""
        self.servers.gone.add(node["server_id"])
        self.fall_silent(node)

    def fall_silent(self, node):
        """A node's machine says nothing any more, and the engine calls it down."""
        found = next(m for m in self.machines.values() if m.node_id == node["uuid"])
        found.alive, found.state = False, "down"

    def as_caller(self, **who):
        return webtest.TestApp(self.wsgi, extra_environ=headers(**who))

    def template(self, **more):
        body = {
            "name": f"model-{next(self.counter)}",
            "coe": "swarm",
            "image_id": "fedora-atomic-23",
            "flavor_id": "m2.medium",
            "keypair_id": "my-key",
            "external_network_id": "CERN_NETWORK",
        }
        return self.api.post_json("/v1/clustertemplates", body | more).json

    def cluster(self, template=None, **more):
        template = template or self.template()
        body = {"name": f"bay-{next(self.counter)}", "cluster_template_id": template["uuid"], "node_count": 2}
        return self.api.post_json("/v1/clusters", body | more).json["uuid"]

    def get(self, uuid):
        return self.api.get(f"/v1/clusters/{uuid}").json

    def pass_once(self, ports=None, at_point=lambda _: None, wait=None, limit=100):
        """One look for due work by one conductor; the uuids of what was due. ``wait(held, seconds)``: when a
        lease that is given back is due again; at once, and late when it is settled, if not said.
        """
        ports, wait = ports or self.ports, wait or (lambda held, _: 3600.0 if held.settled else 0.0)
        with self.database.read() as connection:
            due = leases.due(connection, limit)
        for uuid, token in due:
            held = work.claim(ports, uuid, token)
            if held is None:
                continue
            try:
                with in_request(held.cluster["request_id"]):
                    seconds = reconcile(held, at_point=at_point)
            except work.LeaseLost:
                continue
            if seconds is not None:
                work.release(held, wait(held, seconds))
        return [uuid for uuid, _ in due]

    def boot(self, only=lambda node: True):
        """Let every machine that Heat made go one step on, as its scripts would."""
        with self.database.read() as connection:
            records = {r["uuid"]: dict(r) for r in connection.execute(schema.node.select()).mappings()}
        for name, credential in self.credentials().items():
            if name not in self.machines and credential.split(":")[0] in records:
                record = records[credential.split(":")[0]]
                kind = self._kinds[self._coe(record["cluster_id"])]
                self.machines[name] = kind(self.door, credential, record["role"], self.clock)
        for node in list(self.machines.values()):
            if node.node_id in records and only(records[node.node_id]):
                self.step(node)

    def credentials(self):
        """node id → credential, from what Heat was given (as a reader of the project would see it)."""
        out = {}
        for request in self.stacks.requests:
            for parameter, value in request.parameters.items():
                if parameter == "node_group_credentials":
                    found = [text for group in value.values() for text in group.values()]
                else:
                    found = value.values() if parameter.endswith("_credentials") else ()
                out |= {credential.split(":")[0]: credential for credential in found}
        return out

    _kinds = types.MappingProxyType({"swarm": SimulatedNode, "kubernetes": SimulatedKubeNode})

    def _coe(self, cluster_id):
        with self.database.read() as connection:
            query = schema.metadata.tables["cluster"].select().where(schema.cluster.c.uuid == cluster_id)
            return connection.execute(query).mappings().one()["coe"]

    def step(self, node):
        if not node.alive:
            return
        if isinstance(node, SimulatedKubeNode):
            node.step([n for n in self.machines.values() if isinstance(n, SimulatedKubeNode)])
            return
        if node.identity is None:
            node.enrol()
        elif not node.swarm:
            answer = node.report("swarm", 70)
            if answer.status_int == 200 and ("init_swarm" in answer.json or "join" in answer.json):
                node.swarm = True
        else:
            more = {"healthy": True, "swarm_node_id": node.engine_id, "versions": {"docker": "20.10.24"}}
            if node.role == "master":
                more["join_tokens"] = self.tokens
                more["served"] = node.served()
                more["swarm_nodes"] = [
                    {"id": n.engine_id, "hostname": n.node_id, "state": n.state, "role": "worker"}
                    | {"availability": n.availability, "labels": n.labels}
                    for n in self.machines.values()
                    if n.swarm
                ]
            answer = node.report("ready", 100, "ok", **more)
            if answer.status_int == 200:
                self.instructed(answer.json)
                if answer.json.get("renew"):
                    node.renew()

    def instructed(self, answer):
        """A master does to the swarm what it is told."""
        if answer.get("rotate_join_tokens") == hashlib.sha256(self.tokens["worker"].encode()).hexdigest():
            self.tokens = {role: f"SWMTKN-{secrets.token_hex(8)}" for role in self.tokens}
        self.told.append({k: v for k, v in answer.items() if k in {"set_labels", "drain", "remove"}})
        for other in self.machines.values():
            if other.engine_id in answer.get("set_labels", {}):
                merged = other.labels | answer["set_labels"][other.engine_id]
                other.labels = {k: v for k, v in merged.items() if v is not None}
            if other.engine_id in answer.get("drain", ()):
                other.availability = "drain"
            if other.engine_id in answer.get("remove", ()):
                other.swarm = False

    def converge(self, uuid, *, passes=60, until=lambda c: not c["status"].endswith("IN_PROGRESS")):
        """Passes of conductor and machines until the cluster is as wanted; its last answer."""
        for _ in range(passes):
            self.pass_once()
            found = self.api.get(f"/v1/clusters/{uuid}", expect_errors=True)
            if found.status_int == 404:
                return None
            if until(found.json):
                return found.json
            self.boot()
        raise AssertionError(f"not there after {passes} passes: {found.json}")

    def settle(self, uuid):
        """Converge while the clock runs on, as draining and leaving take their time."""

        def ended(found):
            self.offset += 5.0
            return not found["status"].endswith("IN_PROGRESS")

        return self.converge(uuid, passes=200, until=ended)
