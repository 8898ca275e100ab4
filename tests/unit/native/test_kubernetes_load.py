"""What is read of load out of Kubernetes' answers; a real API gives them in tests/kubernetes."""

import datetime as dt
import urllib.parse
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.models.load import Requirement, Taint, Toleration
from magnum_lite.native import kubernetes_load
from magnum_lite.native.engine import EngineRefused
from magnum_lite.native.kubernetes import KubernetesEngine
from magnum_lite.native.kubernetes_amounts import quantity, requests_of, resources
from tests.unit.native.conftest import Bay

NOW = 1_800_000_000.0
UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
OWNED = [{"kind": "ReplicaSet", "controller": True}]
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


def raw_pod(name="web", node=None, *, owners=OWNED, notes=(), labels=(), conditions=(), meta=(), **spec):
    return {
        "metadata": {"name": name, "namespace": "ns", "ownerReferences": owners, "annotations": dict(notes)}
        | {"labels": dict(labels)}
        | dict(meta),
        "spec": {"containers": [asks(cpu="500m")]} | ({"nodeName": node} if node else {}) | spec,
        "status": {"phase": "Running" if node else "Pending", "conditions": list(conditions)},
    }


def waits(name="web", **more):
    return raw_pod(name, conditions=UNSCHEDULABLE, **more)


def asks(**requests):
    return {"resources": {"requests": requests}}


def raw_node(name="n-1", *, ready="True", notes=(), **spec):
    return {
        "metadata": {"name": name, "labels": {"tier": "gold"}, "annotations": dict(notes)},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "1930m", "memory": "3977364Ki", "pods": "110"},
        },
    }


class Api:
    """Objects by path; lists in pages of two."""

    def __init__(self, *, pods=(), nodes=(), budgets=(), **more):
        self.lists = {"/api/v1/pods": pods, "/api/v1/nodes": nodes}
        self.lists["/apis/policy/v1/poddisruptionbudgets"] = budgets
        self.more, self.asked = more, []

    def __call__(self, path):
        self.asked.append(path)
        place, _, query = path.partition("?")
        if place not in self.lists:
            return self.more.get(place.rpartition("/")[2])
        start = int(dict(urllib.parse.parse_qsl(query)).get("continue") or 0)
        items = list(self.lists[place])
        more = {"continue": str(start + 2)} if len(items) > start + 2 else {}
        return {"items": items[start : start + 2], "metadata": more}

    def read(self):
        return kubernetes_load.read(self, NOW)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 1), ("0.5", Fraction(1, 2)), (".5", Fraction(1, 2)), ("5.", 5), ("100m", Fraction(1, 10)),
        ("1k", 1000), ("2M", 2 * 10**6), ("128Mi", 128 * 2**20), ("1.5Gi", 3 * 2**29), ("1e3", 1000),
        ("1E3", 1000), ("12E", 12 * 10**18), ("1Ei", 2**60), ("250u", Fraction(1, 4000)), ("-3", -3),
        (2, 2), ("", 0), ("Gi", 0), ("1 Gi", 0), ("one", 0), (None, 0), ("1e99", 10**99),
    ],
)  # fmt: skip
def test_amounts(text, amount):
    assert quantity(text) == amount


def test_what_is_asked_for_is_rounded_up_and_what_there_is_down():
    odd = {"cpu": "0.0001", "memory": "1500m"}
    assert resources(odd) == {"cpu": 1, "memory": 2}
    assert resources(odd, up=False) == {"cpu": 0, "memory": 1}


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "Ki", "Gi"]))
def test_amounts_are_exact(number, suffix):
    factor = {"": 1, "m": Fraction(1, 1000), "k": 1000, "Ki": 1024, "Gi": 2**30}[suffix]
    assert quantity(f"{number}{suffix}") == number * factor


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [asks(cpu="100m"), asks(cpu="200m"), {}]}, 300),
        ({"containers": [asks(cpu="100m")], "initContainers": [asks(cpu="1")]}, 1000),
        ({"containers": [asks(cpu="100m")], "initContainers": [asks(cpu="50m"), asks(cpu="60m")]}, 100),
        (
            {
                "containers": [asks(cpu="100m")],
                "initContainers": [asks(cpu="50m") | {"restartPolicy": "Always"}],
            },
            150,
        ),
        (
            {
                "containers": [asks(cpu="100m")],
                "initContainers": [asks(cpu="50m") | {"restartPolicy": "Always"}, asks(cpu="200m")],
            },
            250,
        ),
        ({"containers": [asks(cpu="100m")], "overhead": {"cpu": "25m"}}, 125),
        ({"containers": [asks(cpu="100m")], "resources": {"requests": {"cpu": "2"}}}, 2000),
    ],
)
def test_what_a_pod_asks_for(spec, cpu):
    assert requests_of(spec) == {"cpu": cpu, "pods": 1}


def test_nodes_with_their_pods_page_by_page():
    taints = [{"key": "gpu", "effect": "NoSchedule"}]
    nodes = [raw_node(), raw_node("n-2", ready="Unknown"), raw_node("n-3", unschedulable=True, taints=taints)]
    pods = [raw_pod(f"p{i}", f"n-{i % 3 + 1}") for i in range(5)]
    api = Api(nodes=nodes, pods=pods)
    load = api.read()
    assert [(n.name, n.open, len(n.pods)) for n in load.nodes] == [
        ("n-1", True, 2), ("n-2", False, 2), ("n-3", False, 1),
    ]  # fmt: skip
    assert load.nodes[0].allocatable == {"cpu": 1930, "memory": 3977364 * 1024, "pods": 110}
    assert load.nodes[0].labels["tier"] == "gold"
    assert load.nodes[2].taints == (Taint("gpu", "", "NoSchedule"),)
    assert sum("/pods" in path for path in api.asked) == 3
    assert all("status.phase!%3DSucceeded" in path for path in api.asked if "/pods" in path)


def test_an_answer_without_end_has_one(monkeypatch):
    monkeypatch.setattr(kubernetes_load, "_MOST_PAGES", 3)
    endless = Api()
    endless.lists["/api/v1/pods"] = [raw_pod()] * 100
    with pytest.raises(ValueError, match="more than"):
        endless.read()


def test_which_pods_wait():
    found = [
        waits("yes"),
        raw_pod("young"),
        waits("soon", meta={"deletionTimestamp": "now"}),
        waits("daemon", owners=[{"kind": "DaemonSet", "controller": True}]),
        waits("expendable", priority=-11),
        waits("low", priority=-10),
        raw_pod(
            "gated", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
        ),
        raw_pod("placed", "n-1", conditions=UNSCHEDULABLE),
        waits("preempts") | {"status": {"nominatedNodeName": "n-1", "conditions": UNSCHEDULABLE}},
    ]
    assert [p.name for p in Api(pods=found).read().waiting] == ["ns/yes", "ns/low"]


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (raw_pod(), ""),
        (raw_pod(owners=[]), "again"),
        (raw_pod(owners=[{"kind": "ReplicaSet"}]), "again"),
        (raw_pod(notes={SAFE: "false"}), "not safe"),
        (raw_pod(owners=[], notes={SAFE: "true"}), ""),
        (raw_pod(volumes=[{"name": "v", "emptyDir": {}}]), "local storage"),
        (raw_pod(volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}]), ""),
        (raw_pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "local storage"),
        (raw_pod(volumes=[{"name": "v", "configMap": {}}]), ""),
        (raw_pod(notes={SAFE: "true"}, volumes=[{"name": "v", "emptyDir": {}}]), ""),
        (raw_pod(notes={f"{SAFE}-local-volumes": "u, v"}, volumes=[{"name": "v", "emptyDir": {}}]), ""),
        (raw_pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]), "a volume"),
        (raw_pod(volumes=[{"name": "v", "ephemeral": {}}]), "a volume"),
    ],
)
def test_which_pods_must_not_be_moved(pod, why):
    found = kubernetes_load.pod_of(pod)
    assert (why in found.held) if why else not found.held
    assert not found.stays


@pytest.mark.parametrize(
    ("pod", "stays"),
    [
        (raw_pod(owners=[{"kind": "DaemonSet", "controller": True}]), True),
        (raw_pod(owners=[{"kind": "Node"}], notes={"kubernetes.io/config.mirror": "x"}), True),
        (raw_pod(owners=[{"kind": "Job", "controller": True}]), False),
    ],
)
def test_which_pods_go_with_their_node(pod, stays):
    assert kubernetes_load.pod_of(pod).stays is stays


@pytest.mark.parametrize(
    ("selector", "allowed", "held"),
    [
        ({"matchLabels": {"app": "web"}}, 0, True),
        ({"matchLabels": {"app": "web"}}, 1, False),
        ({"matchLabels": {"app": "db"}}, 0, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, 0, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, 0, False),
        ({}, 0, True),
        (None, 0, False),
    ],
)
@pytest.mark.parametrize("space", ["ns", "other"])
def test_disruption_budgets(selector, allowed, held, space):
    budget = {"metadata": {"namespace": space}, "spec": {"selector": selector}}
    budget["status"] = {"disruptionsAllowed": allowed}
    api = Api(nodes=[raw_node()], pods=[raw_pod(node="n-1", labels={"app": "web"})], budgets=[budget])
    (found,) = api.read().nodes[0].pods
    assert bool(found.held) is (held and space == "ns")


def test_where_a_pod_may_be():
    affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["3"]}]},
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n-1"]}]},
                {},
            ]
        }
    }
    tolerations = [{"operator": "Exists"}, {"key": "gpu", "value": "a", "effect": "NoSchedule"}]
    pod = kubernetes_load.pod_of(
        raw_pod(nodeSelector={"tier": "gold"}, affinity={"nodeAffinity": affinity}, tolerations=tolerations)
    )
    assert pod.tolerations == (Toleration("", None, ""), Toleration("gpu", "a", "NoSchedule"))
    assert pod.chooses[0] == ((Requirement("tier", "In", ("gold",)),),)
    gold = {"tier": "gold"}
    assert pod.may_be_on(gold | {"size": "4"}, ())
    assert pod.may_be_on(gold | {"metadata.name": "n-1"}, ())
    for labels in (gold, gold | {"size": "3"}, gold | {"size": "big"}, {"size": "4"}):
        assert not pod.may_be_on(labels, ())


@pytest.mark.parametrize(
    ("toleration", "taint", "tolerates"),
    [
        ({"operator": "Exists"}, ("a", "x", "NoExecute"), True),
        ({"key": "a", "operator": "Exists"}, ("a", "x", "NoSchedule"), True),
        ({"key": "a", "operator": "Exists"}, ("b", "x", "NoSchedule"), False),
        ({"key": "a", "value": "x"}, ("a", "x", "NoSchedule"), True),
        ({"key": "a", "operator": "Equal", "value": "y"}, ("a", "x", "NoSchedule"), False),
        ({"key": "a"}, ("a", "", "NoSchedule"), True),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, ("a", "", "NoSchedule"), False),
        ({"key": "b"}, ("a", "", "PreferNoSchedule"), True),
    ],
)
def test_taints(toleration, taint, tolerates):
    pod = kubernetes_load.pod_of(raw_pod(tolerations=[toleration]))
    assert pod.may_be_on({}, [Taint(*taint)]) is tolerates


def test_a_volume_on_a_nodes_disk_ties_its_pod_to_that_node():
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n-1"]}
    required = {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}}
    more = {"data": {"spec": {"volumeName": "pv-1"}}, "pv-1": {"spec": {"nodeAffinity": required}}}
    (found,) = Api(pods=[waits(volumes=volumes)], **more).read().waiting
    assert found.may_be_on({"kubernetes.io/hostname": "n-1"}, ())
    assert not found.may_be_on({"kubernetes.io/hostname": "n-2"}, ())
    (found,) = Api(pods=[waits(volumes=volumes)], data={"spec": {}}).read().waiting
    assert found.may_be_on({"kubernetes.io/hostname": "n-2"}, ()), "it is to be made where its pod is"
    (found,) = Api(pods=[waits(volumes=volumes)]).read().waiting
    assert found.chooses == ()


@pytest.mark.parametrize(("age", "works"), [(10, True), (119, True), (200, False)])
def test_cluster_autoscaler_holds_its_lease(age, works):
    renewed = (
        dt.datetime.fromtimestamp(NOW - age, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )
    lease = {"spec": {"holderIdentity": "ca-1", "renewTime": renewed}}
    assert Api(**{"cluster-autoscaler": lease}).read().rival == ("ca-1" if works else "")


def test_nobody_else_scales():
    assert Api().read().rival == ""
    assert Api(**{"cluster-autoscaler": {"spec": {"renewTime": "soon"}}}).read().rival == ""


@pytest.mark.parametrize("answer", ["x", 7, {"items": 7}, {"items": [None]}, {"items": [{"metadata": {}}]}])
def test_answers_that_make_no_sense_are_refused(answer, monkeypatch):
    """Who is root on a master answers in the engine's place."""
    bay = Bay()
    with KubernetesEngine(["192.0.2.1:6443"], bay.ca_pem, *bay.client()) as engine:
        monkeypatch.setattr(engine, "_found", lambda _: answer)
        with pytest.raises(EngineRefused, match="can't be read"):
            engine.load()
