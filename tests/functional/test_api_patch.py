"""JSON patch as clients send it (API.md 1.7)."""

import pytest

from tests.functional.conftest import errors, fields

SDK_MOVE = {"op": "move", "from": "/uuid", "path": "/id"}


def patched(stand, words, *operations, uuid=None, **more):
    uuid = uuid or stand.template(name="model", labels={"a": "1", "b/c": "2"})["uuid"]
    return stand.api.patch_json(f"/v1/{words.templates}/{uuid}", list(operations), expect_errors=True, **more)


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


@pytest.mark.parametrize(
    ("operation", "name", "kept"),
    [
        (replace("/name", "new"), "name", "new"),
        ({"op": "add", "path": "/name", "value": "new"}, "name", "new"),
        (replace("/tls_disabled", "True"), "tls_disabled", True),
        (replace("/docker_volume_size", "7"), "docker_volume_size", 7),
        (replace("/docker_volume_size", None), "docker_volume_size", None),
        (replace("/labels", "{'x': 'y'}"), "labels", {"x": "y"}),
        (replace("/labels", {"x": 5}), "labels", {"x": "5"}),
        (replace("/labels/a", True), "labels", {"a": "True", "b/c": "2"}),
        ({"op": "add", "path": "/labels/new", "value": "n"}, "labels", {"a": "1", "b/c": "2", "new": "n"}),
        ({"op": "remove", "path": "/labels/a"}, "labels", {"b/c": "2"}),
        ({"op": "remove", "path": "/labels/b~1c"}, "labels", {"a": "1"}),
        ({"op": "remove", "path": "/labels"}, "labels", {}),
        ({"op": "remove", "path": "/keypair_id"}, "keypair_id", None),
        ({"op": "remove", "path": "/dns_nameserver"}, "dns_nameserver", "8.8.8.8"),
        ({"op": "remove", "path": "/floating_ip_enabled", "value": "ignored"}, "floating_ip_enabled", True),
        (SDK_MOVE, "name", "model"),
    ],
)
def test_what_is_taken(stand, words, operation, name, kept):
    answer = patched(stand, words, operation)
    assert answer.status_int == 200, answer.text
    assert answer.json[name] == kept
    assert stand.api.get(f"/v1/{words.templates}/{answer.json['uuid']}").json[name] == kept


def test_operations_follow_each_other(stand, words):
    answer = patched(
        stand, words, SDK_MOVE, replace("/name", "x"), replace("/labels/new", "1"),
        {"op": "remove", "path": "/labels/a"}, replace("/name", "y"),
    )  # fmt: skip
    assert answer.json["name"] == "y"
    assert answer.json["labels"] == {"b/c": "2", "new": "1"}
    assert answer.json["updated_at"] is not None


def test_an_empty_patch_changes_nothing(stand, words):
    answer = patched(stand, words)
    assert answer.status_int == 200
    assert answer.json["updated_at"] is None


@pytest.mark.parametrize("name", ["created_at", "id", "links", "updated_at", "uuid", "project_id", "user_id"])
@pytest.mark.parametrize("op", ["add", "replace", "remove"])
def test_internal_attributes(shared, words, name, op):
    for path in (f"/v1/{words.templates}/{{}}", f"/v1/{words.clusters}/{{}}"):
        uuid = ROWS(shared)[0 if words.templates in path else 1]
        operation = {"op": op, "path": f"/{name}", "value": "x"}
        answer = shared.api.patch_json(path.format(uuid), [operation], expect_errors=True)
        assert "internal attribute" in errors(answer, 400)[0]["detail"]


def ROWS(stand):  # noqa: N802
    """A template and a cluster of the shared stand, made once."""
    if not hasattr(stand, "rows_of_patches"):
        template = stand.template()
        stand.rows_of_patches = template["uuid"], stand.cluster(template)
    return stand.rows_of_patches


@pytest.mark.parametrize(
    "name",
    ["coe", "image_id", "network_driver", "external_network_id", "tls_disabled", "public", "server_type",
     "registry_enabled", "cluster_distro", "hidden"],
)  # fmt: skip
def test_mandatory_attributes_stay(shared, words, name):
    path = f"/v1/{words.templates}/{ROWS(shared)[0]}"
    answer = shared.api.patch_json(path, [{"op": "remove", "path": f"/{name}"}], expect_errors=True)
    assert name in errors(answer, 400)[0]["detail"]


@pytest.mark.parametrize(
    "document",
    [
        {}, None, "x", 5, {"op": "replace", "path": "/name", "value": "x"}, [None], ["x"], [[]], [{}],
        [{"op": "replace"}], [{"op": "replace", "path": "/name"}], [{"op": "add", "path": "/name"}],
        [{"op": "test", "path": "/name", "value": "x"}], [{"op": "copy", "from": "/name", "path": "/coe"}],
        [{"op": "move", "from": "/name", "path": "/id"}], [{"op": [], "path": "/name", "value": 1}],
        [{"op": {}, "path": "/name", "value": 1}], [{"op": None, "path": "/name", "value": 1}],
        [{"op": "replace", "path": None, "value": 1}], [{"op": "replace", "path": [], "value": 1}],
        [{"op": "replace", "path": "", "value": 1}], [{"op": "replace", "path": "/", "value": 1}],
        [{"op": "replace", "path": "name", "value": 1}], [{"op": "replace", "path": "/name/", "value": 1}],
        [{"op": "replace", "path": "//name", "value": 1}], [{"op": "replace", "path": "/" + "x" * 600, "value": 1}],
        [{"op": "replace", "path": "/foo", "value": 1}], [{"op": "add", "path": "/foo", "value": 1}],
        [{"op": "remove", "path": "/foo"}], [{"op": "replace", "path": "/labels/a/b", "value": 1}],
        [{"op": "replace", "path": "/name/x", "value": 1}], [{"op": "remove", "path": "/labels/nope"}],
        [{"op": "replace", "path": "/name", "value": "x", "extra": 1}], [{"op": "replace", "path": "/name", "value": {}}],
        [{"op": "replace", "path": "/labels", "value": None}], [{"op": "replace", "path": "/labels/a", "value": None}],
        [{"op": "replace", "path": "/labels/a", "value": []}], [{"op": "replace", "path": "/public", "value": "maybe"}],
        [{"op": "replace", "path": "/coe", "value": "nomad"}], [{"op": "replace", "path": "/name", "value": None}],
        [{"op": "replace", "path": "/flavor_id", "value": "no-flavor"}],
        [{"op": "replace", "path": "/image_id", "value": "plain"}],
        [{"op": "replace", "path": "/fencing_token", "value": 5}], [{"op": "replace", "path": "/name", "value": "x"}] * 300,
    ],
)  # fmt: skip
def test_what_is_refused(shared, words, document):
    path = f"/v1/{words.templates}/{ROWS(shared)[0]}"
    before = shared.api.get(path).json
    errors(shared.api.patch_json(path, document, expect_errors=True), 400)
    assert shared.api.get(path).json == before


def test_every_fault_at_once_with_its_place(shared, words):
    path = f"/v1/{words.templates}/{ROWS(shared)[0]}"
    document = [
        replace("/name", 5),
        replace("/docker_volume_size", 0),
        replace("/http_proxy", "x"),
        {"op": "x"},
    ]
    found = fields(shared.api.patch_json(path, document, expect_errors=True))
    assert set(found) == {"0//name", "1//docker_volume_size", "2//http_proxy", "3"}


def test_a_template_of_another_engine(stand, words):
    uuid = stand.template(network_driver="flannel")["uuid"]
    answer = patched(
        stand, words, replace("/coe", "kubernetes"), replace("/network_driver", "calico"), uuid=uuid
    )
    assert (answer.json["coe"], answer.json["network_driver"]) == ("kubernetes", "calico")
    answer = patched(stand, words, replace("/coe", "swarm"), uuid=uuid)
    assert "network_driver" in fields(answer)


# clusters

FIXED = ["name", "keypair", "master_count", "flavor_id", "docker_volume_size", "discovery_url", "labels"]
SHOWN = ["status", "api_address", "node_addresses", "stack_id", "coe_version"]


@pytest.mark.parametrize("name", [*FIXED, *SHOWN])
def test_what_can_not_be_changed(shared, words, name):
    path = f"/v1/{words.clusters}/{ROWS(shared)[1]}"
    answer = shared.api.patch_json(path, [replace(f"/{name}", "x")], expect_errors=True)
    assert name in errors(answer, 400)[0]["detail"]


def test_words_of_the_other_dialect(shared, words):
    path = f"/v1/{words.clusters}/{ROWS(shared)[1]}"
    for name in (words.template_id, words.timeout):
        answer = shared.api.patch_json(path, [replace(f"/{name}", "x")], expect_errors=True)
        assert f"cannot change {name}" in errors(answer, 400)[0]["detail"]
    for name in (words.other.template_id, words.other.timeout):
        answer = shared.api.patch_json(path, [replace(f"/{name}", "x")], expect_errors=True)
        assert f"no attribute /{name}" in errors(answer, 400)[0]["detail"]


@pytest.mark.parametrize("value", ["5", 5, "+5", 5.0])
def test_node_count(stand, words, value):
    uuid = stand.cluster()
    path = f"/v1/{words.clusters}/{uuid}"
    assert stand.api.patch_json(path, [SDK_MOVE, replace("/node_count", value)]).status_int in {200, 202}
    assert stand.api.get(path).json["node_count"] == 5
    stand.api.patch_json(path, [{"op": "remove", "path": "/node_count"}])
    assert stand.api.get(path).json["node_count"] == 1


@pytest.mark.parametrize("value", ["x", -1, None, True, 10**9, "1.5", [], {"a": 1}, "", "9" * 30])
def test_node_counts_that_are_none(shared, words, value):
    path = f"/v1/{words.clusters}/{ROWS(shared)[1]}"
    errors(shared.api.patch_json(path, [replace("/node_count", value)], expect_errors=True), 400)


def test_zero_needs_1_10(stand):
    uuid = stand.cluster()
    path, patch = f"/v1/clusters/{uuid}", [replace("/node_count", 0)]
    headers = {"OpenStack-API-Version": "container-infra 1.9"}
    assert (
        "1.10"
        in errors(stand.api.patch_json(path, patch, headers=headers, expect_errors=True), 400)[0]["detail"]
    )
    headers = {"OpenStack-API-Version": "container-infra 1.10"}
    assert stand.api.patch_json(path, patch, headers=headers).status_int == 202


def test_an_empty_patch_of_a_cluster(stand, words):
    uuid = stand.cluster()
    stand.converge(uuid)
    assert stand.api.patch_json(f"/v1/{words.clusters}/{uuid}", []).status_int in {200, 202}
    assert stand.get(uuid)["status"] == "CREATE_COMPLETE"


def test_what_an_auto_healer_says(stand, words):
    uuid = stand.cluster()
    stand.converge(uuid)
    path = f"/v1/{words.clusters}/{uuid}"
    stand.api.patch_json(path, [replace("/health_status", "UNHEALTHY"),
                                replace("/health_status_reason", "{'api': 'down'}")])  # fmt: skip
    found = stand.get(uuid)
    assert (found["health_status"], found["health_status_reason"]) == ("UNHEALTHY", {"api": "down"})
    assert found["status"] == "CREATE_COMPLETE"
    for value in ("SICK", 5, []):
        errors(stand.api.patch_json(path, [replace("/health_status", value)], expect_errors=True), 400)
    for value in ("x", 5, [], "[]", "{[]: 1}"):
        errors(stand.api.patch_json(path, [replace("/health_status_reason", value)], expect_errors=True), 400)


def test_rollback_argument(stand, words):
    uuid = stand.cluster()
    path = f"/v1/{words.clusters}/{uuid}/?rollback=True"
    for version in ("1.1", "1.2"):
        headers = {"OpenStack-API-Version": f"container-infra {version}"}
        answer = stand.api.patch_json(path, [], headers=headers, expect_errors=True)
        assert errors(answer, 400)[0]["detail"] == 'Unknown argument: "rollback"'
    headers = {"OpenStack-API-Version": "container-infra 1.3"}
    (entry,) = errors(stand.api.patch_json(path, [], headers=headers, expect_errors=True), 409)
    assert words.Cluster in entry["detail"]
    stand.converge(uuid)
    assert stand.api.patch_json(path, [], headers=headers).status_int == 202
    assert stand.get(uuid)["status"] == "ROLLBACK_IN_PROGRESS"
    assert stand.converge(uuid)["status"] == "ROLLBACK_COMPLETE"
