"""Scaling on demand on a real bay, whose nodes boot from volumes: pods without room bring a node, and it goes again
once it has been idle for a while.
"""

import time

import pytest

from tests.support.machine import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
IDLE = 40


@pytest.fixture(scope="module")
def impatient(machine):
    """A conductor for which a node is idle soon."""
    file = machine.state_dir / "magnum_lite.conf"
    before = file.read_text()
    assert before.count("[conductor]\n") == 1
    wanted = f"[conductor]\nscale_down_after = {IDLE}\nscale_up_after = 5\n"
    file.write_text(before.replace("[conductor]\n", wanted))
    machine.kill("magnum-lite")
    yield
    file.write_text(before)
    machine.kill("magnum-lite")


@pytest.fixture(scope="module")
def home(impatient, make_bay):
    """One master and one worker, which may become two."""
    return make_bay(
        "kube-scaling", workers=1, auto_scaling_enabled="true", max_node_count="2", boot_volume_size="1"
    )


def workers(tenant, bay):
    return {n["hostname"]: n["server_id"] for n in tenant.nodes(bay["uuid"]) if n["role"] == "worker"}


def told(tenant, bay):
    found = tenant.get(f"/bays/{bay['uuid']}/events?limit=1000")["events"]
    return [e["message"] for e in found if e["kind"] == "scaling"]


def roots(tenant, servers):
    """Volumes from which these servers boot: server → GiB."""
    found = list(tenant.cloud.block_storage.volumes(details=True))
    return {
        a["server_id"]: v.size
        for v in found
        for a in v.attachments
        if a["device"] == "/dev/vda" and a["server_id"] in servers
    }


def filler(image, cpu, replicas, *, name="filler", node=(), notes=()):
    """Pods that ask for so much, on a node with these labels."""
    labels = {"app": "filler", "name": name}
    container = {
        "name": "filler",
        "image": image,
        "command": ["sleep", "100000"],
        "resources": {"requests": {"cpu": f"{cpu}m"}},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container], "nodeSelector": dict(node)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": dict(notes)}, "spec": spec},
        },
    }


def millicores(text):
    return int(text[:-1]) if text.endswith("m") else 1000 * int(text)


def test_a_node_comes_for_pods_without_room_and_goes_when_it_is_idle(home, tenant, kubectl_of, images):
    kubectl, before = kubectl_of(home), workers(tenant, home)
    assert len(before) == 1 and roots(tenant, before.values()) == dict.fromkeys(before.values(), 1)
    path = f"/clusters/{home['uuid']}/nodegroups/default-worker"
    group = tenant.get(path)
    assert (group["min_node_count"], group["max_node_count"]) == (1, 2)
    (worker,) = [n for n in kubectl.get("nodes")["items"] if n["metadata"]["name"] in before]
    assert worker["spec"]["providerID"] == f"openstack:///{before[worker['metadata']['name']]}"
    cpu = millicores(worker["status"]["allocatable"]["cpu"]) * 6 // 10
    began = time.monotonic()
    kubectl.apply(filler(images["busybox"], cpu, 2))
    pods = kubectl.pods("app=filler", count=2, seconds=400)
    print(f"the pod that waited runs after {time.monotonic() - began:.0f} s")
    assert len({p["spec"]["nodeName"] for p in pods}) == 2
    tenant.complete(home["uuid"])
    both = workers(tenant, home)
    assert before.items() < both.items() and len(both) == 2
    (up,) = told(tenant, home)
    print(up)
    assert up.startswith("Scale up: default-worker from 1 to 2 node(s): 1 pod(s)") and "default/filler-" in up
    assert tenant.get(path)["node_count"] == 2 and len(roots(tenant, both.values())) == 2
    # a third one has to wait: two is the most
    kubectl.apply(filler(images["busybox"], cpu, 3))
    eventually("one waits", lambda: len(waiting(kubectl)) == 1, 60)
    stays(tenant, home, 2, 30)
    kubectl("delete", "deployment", "filler", "--wait=true")
    began = time.monotonic()
    eventually("a worker leaves", lambda: len(workers(tenant, home)) == 1, 400, pause=2)
    print(f"one worker left, {time.monotonic() - began:.0f} s after its pods were gone")
    tenant.complete(home["uuid"])
    nodes = kubectl.nodes_ready(2, 60)
    left = workers(tenant, home)
    assert left.items() < both.items(), "the other one was not touched"
    assert {n["metadata"]["name"] for n in nodes} > set(left)
    _, down = told(tenant, home)
    print(down)
    (gone,) = both.keys() - left.keys()
    assert down.startswith("Scale down: default-worker from 2 to 1 node(s)") and gone in down
    assert len(roots(tenant, both.values())) == 1, "its volume went with it"
    stays(tenant, home, 1, 2 * IDLE)


def waiting(kubectl):
    return [p for p in kubectl.get("pods", "-l", "app=filler")["items"] if "nodeName" not in p["spec"]]


def stays(tenant, bay, count, seconds):
    """For so long nothing is changed."""
    before, end = told(tenant, bay), time.monotonic() + seconds
    while time.monotonic() < end:
        assert len(workers(tenant, bay)) == count and told(tenant, bay) == before
        time.sleep(2)


def test_a_pod_that_may_not_move_keeps_its_node(home, tenant, kubectl_of, images):
    """And what no new node would help brings none."""
    kubectl, before = kubectl_of(home), workers(tenant, home)
    tenant.call("POST", f"/bays/{home['uuid']}/actions/resize", {"node_count": 2}, 202)
    tenant.complete(home["uuid"])
    both = workers(tenant, home)
    (fresh,) = both.keys() - before.keys()
    host, busybox = "kubernetes.io/hostname", images["busybox"]
    held = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    kubectl.apply(
        filler(busybox, 10, 1, node={host: fresh}, notes=held),
        filler(busybox, 10, 1, name="busy", node={host: next(iter(before))}, notes=held),
        filler(busybox, 10, 1, name="nowhere", node={"no-such": "label"}),
    )
    said = told(tenant, home)
    eventually("they have their places", lambda: len(waiting(kubectl)) == 1, 60)
    stays(tenant, home, 2, 2 * IDLE)
    kubectl("delete", "deployment", "filler", "nowhere", "--wait=true")
    eventually("the new worker leaves", lambda: workers(tenant, home) == before, 400, pause=2)
    assert fresh in told(tenant, home)[-1] and len(told(tenant, home)) == len(said) + 1
    tenant.complete(home["uuid"])
