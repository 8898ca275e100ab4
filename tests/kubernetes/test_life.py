"""The life of a bay while pods run on it: resized, repaired, upgraded from one version to the next."""

import json
import time

import pytest
import requests

from tests.kubernetes.conftest import NEW, OLD
from tests.kubernetes.visiting import Visitor
from tests.support.machine import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]
LABELS = {"app": "page"}
SCRIPT = "mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"


def serve(kubectl, image, *, replicas):
    """A page on as many pods, of which no more than one may be missing at any time; its node port."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": LABELS},
    }
    container = {
        "name": "page",
        "image": image,
        "command": ["sh", "-c", SCRIPT],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        # what is asked for goes on to the others before this one ends
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
    }
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "page"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": LABELS},
                "template": {
                    "metadata": {"labels": LABELS},
                    "spec": {"topologySpreadConstraints": [spread], "containers": [container]},
                },
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "page"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "page"},
            "spec": {"type": "NodePort", "selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    )
    kubectl.pods("app=page", count=replicas)
    return kubectl.get("service", "page")["spec"]["ports"][0]["nodePort"]


def page_of(tenant, uuid, port):
    """A visit of the page at the addresses of the bay's workers, as one who knows them by DNS."""
    known = {"asked": 0.0, "addresses": []}
    session = requests.Session()
    session.trust_env = False

    def visit():
        if time.monotonic() - known["asked"] > 1:
            nodes = [n for n in tenant.nodes(uuid) if n["role"] == "worker"]
            known["addresses"] = [n["floating_address"] or n["address"] for n in nodes]
            known["asked"] = time.monotonic()
        return any(_answers(session, f"http://{a}:{port}/") for a in known["addresses"] if a)

    return visit


def _answers(session, url):
    try:
        return session.get(url, timeout=2).text == "hello\n"
    except requests.RequestException:
        return False


def names(tenant, uuid, role):
    return {n["hostname"]: n["server_id"] for n in tenant.nodes(uuid) if n["role"] == role}


@pytest.fixture(scope="module")
def home(make_bay):
    """A bay of this file's own."""
    return make_bay("kube-life", auto_healing_enabled="true")


def test_more_and_fewer_workers(home, tenant, kubectl_of, images):
    uuid, kubectl = home["uuid"], kubectl_of(home)
    port = serve(kubectl, images["busybox"], replicas=4)
    before = names(tenant, uuid, "worker")
    visitor = Visitor(page_of(tenant, uuid, port))
    visitor.start()
    for count in (3, 1):
        began = time.monotonic()
        tenant.call("POST", f"/bays/{uuid}/actions/resize", {"node_count": count}, 202)
        tenant.complete(uuid, 400)
        nodes = kubectl.nodes_ready(1 + count, 60)
        print(f"{count} workers: {time.monotonic() - began:.1f} s")
        now = names(tenant, uuid, "worker")
        assert len(now) == count
        assert {n["metadata"]["name"] for n in nodes} == {*now, *names(tenant, uuid, "master")}
        assert before.items() <= now.items() or now.items() <= before.items(), "a node was rebuilt"
        before = now
        kubectl.pods("app=page", count=4)
    said = visitor.end()
    print(said)
    assert visitor.visits > 20 and not visitor.failed, said
    tenant.call("POST", f"/bays/{uuid}/actions/resize", {"node_count": 2}, 202)
    tenant.complete(uuid, 400)


def test_a_dead_worker_is_replaced(home, tenant, machine, kubectl_of, images):
    uuid, kubectl = home["uuid"], kubectl_of(home)
    serve(kubectl, images["busybox"], replicas=4)
    before = names(tenant, uuid, "worker")
    dead, server = min(before.items())
    machine.outer().containers.get(f"srv-{server}").kill()
    began = time.monotonic()

    def replaced():
        now = names(tenant, uuid, "worker")
        return server not in now.values() and len(now) == 2 and tenant.get(f"/bays/{uuid}")

    eventually("another worker is there", replaced, 900, pause=2)
    tenant.complete(uuid, 600)
    kubectl.nodes_ready(3, 120)
    print(f"repaired after {time.monotonic() - began:.1f} s")
    assert dict(before.items() - {(dead, server)}).items() <= names(tenant, uuid, "worker").items()
    kubectl.pods("app=page", count=4, seconds=300)


def test_an_upgrade_by_replacement(make_bay, tenant, kubectl_of, images, served):
    bay = make_bay("kube-upgrade", masters=3)
    uuid, kubectl = bay["uuid"], kubectl_of(bay)
    kubectl("create", "configmap", "kept", "--from-literal=it=is here")
    kubectl("create", "secret", "generic", "kept", "--from-literal=it=hunter2")
    port = serve(kubectl, images["busybox"], replicas=4)
    before = {n["server_id"] for n in tenant.nodes(uuid)}
    model = tenant.get(f"/baymodels/{bay['baymodel_id']}")
    new = tenant.model(
        "model-kube-newer",
        **{
            name: model[name]
            for name in ("coe", "keypair_id", "flavor_id", "master_flavor_id", "insecure_registry")
        },
        labels=model["labels"] | {"kube_tag": NEW},
    )
    page = Visitor(page_of(tenant, uuid, port))
    page.start()
    began = time.monotonic()
    tenant.call("POST", f"/bays/{uuid}/actions/upgrade", {"cluster_template": new["uuid"]}, 202)
    found = tenant.complete(uuid, 2400)
    seconds = time.monotonic() - began
    said = page.end()
    print(f"upgrade of 3+2: {seconds:.0f} s, {seconds / 5:.0f} s a node; the page: {said}")
    assert page.visits > 50 and not page.failed, said
    assert before.isdisjoint(n["server_id"] for n in tenant.nodes(uuid))
    kubectl = kubectl_of(found)
    nodes = kubectl.nodes_ready(5, 120)
    assert {n["status"]["nodeInfo"]["kubeletVersion"] for n in nodes} == {NEW} != {OLD}
    assert json.loads(kubectl("version", "--output", "json"))["serverVersion"]["gitVersion"] == NEW
    assert found["coe_version"] == NEW
    assert kubectl.get("configmap", "kept")["data"] == {"it": "is here"}
    assert kubectl.get("secret", "kept")["data"]
    kubectl.pods("app=page", count=4)
    tenant.call("DELETE", f"/baymodels/{new['uuid']}")
