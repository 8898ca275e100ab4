"""A local cloud on in-memory twins of engine and host, with a real store, and a client that speaks
to its views as a user of a project would. Keystone's place in front is left out: identity headers
are set directly.
"""

import json
import uuid

from webob import Request, Response

from magnum_lite.local.cloud import app, memory, settings, store
from tests.support.waiting import eventually

IMAGE = settings.Image("11111111-1111-4111-8111-111111111111", "node", "node:test", "debian", 1000)
BROKEN = settings.Image("22222222-2222-4222-8222-222222222222", "broken", "no-such-image", "debian", 0)
QUOTAS = settings.Quotas(
    instances=4, cores=5, ram_mib=6144, volumes=3, gigabytes=10, floatingips=2, networks=4
)


class Answer:
    """An HTTP answer."""

    def __init__(self, response):
        self.status = response.status_int
        self.headers = response.headers
        self.text = response.text
        self.json = json.loads(response.body) if response.body else None

    @property
    def message(self):
        """The error's sentence, wherever the API puts it."""
        if "NeutronError" in self.json:
            return self.json["NeutronError"]["message"]
        return self.json.get("message") or next(iter(self.json.values()))["message"]


class User:
    """A user of a project."""

    def __init__(self, wsgi, project, *, user=None, roles="member"):
        self.wsgi = wsgi
        self.project = project
        self.user = user or f"user-of-{project}"
        self.roles = roles
        self.volume = f"/volume/v3/{project}"

    def __call__(self, method, path, body=None, *, raw=None, headers=None, lost=False):
        """An answer; with ``lost`` the process is as if killed before the answer has gone out."""
        request = Request.blank(path, method=method)
        identity = {"X-Project-Id": self.project, "X-User-Id": self.user, "X-Roles": self.roles}
        request.headers.update({**identity, **(headers or {})})
        if body is not None or raw is not None:
            request.content_type = "application/json"
            request.body = raw if raw is not None else json.dumps(body).encode()
        status, fields, content = request.call_application(self.wsgi)
        body = b"".join(content)
        if not lost and hasattr(content, "close"):
            content.close()
        return Answer(Response(status=status, headerlist=fields, body=body))

    def make(self, path, kind, **values):
        """Create an object and give it."""
        answer = self("POST", path, {kind: values})
        assert answer.status < 300, answer.text
        return answer.json[kind]

    def network(self, name="net", **subnet):
        """A network with a subnet of the pool."""
        network = self.make("/network/v2.0/networks", "network", name=name)
        values = subnet or {"use_default_subnetpool": True}
        made = self.make("/network/v2.0/subnets", "subnet", network_id=network["id"], ip_version=4, **values)
        return network, made

    def port(self, network, **values):
        """A port on a network."""
        return self.make("/network/v2.0/ports", "port", network_id=network["id"], **values)

    def router(self, *subnets):
        """A router to the outside with these subnets."""
        router = self.make(
            "/network/v2.0/routers", "router", external_gateway_info={"network_id": self.public}
        )
        for subnet in subnets:
            path = f"/network/v2.0/routers/{router['id']}/add_router_interface"
            assert self("PUT", path, {"subnet_id": subnet["id"]}).status == 200
        return router

    @property
    def public(self):
        """The external network's id."""
        return self("GET", "/network/v2.0/networks?router:external=True").json["networks"][0]["id"]

    def server(self, network=None, *, name="srv", wait="ACTIVE", **values):
        """A server, once it has the wanted status."""
        body = {"name": name, "imageRef": IMAGE.id, "flavorRef": "1", **values}
        if network:
            body["networks"] = [{"uuid": network["id"]}]
        made = self.make("/compute/v2.1/servers", "server", **body)
        return self.wait(made["id"], wait) if wait else made

    def wait(self, server_id, status):
        """The server, once it has a status and no task."""

        def there():
            server = self("GET", f"/compute/v2.1/servers/{server_id}").json["server"]
            done = server["status"] == status and not server["OS-EXT-STS:task_state"]
            return server if done or status == "BUILD" else None

        return eventually(there)

    def gone(self, path):
        """Wait until an object is away."""
        eventually(lambda: self("GET", path).status == 404)


class LocalCloud:
    """A cloud that can be killed and started again over the same records."""

    def __init__(self, directory, quotas=QUOTAS):
        self.settings = settings.CloudSettings(
            host="127.0.0.1",
            port=0,
            keystone_url="http://keystone.invalid/v3",
            username="local-cloud",
            password=uuid.uuid4().hex,
            docker_socket="/nowhere",
            state_dir=directory,
            network_prefix="10.79",
            images=(IMAGE, BROKEN),
            quotas=quotas,
        )
        self.engine = memory.MemoryEngine(frozenset({IMAGE.ref}))
        self.host = memory.MemoryHost()
        self.start()

    def start(self):
        """Start over what is on disk."""
        self.store = store.Store(self.settings.state_dir / "cloud.sqlite")
        self.cloud = app.build(self.settings, self.store, self.engine, self.host)
        self.wsgi = app.views(self.cloud)

    def kill(self):
        """End as kill -9 does: tasks are cut off, nothing is written any more."""
        self.cloud.servers.close()
        self.store.close()

    def serve(self, environ, start_response):
        """The views of whichever process lives now."""
        return self.wsgi(environ, start_response)

    def user(self, project="p1", **more):
        """A user of a project."""
        return User(self.serve, project, **more)
