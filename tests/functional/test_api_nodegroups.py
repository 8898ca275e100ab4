"""Node groups over REST: made, shown, changed and removed beside the two that every cluster has."""

import threading

import pytest

from tests.functional.test_api_clusters import limits
from tests.support.stand import OTHER, Stand

V = {"OpenStack-API-Version": "container-infra 1.14"}


@pytest.fixture
def bay(stand):
    uuid = stand.cluster(node_count=1)
    stand.converge(uuid)
    return uuid


def path(bay, name=""):
    return f"/v1/clusters/{bay}/nodegroups" + (f"/{name}" if name else "")


def post(stand, bay, status=202, **body):
    return stand.api.post_json(path(bay), body, headers=V, status=status).json


def patch(stand, bay, name, *changes, status=202):
    operations = [{"op": op, "path": p, "value": v} for op, p, v in changes]
    return stand.api.patch_json(path(bay, name), operations, headers=V, status=status).json


def detail(answer):
    return " ".join(e["detail"] for e in answer["errors"])


def test_the_default_groups(stand, bay):
    listed = stand.api.get(path(bay), headers=V).json["nodegroups"]
    assert [(g["name"], g["role"], g["node_count"], g["is_default"]) for g in listed] == [
        ("default-master", "master", 1, True),
        ("default-worker", "worker", 1, True),
    ]
    assert "links" not in listed[0] and "labels" not in listed[0] and listed[0]["stack_id"]
    (worker,) = stand.api.get(path(bay) + "?role=worker", headers=V).json["nodegroups"]
    full = stand.api.get(path(bay, worker["uuid"]), headers=V).json
    assert full == stand.api.get(path(bay, "default-worker"), headers=V).json
    assert isinstance(full["id"], int) and full["cluster_id"] == bay and len(full["node_addresses"]) == 1
    assert full["min_node_count"] == 0 and full["max_node_count"] is None
    assert full["links"][0]["href"].endswith(f"/v1/clusters/{bay}/nodegroups/{worker['uuid']}")


def test_pages(stand, bay):
    first = stand.api.get(path(bay) + "?limit=1", headers=V).json
    assert first["next"].startswith(f"http://localhost/v1/clusters/{bay}/nodegroups?")
    second = stand.api.get(first["next"], headers=V).json
    names = [g["name"] for g in (*first["nodegroups"], *second["nodegroups"])]
    assert names == ["default-master", "default-worker"]


@pytest.mark.parametrize("version", ["1.1", "1.8"])
def test_not_before_their_microversion(stand, bay, version):
    stand.api.get(path(bay), headers={"OpenStack-API-Version": f"container-infra {version}"}, status=406)


def test_a_group_comes_up_and_goes(stand, bay):
    made = post(
        stand, bay, name="fast", node_count=2, flavor_id="m1.small", node_labels={"storage": "ssd"}, role="db"
    )
    assert made["status"] == "CREATE_IN_PROGRESS" and made["node_labels"] == {"storage": "ssd"}
    assert made["image_id"] == "fedora-atomic-23" and made["node_taints"] == []
    found = stand.converge(bay)
    assert found["status"] == "UPDATE_COMPLETE" and found["node_count"] == 3
    group = stand.api.get(path(bay, "fast"), headers=V).json
    assert group["status"].endswith("_COMPLETE") and len(group["node_addresses"]) == 2
    stand.api.delete(path(bay, "fast"), headers=V, status=204)
    assert stand.api.get(path(bay, "fast"), headers=V).json["status"] == "DELETE_IN_PROGRESS"
    stand.api.delete(path(bay, "fast"), headers=V, status=204)
    assert "being deleted" in detail(patch(stand, bay, "fast", ("replace", "/max_node_count", 3), status=409))
    assert stand.settle(bay)["node_count"] == 1
    stand.api.get(path(bay, "fast"), headers=V, status=404)


def test_groups_at_the_same_time(tmp_path):
    """Terraform makes them in parallel."""
    stand = Stand(tmp_path, f"sqlite:///{tmp_path}/parallel.sqlite")  # a connection for each thread
    bay, answers = stand.cluster(node_count=1), []
    stand.converge(bay)
    threads = [
        threading.Thread(target=lambda n=n: answers.append(post(stand, bay, name=f"g{n}", node_count=0)))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a["name"] for a in answers) == ["g0", "g1", "g2"]
    assert stand.converge(bay)["status"] == "UPDATE_COMPLETE"


def test_a_group_may_be_made_while_the_cluster_is(stand):
    uuid = stand.cluster(node_count=1)
    post(stand, uuid, name="early", node_count=1)
    assert stand.converge(uuid)["node_count"] == 2


def test_min_max_and_count_move_together(stand, bay):
    post(stand, bay, name="g", node_count=1, min_node_count=1, max_node_count=2)
    stand.converge(bay)
    changes = (
        ("replace", "/min_node_count", 3),
        ("replace", "/max_node_count", "5"),
        ("replace", "/node_count", 4),
    )
    assert patch(stand, bay, "g", *changes)["node_count"] == 4
    stand.converge(bay)
    assert "less than min_node_count" in detail(
        patch(stand, bay, "g", ("replace", "/node_count", 1), status=409)
    )
    found = patch(stand, bay, "g", ("remove", "/max_node_count", None))
    assert found["max_node_count"] is None


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (409, {"name": "default-worker"}, "exists already"),
        (409, {"name": "g", "node_count": 1, "min_node_count": 2}, "min_node_count"),
        (409, {"name": "g", "node_count": 3, "max_node_count": 2}, "max_node_count"),
        (409, {"name": "g", "min_node_count": 3, "max_node_count": 2}, "max_node_count"),
        (409, {"name": "g", "node_labels": {"kubernetes.io/x": "y"}}, "engine's own"),
        (409, {"name": "g", "node_labels": {"org.openstack.magnum.role": "y"}}, "this service"),
        (409, {"name": "g", "node_labels": {"a b": "y"}}, "is no label"),
        (400, {"name": "g", "node_taints": [{"key": "k", "effect": "Sometimes"}]}, "NoSchedule"),
        (400, {"name": "g", "node_taints": ["k:NoSchedule"]}, "must be an object"),
        (400, {"name": "g", "role": "master"}, "masters"),
        (400, {"name": "g", "flavor_id": "huge"}, "flavor huge"),
        (400, {"name": "g", "image_id": "nothing"}, "image nothing"),
        (400, {"name": "g", "node_count": -1}, "greater than or equal to 0"),
        (400, {"name": "g", "bogus": 1}, "Unknown attribute"),
        (400, {"name": ""}, "must not be empty"),
        (400, {"name": "g", "labels": {"docker_volume_type": ["x"]}}, "docker_volume_type"),
    ],
)
def test_bad_groups(stand, bay, status, body, word):
    assert word in detail(post(stand, bay, status=status, **body))
    assert len(stand.api.get(path(bay), headers=V).json["nodegroups"]) == 2


@pytest.mark.parametrize(
    ("field", "value", "status", "word"),
    [
        ("/flavor_id", "m1.small", 400, "cannot change flavor_id"),
        ("/name", "x", 400, "cannot change name"),
        ("/is_default", True, 400, "cannot change is_default"),
        ("/node_count", 7, 400, "not for masters"),
        ("/node_labels", "{'a': 'b'}", 400, "not for masters"),
    ],
)
def test_bad_changes(stand, bay, field, value, status, word):
    answer = patch(stand, bay, "default-master", ("replace", field, value), status=status)
    assert word in detail(answer)


def test_default_groups_stay(stand, bay):
    answer = stand.api.delete(path(bay, "default-worker"), headers=V, status=400).json
    assert "default nodegroup" in detail(answer)


def test_a_name_is_made_where_none_is_given(stand, bay):
    assert post(stand, bay, node_count=0)["name"].endswith("-nodegroup")


def test_labels_and_where_they_come_from(stand):
    uuid = stand.cluster(labels={"one": "1", "two": "2"})
    made = post(stand, uuid, name="g", node_count=0, labels={"two": "II", "three": "3"}, merge_labels=True)
    assert made["labels"] == {"one": "1", "two": "II", "three": "3"}
    assert made["labels_added"] == {"three": "3"} and made["labels_overridden"] == {"two": "2"}
    made = post(stand, uuid, name="h", node_count=0, labels={"two": "2"})
    assert made["labels"] == {"two": "2"} and made["labels_skipped"] == {"one": "1"}


def test_other_labels_replace_those_in_the_engine(stand, bay):
    patch(stand, bay, "default-worker", ("replace", "/node_labels", "{'storage': 'ssd', 'tier': 'a'}"))
    stand.converge(bay)
    (worker,) = [m for m in stand.machines.values() if m.role == "worker"]
    assert worker.labels.items() >= {"storage": "ssd", "tier": "a"}.items()
    patch(stand, bay, "default-worker", ("remove", "/node_labels/tier", None))
    stand.converge(bay)
    assert worker.labels["storage"] == "ssd" and not worker.labels.get("tier")


def test_quota_is_looked_at(stand, bay):
    stand.lookups.limits = limits(instances=1)
    assert "instances: 2 needed, 1 left" in detail(post(stand, bay, status=403, name="g", node_count=2))


def test_another_projects_cluster_is_not_found(stand, bay):
    other = stand.as_caller(project=OTHER)
    for call in (
        lambda: other.get(path(bay), headers=V, status=404),
        lambda: other.get(path(bay, "default-worker"), headers=V, status=404),
        lambda: other.post_json(path(bay), {"name": "g"}, headers=V, status=404),
        lambda: other.patch_json(path(bay, "default-worker"), [], headers=V, status=404),
        lambda: other.delete(path(bay, "default-worker"), headers=V, status=404),
    ):
        call()
    reader = stand.as_caller(roles="reader")
    reader.get(path(bay), headers=V)
    reader.post_json(path(bay), {"name": "g"}, headers=V, status=403)
