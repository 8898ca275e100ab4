"""The talk's session with kubectl, and what else a user does first with a bay."""

import json
import subprocess

import pytest

from tests.support.machine import eventually

pytestmark = pytest.mark.timeout(900)
REDIS = "10.254.13.13"
PAGE = "http://127.0.0.1:5000/cgi-bin/index.cgi"


def controller(name, container):
    """A ReplicationController as the talk wrote it."""
    labels = {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": f"{name}-controller"},
        "spec": {
            "replicas": 1,
            "selector": labels,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, **container}]},
            },
        },
    }


def service(name, port, target, **more):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}], **more},
    }


@pytest.fixture(scope="module")
def session(kubectl, images):
    """The talk's two controllers, and a service for each."""
    with kubectl.namespace("talk") as inside:
        inside.apply(
            controller("redis", {"image": images["redis"], "imagePullPolicy": "Always"}),
            controller(
                "web",
                {
                    "image": images["web"],
                    "env": [{"name": "REDIS_HOSTNAME", "value": REDIS}],
                    "ports": [{"containerPort": 5000}],
                },
            ),
            service("redis", 6379, 6379, clusterIP=REDIS),
            service("web", 80, 5000, type="NodePort"),
        )
        yield inside


def test_the_nodes_are_what_was_asked_for(kubectl, bay):
    nodes = kubectl.nodes_ready(3)
    assert {n["status"]["nodeInfo"]["kubeletVersion"] for n in nodes} == {bay["coe_version"]}
    told = json.loads(kubectl("version", "--output", "json"))
    assert told["serverVersion"]["gitVersion"] == told["clientVersion"]["gitVersion"] == bay["coe_version"]
    masters = [n for n in nodes if "node-role.kubernetes.io/control-plane" in n["metadata"]["labels"]]
    assert len(masters) == 1
    assert masters[0]["spec"]["taints"]


def test_etcd_has_its_volume(machine, tenant, bay):
    (master,) = [n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master"]
    code, out = machine.inside(master["server_id"], "findmnt", "-no", "SOURCE,LABEL", "/var/lib/etcd")
    assert code == 0 and "/dev/" in out, out
    code, out = machine.inside(
        master["server_id"], "stat", "-c", "%a", "/var/lib/etcd", "/var/lib/etcd/member"
    )
    assert code == 0 and out.split() == ["700", "700"], out


def test_the_controllers_run_and_scale(session):
    session.pods("app=redis", count=1)
    session.pods("app=web", count=1)
    session("scale", "--replicas=3", "rc", "web-controller")
    pods = session.pods("app=web", count=3)
    assert len({p["spec"]["nodeName"] for p in pods}) == 2, "both workers have some"
    page = session("exec", pods[0]["metadata"]["name"], "--", "wget", "-qO-", PAGE)
    assert page.startswith(f"Hello from {pods[0]['metadata']['name']}, visit ")


def test_a_service_is_reached_from_every_node_and_pod(session):
    session("scale", "--replicas=3", "rc", "web-controller")
    pods = session.pods("app=web", count=3)
    redis = session.pods("app=redis", count=1)[0]
    away = [p for p in pods if p["spec"]["nodeName"] != redis["spec"]["nodeName"]]
    assert away, "no web pod is on another node than redis"
    before = visits(session, away[0])
    assert visits(session, away[0]) == before + 1
    port = session.get("service", "web")["spec"]["ports"][0]["nodePort"]
    for node in session.get("nodes")["items"]:
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        page = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "-m", "10", f"http://{address}:{port}/cgi-bin/index.cgi"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert page.stdout.startswith("Hello from web-controller-"), (address, page.stderr)


def visits(session, pod):
    page = session("exec", pod["metadata"]["name"], "--", "wget", "-qO-", PAGE)
    return int(page.rsplit(" ", 1)[1])


def test_names_are_found(session):
    pod = session.pods("app=redis", count=1)[0]["metadata"]["name"]

    def found():
        code, said = session.tried("exec", pod, "--", "nslookup", "-type=a", "web.talk.svc.cluster.local")
        return said if code == 0 and "10.254." in said.split("Name:")[-1] else None

    eventually("cluster DNS answers", found, 120)
    assert session("exec", pod, "--", "cat", "/etc/resolv.conf").startswith("search talk.svc.cluster.local")


def test_logs_and_exec(kubectl, images):
    with kubectl.namespace("logs") as inside:
        words = ("--image", images["busybox"], "--restart=Never", "--", "sh", "-c", "echo said; sleep 3600")
        inside("run", "speaker", *words)
        inside("wait", "pod/speaker", "--for=condition=Ready", "--timeout=90s")
        eventually("the log", lambda: inside("logs", "speaker") == "said\n", 30)
        assert inside("exec", "-i", "speaker", "--", "cat", given="through stdin") == "through stdin"
        code, _ = inside.tried("exec", "speaker", "--", "sh", "-c", "exit 7")
        assert code == 7


def test_a_volume_keeps_what_was_written(kubectl, images):
    with kubectl.namespace("volumes") as inside:
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
        }
        inside.apply(claim, with_volume("writer", images["busybox"], "echo kept > /data/file"))
        eventually("written", lambda: phase(inside, "writer") == "Succeeded", 120)
        inside("delete", "pod", "writer")
        inside.apply(with_volume("reader", images["busybox"], "cat /data/file"))
        eventually("read", lambda: phase(inside, "reader") == "Succeeded", 120)
        assert inside("logs", "reader") == "kept\n"
        volume = inside.get("pvc", "data")["spec"]["volumeName"]
    eventually("the volume goes with its claim", lambda: kubectl.tried("get", "pv", volume)[0] != 0, 120)


def phase(inside, pod):
    return inside.get("pod", pod)["status"]["phase"]


def with_volume(name, image, script):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "one",
                    "image": image,
                    "command": ["sh", "-c", script],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    }


def test_a_daemon_set_is_on_every_node(kubectl, images):
    with kubectl.namespace("daemons") as inside:
        labels = {"app": "daemon"}
        inside.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": "daemon"},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {
                            "tolerations": [{"operator": "Exists"}],
                            "terminationGracePeriodSeconds": 0,
                            "containers": [
                                {"name": "one", "image": images["busybox"], "command": ["sleep", "3600"]}
                            ],
                        },
                    },
                },
            }
        )
        pods = inside.pods("app=daemon", count=3)
        assert {p["spec"]["nodeName"] for p in pods} == {
            n["metadata"]["name"] for n in kubectl.nodes_ready(3)
        }


def test_metrics_are_there(kubectl):
    def told():
        code, said = kubectl.tried("top", "nodes", "--no-headers")
        return said if code == 0 and len(said.splitlines()) == 3 else None

    eventually("metrics of all nodes", told, 180)
