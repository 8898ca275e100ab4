"""A real bay that uses its cloud: its own application credential, the cloud controller manager as a pod, Keystone's
tokens at its API. A one-machine cloud of this file's own, as this is offered by a setting.

Here the cloud's APIs are at 127.0.0.1, which is each node itself; so their addresses are brought to the nodes.
"""

import base64
from pathlib import Path

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3

from magnum_lite.cloud.credentials import CloudCredentials
from magnum_lite.local import catalog, state
from magnum_lite.local.demo import mirror as serving
from magnum_lite.models.access import cluster_of
from tests.kubernetes.conftest import OLD
from tests.kubernetes.kubectl import Kubectl, write_config
from tests.support import keystone as keystones
from tests.support import relay as relaying
from tests.support import servers
from tests.support.machine import eventually, running

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
CREDENTIAL = "magnum.openstack.org/credential"
# The same as here, on a node: the ports of its own loopback, and where they go.
CARRIER = f"""{Path(relaying.__file__).read_text()}
import sys
for port, far in zip(sys.argv[2::2], sys.argv[3::2]):
    relay(("127.0.0.1", int(port)), (sys.argv[1], int(far)))
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def place(able):
    """A one-machine cloud that tells its bays where Keystone is."""
    with servers.scratch("magnum-lite-test-") as found:
        state_dir = found / "state"
        options = state_dir / "magnum_lite.d"
        options.mkdir(parents=True, mode=0o700)
        told = "[cloud_provider]\nauth_url = http://127.0.0.1:5000/v3\nregion_name = RegionOne\n"
        told += "load_balancers = false\n"
        (options / "cloud.conf").write_text(told)
        with running(state_dir) as cloud:
            yield cloud


@pytest.fixture(scope="module")
def settings(place):
    return state.load(place.state_dir)


@pytest.fixture(scope="module")
def tenant(place):
    found = place.tenant()
    found.cloud.compute.create_keypair(name="my-key")
    return found


@pytest.fixture(scope="module")
def home(place, settings, tenant, built):
    """A bay of one master and one worker, whose nodes reach the cloud."""
    with serving.serving(settings, built, keep=False) as mirror:
        labels = {"kube_tag": OLD, "kube_mirror": f"http://{mirror}"}
        labels |= {"cloud_provider_enabled": "true", "keystone_auth_enabled": "true"}
        sizes = {"flavor_id": "m1.medium", "master_flavor_id": "m2.medium"}
        model = tenant.model("cloudy", coe="kubernetes", keypair_id="my-key", labels=labels, **sizes)
        uuid = tenant.bay("cloudy", model, node_count=1)
        found = tenant.complete(uuid, 900)
        host = settings.transit_address
        ports = {5000: settings.keystone_port, settings.cloud_port: settings.cloud_port}
        words = [
            str(w)
            for port, near in ports.items()
            for w in (port, relaying.relay((host, 0), ("127.0.0.1", near)))
        ]
        for node in tenant.nodes(uuid):
            server = place.outer().containers.get(f"srv-{node['server_id']}")
            server.exec_run(["python3", "-c", CARRIER, host, *words], detach=True)
        yield found


@pytest.fixture(scope="module")
def kubectl(home, tenant, built, tmp_path_factory):
    key, certificate, authority = tenant.sign(home["uuid"])
    file = tmp_path_factory.mktemp("kube") / "config"
    write_config(file, home["api_address"], authority, key, certificate)
    return Kubectl(built / "dl.k8s.io" / "release" / OLD / "bin/linux/amd64/kubectl", file)


def keystone_has(settings, uuid):
    """Ids and names of the bay's credentials."""
    found = CloudCredentials(keystones.sessions(settings).session_for, "public", None).all()
    return {thing.id: thing.name for thing in found if cluster_of(thing.name) == uuid}


def told(kubectl):
    """(id, secret) in the bay's Secret."""
    data = kubectl.get("secret", "cloud-config", "-n", "kube-system")["data"]["cloud.conf"]
    lines = dict(x.split("=", 1) for x in base64.b64decode(data).decode().splitlines() if "=" in x)
    names = ("application-credential-id", "application-credential-secret")
    return tuple(lines[name].strip('"') for name in names)


def test_its_nodes_are_known_to_the_cloud(home, kubectl, tenant):
    servers = {n["hostname"]: n["server_id"] for n in tenant.nodes(home["uuid"])}

    def known():
        nodes = {n["metadata"]["name"]: n["spec"] for n in kubectl.get("nodes")["items"]}
        free = all(TAINT not in str(spec.get("taints")) for spec in nodes.values())
        found = {name: spec.get("providerID", "").rpartition("/")[2] for name, spec in nodes.items()}
        return found == servers and free

    try:
        eventually("all nodes are known and free", known, 400, pause=2)
    except AssertionError:
        print(kubectl.tried("get", "pods", "-A", "-o", "wide")[1])
        words = ("logs", "-n", "kube-system", "-l", "k8s-app=openstack-cloud-controller-manager", "--tail=40")
        print(kubectl.tried(*words)[1])
        raise
    classes = kubectl.get("storageclass")["items"]
    assert [c["metadata"]["name"] for c in classes] == ["cinder"]


def test_tokens_of_keystone(home, kubectl, settings):
    def by(user, project="demo"):
        token = catalog.user_session(settings, user, project).get_token()
        file = kubectl.kubeconfig.with_name(f"{user}.config")
        file.write_bytes(kubectl.kubeconfig.read_bytes())
        file.chmod(0o600)
        found = Kubectl(kubectl.program, file)
        found("config", "set-credentials", "bearer", f"--token={token}")
        found("config", "set-context", "--current", "--user=bearer")
        return found

    member, reader, stranger = by("demo"), by("demo-reader"), by("demo2", "demo2")
    member("create", "namespace", "by-token")
    assert reader.get("pods", "-n", "by-token")["items"] == []
    code, said = reader.tried("get", "secrets", "-n", "kube-system")
    assert code != 0 and "forbidden" in said.lower(), said
    code, said = stranger.tried("get", "pods")
    assert code != 0 and "forbidden" not in said.lower(), said


def test_the_credential_does_what_it_is_for(home, kubectl, settings, tenant, place):
    ident, secret = told(kubectl)
    assert keystone_has(settings, home["uuid"]) == {ident: f"magnum-lite-{home['uuid']}-1"}
    auth = v3.ApplicationCredential(
        settings.keystone_url, application_credential_id=ident, application_credential_secret=secret
    )
    mine = session.Session(auth=auth)

    def asked(method, path, kind="compute"):
        where = {"service_type": kind, "interface": "public"}
        return mine.request(path, method, endpoint_filter=where, raise_exc=False).status_code

    server = tenant.nodes(home["uuid"])[0]["server_id"]
    assert asked("GET", f"/servers/{server}") == 200
    assert asked("DELETE", f"/servers/{server}") == 401
    assert asked("GET", "/users", "identity") == 401
    for log in (place.state_dir / "log").iterdir():
        assert secret not in log.read_text(errors="replace"), log
    for node in tenant.nodes(home["uuid"]):
        _, text = place.inside(
            node["server_id"], "sh", "-c", "cat /var/log/cloud-init-output.log; journalctl -o cat"
        )
        assert secret not in text


def test_an_exchange(home, kubectl, settings, tenant):
    before, _ = told(kubectl)
    tenant.call("PATCH", f"/credentials/{home['uuid']}", expect=202)
    tenant.complete(home["uuid"], 900)
    after, _ = told(kubectl)
    assert after != before
    assert keystone_has(settings, home["uuid"]) == {after: f"magnum-lite-{home['uuid']}-2"}

    def taken_up():
        words = ("pods", "-n", "kube-system", "-l", "k8s-app=openstack-cloud-controller-manager")
        pods = kubectl.get(*words)["items"]
        return pods and all(p["metadata"]["annotations"].get(CREDENTIAL) == after for p in pods)

    eventually("the pods are new ones", taken_up, 300, pause=2)


def test_it_goes_with_the_bay(home, settings, tenant):
    tenant.delete(home["uuid"], 600)
    assert keystone_has(settings, home["uuid"]) == {}
