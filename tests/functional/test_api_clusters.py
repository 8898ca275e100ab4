"""Clusters and bays: one table, two dialects."""

import re

import pytest

from magnum_lite.cloud.lookups import Allowance
from magnum_lite.db.schema import quota
from magnum_lite.db.session import utcnow
from tests.functional.conftest import errors, fields
from tests.support.stand import PROJECT, Stand

VERSION = "OpenStack-API-Version"


def post(stand, words, version="1.10", **more):
    body = {"name": "prod", words.template_id: None} | more
    body = {k: v for k, v in body.items() if k != words.template_id or v is not None}
    return stand.api.post_json(
        f"/v1/{words.clusters}", body, headers={VERSION: f"container-infra {version}"}, expect_errors=True
    )


def made(stand, words, **more):
    answer = post(stand, words, **{words.template_id: stand.template()["uuid"]} | more)
    assert answer.status_int == 202, answer.text
    return answer.json["uuid"]


def test_create_and_get(stand, words):
    template = stand.template(name="model", labels={"a": "b", "c": "d"})
    answer = post(stand, words, **{words.template_id: "model", "node_count": 3, words.timeout: None,
                                   "labels": {"a": "z"}, "master_count": "1", "discovery_url": None})  # fmt: skip
    assert answer.status_int == 202
    assert list(answer.json) == ["uuid"]
    uuid = answer.json["uuid"]
    found = stand.api.get(f"/v1/{words.clusters}/{uuid}").json
    assert found[words.template_id] == template["uuid"]
    assert (found["name"], found["node_count"], found["master_count"]) == ("prod", 3, 1)
    assert found["status"] == "CREATE_IN_PROGRESS"
    assert found[words.timeout] == 60
    assert found["flavor_id"] == "m2.medium"
    assert found["keypair"] == "my-key"
    assert (found["labels"], found["labels_overridden"], found["labels_skipped"]) == (
        {"a": "z"}, {"a": "b"}, {"c": "d"},
    )  # fmt: skip
    assert "faults" not in found
    assert "bay_faults" not in found
    assert found["links"][0] == {"href": f"http://localhost/v1/{words.clusters}/{uuid}", "rel": "self"}
    assert re.fullmatch(r".*\+00:00", found["created_at"])
    assert stand.api.get(f"/v1/{words.clusters}/prod").json == found
    for private in ("stack_name", "generation", "fencing_token", "lease_owner", "template", "ssh_public_key",
                    "last_good", "id"):  # fmt: skip
        assert private not in found


def test_both_dialects_see_the_same_row(stand, words):
    uuid = made(stand, words)
    stand.converge(uuid)
    one = stand.api.get(f"/v1/{words.clusters}/{uuid}").json
    other = stand.api.get(f"/v1/{words.other.clusters}/{uuid}").json
    assert one.pop(words.template_id) == other.pop(words.other.template_id)
    assert one.pop(words.timeout) == other.pop(words.other.timeout)
    one.pop("links"), other.pop("links")
    # bays at 1.1 show it as their clients of then do
    addresses = {found.pop("api_address").partition("://")[0] for found in (one, other)}
    assert addresses == {"tcp", "https"}
    assert one == other
    (entry,) = errors(stand.api.get(f"/v1/{words.clusters}/nobody", expect_errors=True), 404)
    assert entry["detail"] == f"{words.Cluster} nobody could not be found."


def test_bays_of_2016_are_whole(stand):
    template = stand.template()
    answer = stand.api.post_json("/v1/bays", {"name": "b", "baymodel_id": template["uuid"], "node_count": 2})
    assert answer.status_int == 201
    assert answer.headers["Location"] == f"http://localhost/v1/bays/{answer.json['uuid']}"
    assert (answer.json["status"], answer.json["node_count"]) == ("CREATE_IN_PROGRESS", 2)
    patch = [{"op": "replace", "path": "/node_count", "value": 3}]
    for headers in ({}, {VERSION: "1.1"}):
        whole = stand.api.patch_json("/v1/bays/b", patch, headers=headers)
        assert (whole.status_int, whole.json["node_count"]) == (200, 3)
    later = stand.api.patch_json("/v1/bays/b", patch, headers={VERSION: "container-infra 1.2"})
    assert (later.status_int, list(later.json)) == (202, ["uuid"])
    for version in ("1.11", "latest"):
        assert stand.api.get("/v1/bays/b", headers={VERSION: f"container-infra {version}"}).status_int == 200


def test_clusters_are_asynchronous_at_every_version(stand):
    for version in ("1.1", "1.2", "latest"):
        answer = stand.api.post_json(
            "/v1/clusters", {"cluster_template_id": stand.template()["uuid"]},
            headers={VERSION: f"container-infra {version}"},
        )  # fmt: skip
        assert (answer.status_int, list(answer.json)) == (202, ["uuid"])


@pytest.mark.parametrize("version", ["1.1", "1.9", "1.10", "latest"])
def test_unknown_template(shared, words, version):
    answer = post(shared, words, version, **{words.template_id: "cluster-nobody"})
    status = 404 if words.clusters == "clusters" and version in {"1.10", "latest"} else 400
    (entry,) = errors(answer, status)
    assert "cluster-nobody" in entry["detail"]
    assert words.Template in entry["detail"]
    if status == 400:
        assert entry["field"] == words.template_id


def test_ambiguous_names(stand, words):
    first, second = made(stand, words), made(stand, words)
    assert first != second
    for call in (stand.api.get, stand.api.delete):
        (entry,) = errors(call(f"/v1/{words.clusters}/prod", expect_errors=True), 409)
        assert entry["code"] == "ambiguous-name"
    twins = [stand.template(name="twin") for _ in range(2)]
    assert twins
    errors(post(stand, words, **{words.template_id: "twin"}), 409)
    assert stand.api.delete(f"/v1/{words.clusters}/{first}").status_int == 204


@pytest.mark.parametrize("name", ["prod.json", "my-cluster", "cluster", "x" * 242, "a_b-c.d", "detail.txt"])
def test_names(stand, words, name):
    uuid = made(stand, words, name=name)
    assert stand.api.get(f"/v1/{words.clusters}/{name}").json["uuid"] == uuid
    stand.api.delete(f"/v1/{words.clusters}/{name}")
    stand.converge(uuid)
    (entry,) = errors(stand.api.get(f"/v1/{words.clusters}/{name}", expect_errors=True), 404)
    assert entry["detail"] == f"{words.Cluster} {name} could not be found."


@pytest.mark.parametrize("name", ["5x", "x" * 243, "a b", "ü", "a\n", "-a", ".", "😀", 5, ["a"]])
def test_names_that_are_refused(shared, words, name):
    template = shared.template()["uuid"]
    assert list(fields(post(shared, words, **{words.template_id: template, "name": name}))) == ["name"]


def test_a_name_is_generated(stand, words):
    uuid = made(stand, words, name=None)
    assert stand.api.get(f"/v1/{words.clusters}/{uuid}").json["name"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"node_count": -1}, "node_count"), ({"node_count": "x"}, "node_count"), ({"node_count": 1.5}, "node_count"),
        ({"node_count": 10**9}, "node_count"), ({"node_count": True}, "node_count"), ({"node_count": [1]}, "node_count"),
        ({"master_count": 0}, "master_count"), ({"master_count": 2}, "master_count"), ({"master_count": 7}, "master_count"),
        ({"labels": [1]}, "labels"), ({"labels": {"published_ports": "x"}}, "labels/published_ports"),
        ({"keypair": ""}, "keypair"), ({"docker_volume_size": 0}, "docker_volume_size"),
        ({"status": "CREATE_COMPLETE"}, "status"), ({"stack_id": "x"}, "stack_id"), ({"generation": 5}, "generation"),
        ({"uuid": "x"}, "uuid"), ({"health_status": "HEALTHY"}, "health_status"), ({"project_id": "x"}, "project_id"),
        ({"fencing_token": 1}, "fencing_token"), ({"flavor_id": "no-flavor"}, "flavor_id"),
        ({"master_flavor_id": "no-flavor"}, "master_flavor_id"), ({"fixed_network": "no-net"}, "fixed_network"),
        ({"fixed_subnet": "no-net", "fixed_network": "private"}, "fixed_subnet"),
    ],
)  # fmt: skip
def test_what_is_refused(shared, words, sent, field):
    template = shared.template()["uuid"]
    assert list(fields(post(shared, words, **{words.template_id: template} | sent))) == [field]


def test_node_counts_as_strings(stand, words):
    uuid = made(stand, words, node_count="2", master_count="3")
    found = stand.api.get(f"/v1/{words.clusters}/{uuid}").json
    assert (found["node_count"], found["master_count"]) == (2, 3)


def test_no_workers(stand, words):
    template = stand.template()["uuid"]
    before = post(stand, words, "1.9", **{words.template_id: template, "node_count": 0})
    if words.clusters == "clusters":
        assert "1.10" in fields(before)["node_count"]
    else:
        assert before.status_int == 202
    uuid = made(stand, words, node_count=0)
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"


def test_look_ups(stand, words):
    template = stand.template()["uuid"]
    (entry,) = errors(post(stand, words, **{words.template_id: template, "keypair": "nobody's"}), 404)
    assert "nobody's" in entry["detail"]
    stand.lookups.images = ()
    assert list(fields(post(stand, words, **{words.template_id: template}))) == ["image_id"]


@pytest.mark.parametrize("service", ["image", "compute"])
def test_a_cloud_that_is_down(stand, words, service):
    template = stand.template()["uuid"]
    stand.lookups.down = service
    answer = post(stand, words, **{words.template_id: template})
    assert service in errors(answer, 503)[0]["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert stand.api.get(f"/v1/{words.clusters}").json[words.clusters] == []


def test_templates_that_can_not_be_started(stand, words):
    for more, field in (({"tls_disabled": True}, ""), ({"flavor_id": None}, "flavor_id"),
                        ({"docker_storage_driver": "devicemapper", "docker_volume_size": 5}, "docker_storage_driver"),
                        ({"volume_driver": "rexray"}, "volume_driver")):  # fmt: skip
        template = stand.template(**more)["uuid"]
        assert field in fields(post(stand, words, **{words.template_id: template})), more


def test_quota_of_our_own(tmp_path, words):
    stand = Stand(tmp_path, cluster__max_clusters_per_project=1)
    uuid = made(stand, words)
    (entry,) = errors(post(stand, words, **{words.template_id: stand.template()["uuid"]}), 403)
    assert entry["code"] == "quota-exceeded"
    assert f"maximum {words.clusters} per project, 1" in entry["detail"]
    with stand.database.write() as connection:
        values = {"project_id": PROJECT, "resource": "Cluster", "hard_limit": 2, "created_at": utcnow()}
        connection.execute(quota.insert().values(values))
    made(stand, words)
    errors(post(stand, words, **{words.template_id: stand.template()["uuid"]}), 403)
    stand.api.delete(f"/v1/{words.clusters}/{uuid}")
    stand.converge(uuid)
    made(stand, words)


def limits(**left):
    return {name: Allowance(100, count) for name, count in left.items()}


def test_quota_of_the_cloud(stand, words):
    template = stand.template()["uuid"]
    stand.lookups.limits = limits(instances=2, cores=4, ram=100_000)
    (entry,) = errors(post(stand, words, **{words.template_id: template, "node_count": 2}), 403)
    assert entry["code"] == "quota-exceeded"
    assert "instances: 3 needed, 2 left" in entry["detail"]
    assert "cores: 6 needed, 4 left" in entry["detail"]
    assert "ram" not in entry["detail"]
    uuid = made(stand, words, node_count=1)
    stand.lookups.limits = limits(instances=0, cores=0, ram=0)
    patch = [{"op": "replace", "path": "/node_count", "value": 2}]
    errors(stand.api.patch_json(f"/v1/{words.clusters}/{uuid}", patch, expect_errors=True), 403)
    patch = [{"op": "replace", "path": "/node_count", "value": 0}]
    stand.api.patch_json(
        f"/v1/{words.clusters}/{uuid}", patch, headers={VERSION: "container-infra 1.10"}, status=202
    )


def test_unknown_labels_are_kept_and_warned_about(stand, words):
    uuid = made(stand, words, labels={"node_label": "a=b", "registry_auth": "h.example=u:geheim"})
    found = stand.api.get(f"/v1/{words.clusters}/{uuid}")
    assert found.json["labels"] == {"node_label": "a=b", "registry_auth": "***"}
    events = stand.api.get(f"/v1/{words.clusters}/{uuid}/events")
    (warning,) = [e for e in events.json["events"] if e["kind"] == "label"]
    assert warning["level"] == "warning"
    assert "node_labels" in warning["message"]
    assert "geheim" not in events.text + found.text


def test_merged_labels(stand, words):
    template = stand.template(labels={"a": "1", "b": "2"})["uuid"]
    uuid = made(
        stand, words, **{words.template_id: template, "labels": {"b": "3", "c": "4"}, "merge_labels": True}
    )
    found = stand.api.get(f"/v1/{words.clusters}/{uuid}").json
    assert found["labels"] == {"a": "1", "b": "3", "c": "4"}
    assert found["labels_added"] == {"c": "4"}
    assert found["labels_overridden"] == {"b": "2"}
    assert found["labels_skipped"] == {}


def test_delete_is_idempotent_until_it_is_gone(stand, words):
    uuid = made(stand, words)
    path = f"/v1/{words.clusters}/{uuid}"
    stand.converge(uuid)
    for _ in range(2):
        answer = stand.api.delete(path)
        assert (answer.status_int, answer.body) == (204, b"")
    assert stand.api.get(path).json["status"] == "DELETE_IN_PROGRESS"
    patch = [{"op": "replace", "path": "/node_count", "value": 2}]
    (entry,) = errors(stand.api.patch_json(path, patch, expect_errors=True), 409)
    assert f"{words.Cluster} {uuid} is being deleted" in entry["detail"]
    errors(stand.api.post_json(f"{path}/actions/resize", {"node_count": 2}, expect_errors=True), 409)
    stand.converge(uuid)
    for call in (stand.api.get, stand.api.delete):
        errors(call(path, expect_errors=True), 404)


def test_resize(stand, words):
    uuid = made(stand, words, node_count=2)
    path = f"/v1/{words.clusters}/{uuid}/actions/resize"
    for body in ({"node_count": 3}, {"node_count": "4", "nodes_to_remove": None, "nodegroup": None},
                 {"node_count": 3, "nodes_to_remove": [], "nodegroup": "default-worker"}):  # fmt: skip
        answer = stand.api.post_json(path, body)
        assert (answer.status_int, answer.json) == (202, {"uuid": uuid})
    assert stand.api.get(f"/v1/{words.clusters}/{uuid}").json["node_count"] == 3
    for body, field in (({}, "node_count"), ({"node_count": -1}, "node_count"), ({"node_count": None}, "node_count"),
                        ({"node_count": 1, "x": 1}, "x"), ({"node_count": 1, "nodes_to_remove": "a"}, "nodes_to_remove"),
                        ({"node_count": 1, "nodes_to_remove": [{}]}, "nodes_to_remove"),
                        ({"node_count": 1, "nodegroup": 5}, "nodegroup"),
                        ({"node_count": 3, "nodegroup": "default-master"}, "nodegroup"),
                        ({"node_count": "٣x"}, "node_count"), ({"node_count": "²"}, "node_count"),
                        ({"node_count": 1, "nodes_to_remove": ["nobody"]}, "nodes_to_remove/0")):  # fmt: skip
        assert list(fields(stand.api.post_json(path, body, expect_errors=True))) == [field], body
    errors(stand.api.post_json(path, {"node_count": 1, "nodegroup": "none"}, expect_errors=True), 404)


def test_upgrade_to_what_is_not_there(stand, words):
    uuid = made(stand, words)
    body = {"cluster_template": "x"}
    errors(stand.api.post_json(f"/v1/{words.clusters}/{uuid}/actions/upgrade", body, expect_errors=True), 404)


def test_events(stand, words):
    uuid = made(stand, words)
    stand.converge(uuid)
    path = f"/v1/{words.clusters}/{uuid}/events"
    found = stand.api.get(path).json["events"]
    assert [e["id"] for e in found] == sorted(e["id"] for e in found)
    assert found[0]["message"].startswith("Creation accepted: 1 master(s), 1 worker(s)")
    assert found[-2]["message"].startswith("CREATE_COMPLETE")
    assert (found[-1]["kind"], found[-1]["message"]) == ("health", "HEALTHY")
    key = "bay_id" if words.clusters == "bays" else "cluster_id"
    assert {e[key] for e in found} == {uuid}
    assert stand.api.get(f"{path}?limit=2").json["events"] == found[:2]
    assert stand.api.get(f"{path}?marker={found[1]['id']}&limit=3").json["events"] == found[2:5]
    assert stand.api.get(f"{path}?marker={found[-1]['id']}").json["events"] == []
    assert stand.api.get(f"/v1/{words.clusters}/prod/events").json["events"] == found
    for query in ("marker=x", "limit=0", "limit=-1", "limit=x", "marker=-1", "marker=99999999999999999999"):
        errors(stand.api.get(f"{path}?{query}", expect_errors=True), 400)
    missing = f"/v1/{words.clusters}/00000000-0000-4000-8000-000000000000/events"
    for query in ("", "?marker=1"):
        errors(stand.api.get(missing + query, expect_errors=True), 404)


def test_nodes_and_logs(stand, words):
    uuid = made(stand, words)
    stand.converge(uuid)
    nodes = stand.api.get(f"/v1/{words.clusters}/{uuid}/nodes").json["nodes"]
    assert [n["role"] for n in nodes] == ["master", "worker"]
    for secret in ("token_hash", "sealed_token", "identity", "token_key"):
        assert secret not in nodes[0]
    assert stand.api.post(f"/v1/{words.clusters}/{uuid}/actions/logs").status_int == 202
    listed = stand.api.get(f"/v1/{words.clusters}/{uuid}/logs").json["nodes"]
    assert all(n["pending"] for n in listed)
    for machine in stand.machines.values():
        answer = machine.report("ready", 100, "ok")
        assert answer.json["collect_logs"] is True
        machine.report("ready", 100, "ok", logs={"docker": "all is well", "agent": "SWMTKN-1-secret"})
    listed = stand.api.get(f"/v1/{words.clusters}/{uuid}/logs").json["nodes"]
    assert [(n["pending"], n["logs"]) for n in listed] == [
        (False, {"docker": "all is well", "agent": "***"})
    ] * 2
