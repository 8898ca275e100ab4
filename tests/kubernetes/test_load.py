"""What the real API server and scheduler say of load, and what is decided from it: Kubernetes without machines, whose
nodes are only records.
"""

import contextlib
import json
import os
import subprocess

import pytest

from magnum_lite.conductor import sizing
from magnum_lite.conductor.sizing import Group
from magnum_lite.native.kubernetes import KubernetesEngine
from magnum_lite.pki import profiles
from tests.kubernetes.building import compiler, recipes
from tests.kubernetes.kubectl import Kubectl, write_config
from tests.support.processes import free_port
from tests.support.waiting import eventually
from tests.unit.native.conftest import Bay

GIB = 2**30


def program(name):
    """One that was built for the mirror."""
    for unit in (recipes.kubernetes(recipes.VERSIONS[0]), *recipes.OTHERS):
        if name in dict(unit.programs):
            return compiler.compiled(unit) / name
    raise LookupError(name)


@contextlib.contextmanager
def running(where, name, *arguments):
    """A program beside the others; its log is ``<name>.log``."""
    with (where / f"{name}.log").open("ab") as out:
        process = subprocess.Popen(
            [program(name), *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=where,
            env={"PATH": os.environ["PATH"], "HOME": str(where)},
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """``engine, kubectl`` of a cluster without nodes, with the scheduler and the controllers of Deployments."""
    where, bay, port = tmp_path_factory.mktemp("alone"), Bay(), free_port()
    certificate, key = bay.issue(profiles.DOCKER_SERVER, "api", ["127.0.0.1"])
    mine = bay.issue(profiles.PROFILES["kubernetes-admin"], "conductor")
    for name, text in (("ca", bay.ca_pem), ("cert", certificate), ("key", key)):
        (where / f"{name}.pem").write_text(text)
    admin = write_config(where / "admin", f"https://127.0.0.1:{port}", bay.ca_pem, mine[1], mine[0])
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    subprocess.run(["openssl", "genrsa", "-out", where / "sa.key", "2048"], check=True, capture_output=True)
    kubectl = Kubectl(program("kubectl"), admin)
    with contextlib.ExitStack() as stack:

        def start(*words):
            stack.enter_context(running(where, *words))

        start(
            "etcd", "--data-dir", where / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        start(
            "kube-apiserver", "--etcd-servers", client, "--secure-port", port, "--bind-address", "127.0.0.1",
            "--cert-dir", where / "api", "--tls-cert-file", where / "cert.pem", "--tls-private-key-file",
            where / "key.pem", "--client-ca-file", where / "ca.pem", "--authorization-mode", "Node,RBAC",
            "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", where / "sa.key",
            "--service-account-signing-key-file", where / "sa.key", "--service-cluster-ip-range", "10.254.0.0/16",
            "--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition",
        )  # fmt: skip
        eventually(lambda: kubectl.tried("get", "--raw", "/readyz")[0] == 0, 180, what="the API")
        start(
            "kube-controller-manager", "--kubeconfig", admin, "--leader-elect=false", "--secure-port", 0,
            "--controllers", "deployment-controller,replicaset-controller,disruption-controller",
        )  # fmt: skip
        start("kube-scheduler", "--kubeconfig", admin, "--leader-elect=false", "--secure-port", 0)
        engine = stack.enter_context(KubernetesEngine([f"127.0.0.1:{port}"], bay.ca_pem, *mine))
        eventually(lambda: kubectl.tried("get", "namespace", "default")[0] == 0, 60, what="the namespace")
        yield engine, kubectl


def join(kubectl, name):
    """As a kubelet registers its node: one core, a GiB."""
    labels = {"kubernetes.io/hostname": name, "tier": "gold"}
    meta = {"name": name, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": meta})
    room = {"cpu": "1", "memory": "1Gi", "pods": "110"}
    conditions = [{"type": "Ready", "status": "True", "reason": "test", "message": "test"}]
    status = {"status": {"capacity": room, "allocatable": room, "conditions": conditions}}
    kubectl("patch", "node", name, "--subresource=status", "--type=merge", "--patch", json.dumps(status))


def deployment(name, replicas, cpu, **spec):
    labels = {"app": name}
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod},
    }  # fmt: skip


def of(kubectl, name):
    return kubectl.get("pods", "-l", f"app={name}")["items"]


def group(*names, most=5):
    return Group(name="default-worker", count=len(names), most=most, nodes=frozenset(names))


def test_pods_wait_nodes_come_and_go(api):
    engine, kubectl = api
    join(kubectl, "w0")
    kubectl.apply(
        deployment("web", 3, "600m"),
        deployment("nowhere", 1, "10m", nodeSelector={"tier": "silver"}),
    )
    load = eventually(lambda: (found := engine.load()) and len(found.waiting) == 3 and found, 60)
    assert [(n.name, n.open, n.allocatable["cpu"], n.allocatable["memory"]) for n in load.nodes] == [
        ("w0", True, 1000, GIB)
    ]
    (placed,) = load.nodes[0].pods
    assert placed.name.startswith("default/web-") and placed.requests == {
        "cpu": 600, "memory": 64 * 2**20, "pods": 1,
    }  # fmt: skip
    change = sizing.grow(load, [group("w0")])
    assert change.count == 3 and {p.name.split("-")[0] for p in change.pods} == {"default/web"}
    assert sizing.grow(load, [group("w0", most=2)]).count == 2
    for name in ("w1", "w2"):
        join(kubectl, name)
    load = eventually(lambda: (found := engine.load()) and len(found.waiting) == 1 and found, 60)
    everybody = group("w0", "w1", "w2")
    assert sizing.grow(load, [everybody]) is None, "the scheduler gave them the places that were thought of"
    assert {len(n.pods) for n in load.nodes} == {1}
    assert sizing.spare(load, [everybody], 1) == {}, "each is needed"
    kubectl("scale", "deployment", "web", "--replicas=0")
    # no kubelet ends them
    eventually(lambda: all("deletionTimestamp" in p["metadata"] for p in of(kubectl, "web")), 60)
    kubectl("delete", "pods", "-l", "app=web", "--force", "--grace-period=0")
    kubectl.apply(deployment("small", 2, "100m"))
    load = eventually(
        lambda: (found := engine.load()) and sum(len(n.pods) for n in found.nodes) == 2 and found, 60
    )
    spared = sizing.spare(load, [everybody], 0.5)
    assert set(spared) == {"w0", "w1", "w2"}
    change = sizing.shrink(spared, dict.fromkeys(spared, 600.0), [everybody], 600)
    assert change.count == 2
    # a budget that allows nothing, and a note that says no, keep their pods where they are
    kubectl("annotate", "pods", "-l", "app=small", "cluster-autoscaler.kubernetes.io/safe-to-evict=false")
    busy = {n.name for n in load.nodes if n.pods}
    assert set(sizing.spare(engine.load(), [everybody], 0.5)) == {"w0", "w1", "w2"} - busy
    kubectl("annotate", "pods", "-l", "app=small", "cluster-autoscaler.kubernetes.io/safe-to-evict-")
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "small"}}}
    meta = {"name": "small"}
    kubectl.apply(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget}
    )
    held = eventually(lambda: [p.held for n in engine.load().nodes for p in n.pods if p.held], 60)
    assert all("PodDisruptionBudget" in why for why in held)


def test_cluster_autoscaler_is_noticed(api):
    engine, kubectl = api
    assert engine.load().rival == ""
    now = subprocess.run(
        ["date", "-u", "+%Y-%m-%dT%H:%M:%S.000000Z"], check=True, capture_output=True, text=True
    )
    spec = {"holderIdentity": "ca-0", "leaseDurationSeconds": 15, "renewTime": now.stdout.strip()}
    meta = {"name": "cluster-autoscaler", "namespace": "kube-system"}
    kubectl.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})
    assert engine.load().rival == "ca-0"
