"""What a bay runs for its cloud, with a real API server, a real Keystone and a local cloud whose servers are
records: the add-ons as masters apply them, the cloud controller manager and Cinder's CSI plug-in as they were built
from their projects' sources, with a bay's own application credential; and kubectl with Keystone's tokens.
"""

import contextlib
import json
import os
import subprocess

import pytest
import yaml

from magnum_lite import paths
from magnum_lite.cloud.credentials import CloudCredentials
from magnum_lite.drivers import registry
from magnum_lite.drivers.contract import MASTER, CloudSpec
from magnum_lite.drivers.kubernetes_settings import addons
from magnum_lite.local import catalog, door_certificate
from magnum_lite.models.access import credential_name
from tests.support import bay_spec
from tests.support import keystone as keystones
from tests.support.kube_api import KubeApi
from tests.support.processes import free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
NODE = paths.heat_templates() / "kubernetes/node"
DRIVER = registry.get("kubernetes")
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    with keystones.running(tmp_path_factory.mktemp("keystone")) as settings:
        yield settings


@pytest.fixture(scope="module")
def local(keystone, tmp_path_factory):
    """The local cloud, and its user in the project demo."""
    with keystones.cloud(keystone, tmp_path_factory.mktemp("cloud")) as found:
        yield found.user(catalog.user_session(keystone, "demo", "demo").get_project_id())


@pytest.fixture(scope="module")
def credential(keystone):
    """(the spec of a bay that has one, its secrets as a master is given them)."""
    project = catalog.user_session(keystone, "demo", "demo").get_project_id()
    cloud = CloudSpec(auth_url=keystone.keystone_url, region="RegionOne", balancers=False)
    labels = {"cloud_provider_enabled": "true", "keystone_auth_enabled": "true"}
    spec = bay_spec.spec(project_id=project, cloud=cloud, labels=labels)
    credentials = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
    made = credentials.make(project, credential_name(spec.uuid, 1), ["member"], DRIVER.access(spec))
    spec = bay_spec.spec(project_id=project, cloud=cloud, labels=labels, credential_id=made.id)
    yield spec, DRIVER.cloud_secrets(spec, MASTER, made.id, made.secret)
    credentials.remove(made.id)


@pytest.fixture(scope="module")
def webhook(keystone, tmp_path_factory):
    """The port of a master's webhook, the CA of its certificate, and how the API server is told of it."""
    where, port = tmp_path_factory.mktemp("webhook"), free_port()
    made = door_certificate.ensure(where, "127.0.0.1")
    (where / "keystone-auth.pem").write_text(made.cert.read_text())
    (where / "keystone-auth.key").write_text(made.key.read_text())
    (where / "ca-cluster.pem").write_text(made.ca.read_text())
    project = catalog.user_session(keystone, "demo", "demo").get_project_id()
    told = {"KEYSTONE_URL": keystone.keystone_url, "KEYSTONE_PROJECT": project, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        ["/usr/bin/env", "python3", "-I", NODE / "keystone-webhook.py", where, str(port)], env=told
    )
    script = f"KUBE={where} PKI={where} && . {NODE}/keystone.sh && keystone_flags"
    flags = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    conf = where / "keystone-webhook.conf"
    conf.write_text(conf.read_text().replace(":8443", f":{port}"))
    yield flags
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def kube(webhook, tmp_path_factory):
    found = KubeApi(tmp_path_factory.mktemp("kube"))
    try:
        found.up("--allow-privileged", *webhook)
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def applied(kube, credential):
    """All add-ons of a bay that uses its cloud, as a master applies them; by kind and name."""
    spec, secrets = credential
    kubectl = kube.kubectl()
    file = kube.where / "cloud.conf"
    # the local cloud has none of Cinder's microversions
    file.write_text(secrets["cloud-config"] + "[BlockStorage]\nignore-volume-microversion=true\n")
    words = ("create", "secret", "generic", "cloud-config", "--namespace", "kube-system")
    made = kubectl(*words, f"--from-file=cloud.conf={file}", "--dry-run=client", "--output", "json")
    eventually(lambda: kubectl.tried("get", "namespace", "kube-system")[0] == 0, 60, what="kube-system")
    apply = ("apply", "--server-side", "--force-conflicts", "--filename", "-")
    kubectl(*apply, given=made)
    text = addons(spec)["manifests"]
    kubectl(*apply, given=text)
    found = [each for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def arguments(applied, kind, name, container, **instead):
    """Of a program in an add-on, with other files and places."""
    pod = applied[kind, name]["spec"]["template"]["spec"]
    found = next(c for c in pod["containers"] if c["name"] == container)["args"]
    return [
        next((f"{flag}={value}" for flag, value in instead.items() if word.split("=")[0] == flag), word)
        for word in found
    ]


def test_the_api_server_takes_all_of_them(kube, applied):
    kubectl = kube.kubectl()
    assert kubectl.get("daemonset", "openstack-cloud-controller-manager", "-n", "kube-system")
    classes = kubectl.get("storageclass")["items"]
    assert [c["metadata"]["name"] for c in classes] == ["cinder"]
    assert classes[0]["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    secret = kubectl.get("secret", "cloud-config", "-n", "kube-system")
    assert set(secret["data"]) == {"cloud.conf"}
    workers = [
        pod["spec"]["template"]["spec"]
        for (kind, _), pod in applied.items()
        if kind in {"DaemonSet", "Deployment"}
        and pod["spec"]["template"]["spec"].get("nodeSelector", {}).get("magnum.openstack.org/role")
        != "master"
    ]
    assert workers and not [p for p in workers if any("secret" in v for v in p.get("volumes", ()))]


@contextlib.contextmanager
def controller_manager(kube, applied):
    """The cloud controller manager, as the add-on starts it."""
    account = "system:serviceaccount:kube-system:cloud-controller-manager"
    token = kube.kubectl()("create", "token", account.rpartition(":")[2], "-n", "kube-system").strip()
    config = {"--cloud-config": kube.where / "cloud.conf"}
    words = arguments(
        applied,
        "DaemonSet",
        "openstack-cloud-controller-manager",
        "openstack-cloud-controller-manager",
        **config,
    )
    name = "openstack-cloud-controller-manager"
    process = kube.start(name, *words, "--kubeconfig", kube.kubectl(token).kubeconfig, "--secure-port=0")
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def node(kubectl, name, address):
    """As a kubelet with --cloud-provider=external registers it."""
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {"alpha.kubernetes.io/provided-node-ip": address},
            },
            "spec": {"taints": [{"key": TAINT, "value": "true", "effect": "NoSchedule"}]},
        }
    )


def test_the_controller_manager_finds_servers_and_frees_their_nodes(kube, applied, local):
    kubectl = kube.kubectl()
    port = local.port(local.network()[0])
    address = port["fixed_ips"][0]["ip_address"]
    server = local.server(name="bay-master-0", networks=[{"port": port["id"]}])
    node(kubectl, "bay-master-0", address)
    node(kubectl, "of-nobody", "192.0.2.9")
    with controller_manager(kube, applied):

        def freed():
            found = kubectl.get("node", "bay-master-0")
            return found if TAINT not in str(found["spec"]["taints"]) else None

        try:
            found = eventually(freed, 90, what="the node is found", pause=1)
        except AssertionError:
            print(kube.log("openstack-cloud-controller-manager")[-3000:])
            raise
        assert found["spec"]["providerID"].endswith(server["id"])
        assert found["metadata"]["labels"]["node.kubernetes.io/instance-type"]
        assert {"type": "InternalIP", "address": address} in found["status"]["addresses"]
        said = kube.log("openstack-cloud-controller-manager")
        assert "orbidden" not in said, said[-3000:]
        assert TAINT in str(kubectl.get("node", "of-nobody")["spec"]["taints"]), "it has no server"


def test_a_claim_becomes_a_volume_of_cinder(kube, applied, local):
    """Made and removed by the CSI plug-in, with the bay's own credential."""
    kubectl = kube.kubectl()
    socket = kube.where / "csi.sock"
    pod = ("Deployment", "csi-cinder-controllerplugin")
    here = {"--cloud-config": kube.where / "cloud.conf", "--endpoint": f"unix://{socket}"}
    plugin = kube.start(
        "cinder-csi-plugin", *arguments(applied, *pod, "cinder-csi-plugin", **here),
        "--kubeconfig", kubectl.kubeconfig,
    )  # fmt: skip
    eventually(socket.exists, 60, what="the plug-in listens", pause=0.2)
    account = kubectl("create", "token", "csi-cinder-controller", "-n", "kube-system").strip()
    words = arguments(applied, *pod, "csi-provisioner", **{"--csi-address": socket})
    kube.start(
        "csi-provisioner", *[w for w in words if "leader" not in w and "feature" not in w],
        "--kubeconfig", kube.kubectl(account).kubeconfig, "--feature-gates=Topology=false",
    )  # fmt: skip
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    immediate = applied["StorageClass", "cinder"] | {
        "metadata": {"name": "at-once"},
        "volumeBindingMode": "Immediate",
    }
    kubectl.apply(immediate, claim | {"spec": claim["spec"] | {"storageClassName": "at-once"}})

    def bound():
        return kubectl.get("pvc", "data", "-n", "default")["status"].get("phase") == "Bound"

    try:
        eventually(bound, 90, what="the claim is bound", pause=1)
    except AssertionError:
        print(kube.log("csi-provisioner")[-2500:], kube.log("cinder-csi-plugin")[-2500:])
        raise
    (volume,) = kubectl.get("pv")["items"]
    ident = volume["spec"]["csi"]["volumeHandle"]
    shown = local("GET", f"{local.volume}/volumes/{ident}").json["volume"]
    assert (shown["size"], shown["name"]) == (1, volume["metadata"]["name"])
    kubectl("delete", "pvc", "data", "-n", "default", "--wait=false")
    eventually(lambda: local("GET", f"{local.volume}/volumes/{ident}").status == 404, 90, what="it is gone")
    assert plugin.poll() is None


def test_kubectl_with_keystones_tokens(kube, applied, keystone):
    def by(user, project="demo"):
        return kube.kubectl(catalog.user_session(keystone, user, project).get_token())

    member, reader, stranger = by("demo"), by("demo-reader"), by("demo2", "demo2")
    member("create", "namespace", "of-a-member")
    member("create", "secret", "generic", "hidden", "-n", "of-a-member", "--from-literal=it=hunter2")
    told = json.loads(member("auth", "whoami", "--output", "json"))["status"]["userInfo"]
    assert told["username"].startswith("keystone:")
    assert {"keystone:member", "keystone:reader", "system:authenticated"} <= set(told["groups"])
    assert reader.get("pods", "-n", "of-a-member")["items"] == []
    assert reader.get("nodes")["kind"] == "List"
    for words in (
        ("get", "secrets", "-n", "of-a-member"),
        ("create", "namespace", "of-a-reader"),
        ("delete", "namespace", "of-a-member"),
        ("get", "--raw", "/api/v1/namespaces/kube-system/secrets/cloud-config"),
    ):
        code, said = reader.tried(*words)
        assert code != 0 and "forbidden" in said.lower(), (words, said)
    code, said = stranger.tried("get", "namespaces")
    assert code != 0 and any(word in said.lower() for word in ("logged in", "unauthorized")), said
    member("delete", "namespace", "of-a-member", "--wait=false")
