"""What the end-to-end tests do to the machine, as a tenant, an operator, and an adversary would."""

import configparser
import contextlib
import json
import os
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path

import docker
import keystoneauth1.exceptions
import openstack
import requests
from docker.tls import TLSConfig

from magnum_lite.local import runtime, service_settings
from magnum_lite.pki.requests import client_request
from tests.support import waiting


def eventually(what, check, seconds, pause=0.3):
    """See `waiting.eventually`."""
    return waiting.eventually(check, seconds, what=what, pause=pause)


@contextlib.contextmanager
def running(state_dir):
    """A one-machine cloud of a test's own, purged at the end. Not below pytest's own directory: there are mounts,
    which its clean-up would stumble over.
    """
    found = Machine(state_dir)
    try:
        found.up()
        yield found
    finally:
        found.purge()


class Tenant:
    """Whoever a connection logs in as."""

    def __init__(self, connection):
        self.cloud = connection
        self.coe = self.cloud.container_infrastructure_management

    def call(self, method, path, body=None, expect=None):
        headers = {"OpenStack-API-Version": "container-infra latest"}
        more = {} if body is None else {"json": body}
        answer = self.coe.request(path, method, headers=headers, raise_exc=False, connect_retries=2, **more)
        if expect is not None:
            assert answer.status_code == expect, (answer.status_code, answer.text)
        return answer

    def get(self, path):
        return self.call("GET", path, expect=200).json()

    def model(self, name, **more):
        body = {"name": name, "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m1.medium"}
        body |= {"external_network_id": "public"} | more
        return self.call("POST", "/baymodels", body, 201).json()

    def bay(self, name, model, **more):
        body = {"name": name, "baymodel_id": model["uuid"]} | more
        return self.call("POST", "/bays", body, 202).json()["uuid"]

    def wait(self, uuid, seconds=240):
        """The bay when nothing goes on any more; None when it is gone."""

        def settled():
            try:
                answer = self.call("GET", f"/bays/{uuid}")
            except keystoneauth1.exceptions.ConnectFailure:
                return None  # it was killed, and is on its way back
            if answer.status_code == 404:
                return "gone"
            assert answer.status_code == 200, answer.text
            found = answer.json()
            return None if found["status"].endswith("IN_PROGRESS") else found

        found = eventually(f"bay {uuid} settles", settled, seconds)
        return None if found == "gone" else found

    def complete(self, uuid, seconds=240):
        found = self.wait(uuid, seconds)
        events = self.get(f"/bays/{uuid}/events")["events"][-8:]
        assert found, "the bay is gone"
        assert found["status"].endswith("_COMPLETE"), (
            found["status_reason"],
            found.get("bay_faults"),
            events,
        )
        return found

    def delete(self, uuid, seconds=180):
        self.call("DELETE", f"/bays/{uuid}", expect=204)
        assert self.wait(uuid, seconds) is None

    def nodes(self, uuid):
        return self.get(f"/bays/{uuid}/nodes")["nodes"]

    def sign(self, uuid):
        """(key, certificate, ca) for a client of the bay."""
        key, csr = client_request("Your Name")
        signed = self.call("POST", "/certificates", {"bay_uuid": uuid, "csr": csr}, 201).json()
        return key, signed["pem"], self.get(f"/certificates/{uuid}")["pem"]


@contextlib.contextmanager
def engine(address, key, certificate, ca):
    """A Docker client over TLS. ``address`` as the bay's api_address."""
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        for file, text in (("key.pem", key), ("cert.pem", certificate), ("ca.pem", ca)):
            descriptor = os.open(where / file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(text)
        tls = TLSConfig(
            client_cert=(str(where / "cert.pem"), str(where / "key.pem")),
            ca_cert=str(where / "ca.pem"),
            verify=True,
        )
        # version: no call before trust_env is off, or a REQUESTS_CA_BUNDLE would take the bay's CA's place
        base = address.replace("https://", "tcp://")
        client = docker.DockerClient(base_url=base, tls=tls, timeout=60, version="1.41")
        client.api.trust_env = False
        try:
            yield client
        finally:
            client.close()


REFUSED = (requests.exceptions.RequestException, docker.errors.DockerException, ssl.SSLError)


class Machine:
    """The running one-machine cloud."""

    def __init__(self, state_dir):
        self.state_dir = state_dir

    def up(self):
        os.environ[service_settings.DEBUG] = "1"  # what it says at DEBUG is looked through for secrets
        runtime.up(self.state_dir, progress=print)

    def down(self):
        runtime.down(self.state_dir)

    def purge(self):
        runtime.down(self.state_dir, purge_all=True)

    def tenant(self, cloud="magnum-lite"):
        """One cloud of the machine's clouds.yaml."""
        loader = openstack.config.OpenStackConfig(config_files=[str(self.state_dir / "clouds.yaml")])
        return Tenant(openstack.connection.Connection(config=loader.get_one(cloud=cloud)))

    def guest(self, auth, auth_type="password"):
        """Somebody whom clouds.yaml does not have."""
        known = self.tenant().cloud.config.config
        same = {k: known[k] for k in ("region_name", "interface", "identity_api_version")}
        auth = {"auth_url": known["auth"]["auth_url"]} | auth
        return Tenant(
            openstack.connect(
                load_envvars=False, load_yaml_config=False, auth=auth, auth_type=auth_type, **same
            )
        )

    def service_user(self):
        """How the conductor logs in, as keystoneauth wants it."""
        found = configparser.ConfigParser()
        found.read(self.state_dir / "magnum_lite.conf")
        names = (
            "auth_url",
            "username",
            "password",
            "user_domain_name",
            "project_name",
            "project_domain_name",
        )
        return {name: found["service_user"][name] for name in names}

    @property
    def _cloud(self):
        return json.loads((self.state_dir / "cloud.json").read_text())

    def outer(self):
        """The dockerd whose containers are the nodes."""
        return docker.DockerClient(base_url=f"unix://{self._cloud['docker_socket']}", timeout=60)

    def inside(self, server_id, *command):
        """(exit code, output) of a command on a node."""
        found = self.outer().containers.get(f"srv-{server_id}").exec_run(list(command))
        return found.exit_code, found.output.decode(errors="replace")

    def leftovers(self):
        """Everything of nodes that exists on the machine."""
        outer = self.outer()
        # the plain list: containers.list() would inspect each, and one may go meanwhile
        found = [c for c in outer.api.containers(all=True) if "magnum-lite.server" in (c["Labels"] or {})]
        nodes = [c["Names"][0].lstrip("/") for c in found if c["Names"]]
        networks = [n.name for n in outer.networks.list() if n.name.startswith("sub-")]
        loops = subprocess.run(
            ["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=False
        )
        volumes = [line for line in loops.stdout.splitlines() if str(self.state_dir) in line]
        balancers = [n for c in outer.api.containers(all=True) for n in c["Names"] if n.startswith("/lb-")]
        return {
            "nodes": sorted(nodes),
            "balancers": sorted(balancers),
            "networks": sorted(networks),
            "volumes": sorted(volumes),
        }

    def pid(self, unit):
        return next(p.pid for p in runtime.status(self.state_dir) if p.name == unit)

    def kill(self, unit):
        """kill -9, and wait until the supervisor has another one."""
        before = self.pid(unit)
        os.kill(before, signal.SIGKILL)

        def again():
            now = next(p for p in runtime.status(self.state_dir) if p.name == unit)
            return bool(now.pid) and now.pid != before and now.state == "ready"

        eventually(f"{unit} runs again", again, 60)
