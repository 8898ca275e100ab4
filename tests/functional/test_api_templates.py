"""Cluster templates and baymodels: one table, two dialects."""

import re
import uuid

import pytest

from magnum_lite.cloud.lookups import Image
from tests.functional.conftest import TEMPLATE, errors, fields

# As `magnum baymodel-create` of 2016 sends it, but for the storage driver (its default devicemapper
# is refused).
CLIENT_2016 = {
    "name": "swarm-model", "flavor_id": "m2.medium", "master_flavor_id": None, "image_id": "fedora-atomic-23",
    "keypair_id": "my-key", "external_network_id": "CERN_NETWORK", "fixed_network": None,
    "fixed_subnet": None, "network_driver": None, "volume_driver": None, "dns_nameserver": "137.138.17.5",
    "docker_volume_size": None, "docker_storage_driver": "overlay2", "coe": "swarm", "http_proxy": None,
    "https_proxy": None, "no_proxy": None, "labels": {}, "tls_disabled": False, "public": False,
    "registry_enabled": False, "server_type": "vm", "master_lb_enabled": False,
}  # fmt: skip


def post(stand, words, **more):
    return stand.api.post_json(f"/v1/{words.templates}", TEMPLATE | more, expect_errors=True)


def test_create_and_get(stand, words):
    answer = post(stand, words, name="model")
    assert answer.status_int == 201
    made = answer.json
    assert answer.headers["Location"] == f"http://localhost/v1/{words.templates}/{made['uuid']}"
    assert made["links"] == [
        {"href": f"http://localhost/v1/{words.templates}/{made['uuid']}", "rel": "self"},
        {"href": f"http://localhost/{words.templates}/{made['uuid']}", "rel": "bookmark"},
    ]
    assert (made["name"], made["coe"], made["cluster_distro"]) == ("model", "swarm", "fedora-atomic")
    assert (made["floating_ip_enabled"], made["server_type"], made["labels"]) == (True, "vm", {})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", made["created_at"])
    assert made["updated_at"] is None
    for ident in (made["uuid"], "model", made["uuid"].upper()):
        found = stand.api.get(f"/v1/{words.templates}/{ident}")
        assert found.status_int == 200
        assert found.json == made


def test_what_the_client_of_2016_sends(stand, words):
    answer = stand.api.post_json(f"/v1/{words.templates}", CLIENT_2016)
    assert answer.status_int == 201
    for key, value in CLIENT_2016.items():
        assert answer.json[key] == value, key


def test_its_default_storage_driver_is_refused_with_the_release(stand, words):
    answer = post(stand, words, docker_storage_driver="devicemapper")
    assert answer.json["docker_storage_driver"] is None  # its clients send it asked or not
    answer = post(stand, words, docker_storage_driver="devicemapper", docker_volume_size=5)
    answer = stand.api.post_json(
        f"/v1/{words.clusters}", {"name": "b", words.template_id: answer.json["uuid"]}, expect_errors=True
    )
    found = fields(answer)
    assert list(found) == ["docker_storage_driver"]
    assert "25.0" in found["docker_storage_driver"]


def test_both_dialects_see_the_same_row(stand, words):
    made = post(stand, words, labels={"a": 1}).json
    other = stand.api.get(f"/v1/{words.other.templates}/{made['uuid']}").json
    assert {k: v for k, v in other.items() if k != "links"} == {k: v for k, v in made.items() if k != "links"}
    assert words.other.templates in other["links"][0]["href"]
    stand.api.delete(f"/v1/{words.other.templates}/{made['uuid']}")
    (entry,) = errors(stand.api.get(f"/v1/{words.templates}/{made['uuid']}", expect_errors=True), 404)
    assert entry["detail"] == f"{words.Template} {made['uuid']} could not be found."


def test_nulls_mean_absent(stand, words):
    answer = post(stand, words, name=None, labels=None, public=None, dns_nameserver=None, uuid=None)
    assert answer.status_int == 201
    assert answer.json["name"]
    assert (answer.json["labels"], answer.json["public"]) == ({}, False)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"tls_disabled": "False", "registry_enabled": "True"},
            {"tls_disabled": False, "registry_enabled": True},
        ),
        ({"floating_ip_enabled": "false"}, {"floating_ip_enabled": False}),
        ({"master_lb_enabled": 1}, {"master_lb_enabled": True}),
        ({"docker_volume_size": "5"}, {"docker_volume_size": 5}),
        ({"docker_volume_size": 5.0}, {"docker_volume_size": 5}),
        ({"apiserver_port": "2376"}, {"apiserver_port": 2376}),
        ({"labels": "{'a': 'b', 'n': 5}"}, {"labels": {"a": "b", "n": "5"}}),
        ({"labels": '{"a": true}'}, {"labels": {"a": "True"}}),
        (
            {"labels": {"x": 5, "y": True, "z": 1.5, "s": ""}},
            {"labels": {"x": "5", "y": "True", "z": "1.5", "s": ""}},
        ),
        ({"coe": "swarm-mode"}, {"coe": "swarm"}),
        ({"dns_nameserver": "8.8.8.8, 2001:db8::1"}, {"dns_nameserver": "8.8.8.8, 2001:db8::1"}),
        ({"name": "名前 ☃ 😀"}, {"name": "名前 ☃ 😀"}),
        ({"name": "prod.json"}, {"name": "prod.json"}),
    ],
)
def test_what_is_taken(stand, words, sent, kept):
    answer = post(stand, words, **sent)
    assert answer.status_int == 201, answer.text
    for key, value in kept.items():
        assert answer.json[key] == value
        assert stand.api.get(f"/v1/{words.templates}/{answer.json['uuid']}").json[key] == value


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"coe": None}, "coe"), ({"coe": 5}, "coe"), ({"image_id": ""}, "image_id"),
        ({"image_id": None}, "image_id"), ({"name": ""}, "name"), ({"name": 5}, "name"),
        ({"name": "a\u0000b"}, "name"), ({"public": "maybe"}, "public"), ({"public": []}, "public"),
        ({"public": 2}, "public"), ({"docker_volume_size": "five"}, "docker_volume_size"),
        ({"docker_volume_size": True}, "docker_volume_size"), ({"docker_volume_size": 1.5}, "docker_volume_size"),
        ({"docker_volume_size": 1e300}, "docker_volume_size"), ({"apiserver_port": 70000}, "apiserver_port"),
        ({"labels": "{"}, "labels"), ({"labels": "[]"}, "labels"), ({"labels": []}, "labels"),
        ({"labels": "{[]: 1}"}, "labels"), ({"labels": "{{}: 1}"}, "labels"),
        ({"labels": "(" * 3000}, "labels"), ({"labels": "{'a': " * 2000}, "labels"),
        ({"labels": {"": "x"}}, "labels"), ({"labels": {"a": None}}, "labels"),
        ({"labels": {"a": "x" * 5000}}, "labels"), ({"labels": {"a\u0007": "x"}}, "labels"),
        ({"labels": {str(i): "x" for i in range(300)}}, "labels"),
        ({"labels": {"node_labels": "storage"}}, "labels/node_labels"),
        ({"labels": {"ssh_allowed_cidrs": "everywhere"}}, "labels/ssh_allowed_cidrs"),
        ({"network_driver": "calico"}, "network_driver"), ({"volume_driver": "nfs"}, "volume_driver"),
        ({"uuid": "x"}, "uuid"), ({"created_at": "2020-01-01"}, "created_at"), ({"links": []}, "links"),
        ({"project_id": "x"}, "project_id"), ({"cluster_distro": "x"}, "cluster_distro"),
    ],
)  # fmt: skip
def test_what_is_refused(shared, words, sent, field):
    assert list(fields(post(shared, words, **sent))) == [field]


def test_look_ups_name_their_field(shared, words):
    body = {
        "image_id": "no-image", "flavor_id": "no-flavor", "master_flavor_id": "no-master-flavor",
        "external_network_id": "no-net", "fixed_network": "no-fixed", "fixed_subnet": "no-subnet",
    }  # fmt: skip
    found = fields(post(shared, words, **body))
    assert set(found) == set(body)
    for name, value in body.items():
        assert value in found[name]
    assert "keypair_id" not in fields(post(shared, words, keypair_id="nobody's", coe="x"))
    assert post(shared, words, keypair_id="nobody's").status_int == 201


def test_images_must_say_their_distribution(shared, words):
    assert "os_distro" in fields(post(shared, words, image_id="plain"))["image_id"]


def test_ambiguous_image(stand, words):
    twin = Image("3f9f0d81-8d8e-4e6d-8d61-3c6e4f5a7b8c", "twin", "debian")
    stand.lookups.images = (*stand.lookups.images, twin)
    assert post(stand, words, image_id=twin.id).status_int == 201


@pytest.mark.parametrize("service", ["image", "compute", "network"])
def test_a_cloud_that_is_down(stand, words, service):
    stand.lookups.down = service
    answer = post(stand, words)
    (entry,) = errors(answer, 503)
    assert service in entry["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    stand.lookups.down = None
    assert post(stand, words).status_int == 201


def test_own_uuid(stand, words):
    mine = str(uuid.uuid4())
    assert post(stand, words, uuid=mine.upper()).json["uuid"] == mine
    errors(post(stand, words, uuid=mine), 409)


def test_names_are_not_unique(stand, words):
    first, second = (post(stand, words, name="cluster-twin").json for _ in range(2))
    (entry,) = errors(stand.api.get(f"/v1/{words.templates}/cluster-twin", expect_errors=True), 409)
    assert entry["code"] == "ambiguous-name"
    assert "cluster-twin" in entry["detail"]
    assert words.Template in entry["detail"]
    stand.api.delete(f"/v1/{words.templates}/{first['uuid']}")
    assert stand.api.get(f"/v1/{words.templates}/cluster-twin").json["uuid"] == second["uuid"]


@pytest.mark.parametrize(
    "name", ["prod.json", "a.txt", "x.html", "v1", "with space", "a:b", "100%", "ü", "a+b"]
)
def test_names_in_paths(stand, words, name):
    made = post(stand, words, name=name).json
    quoted = name.replace("%", "%25").replace(" ", "%20").replace("ü", "%C3%BC")
    assert stand.api.get(f"/v1/{words.templates}/{quoted}").json["uuid"] == made["uuid"]
    assert stand.api.delete(f"/v1/{words.templates}/{quoted}").status_int == 204


def test_public_and_hidden(stand, words):
    for flag in ("public", "hidden"):
        (entry,) = errors(post(stand, words, **{flag: True}), 403)
        assert "public or hidden" in entry["detail"]
    admin, other = stand.as_caller(roles="admin"), stand.as_caller(project="b" * 32)
    made = admin.post_json(f"/v1/{words.templates}", TEMPLATE | {"public": True, "name": "all"}).json
    path = f"/v1/{words.templates}/{made['uuid']}"
    assert other.get(path).json["public"] is True
    assert [t["uuid"] for t in other.get(f"/v1/{words.templates}").json[words.templates]] == [made["uuid"]]
    assert other.get("/v1/clustertemplates/all").status_int == 200
    body = {words.template_id: made["uuid"], "name": "theirs"}
    assert other.post_json(f"/v1/{words.clusters}", body).status_int in {201, 202}
    errors(other.delete(path, expect_errors=True), 403)
    errors(
        other.patch_json(path, [{"op": "replace", "path": "/name", "value": "x"}], expect_errors=True), 403
    )
    admin.patch_json(path, [{"op": "replace", "path": "/hidden", "value": True}])
    errors(other.get(path, expect_errors=True), 404)
    answer = other.post_json(f"/v1/{words.clusters}", body, expect_errors=True)
    assert answer.status_int in {400, 404}


def test_a_member_may_not_publish_by_patch(stand, words):
    made = post(stand, words).json
    for flag in ("public", "hidden"):
        patch = [{"op": "replace", "path": f"/{flag}", "value": True}]
        errors(stand.api.patch_json(f"/v1/{words.templates}/{made['uuid']}", patch, expect_errors=True), 403)


def test_in_use(stand, words):
    made = post(stand, words).json
    uuid_ = stand.cluster(made)
    path = f"/v1/{words.templates}/{made['uuid']}"
    (entry,) = errors(stand.api.delete(path, expect_errors=True), 400)
    assert (
        f"{words.Template} {made['uuid']} is referenced by one or multiple {words.clusters}"
        in entry["detail"]
    )
    stand.api.delete(f"/v1/clusters/{uuid_}")
    assert stand.converge(uuid_) is None
    assert stand.api.delete(path).status_int == 204
    errors(stand.api.delete(path, expect_errors=True), 404)


def test_clusters_keep_what_they_were_made_from(stand, words):
    made = post(stand, words, labels={"availability_zone": "a"}).json
    uuid_ = stand.cluster(made)
    patch = [{"op": "replace", "path": "/labels", "value": {"availability_zone": "b"}}]
    stand.api.patch_json(f"/v1/{words.templates}/{made['uuid']}", patch)
    assert stand.get(uuid_)["labels"] == {"availability_zone": "a"}


def test_secret_labels_are_masked(stand, words):
    secret = "registry.example.org=robot:hunter2"
    made = post(stand, words, labels={"registry_auth": secret, "a": "b"}).json
    assert made["labels"] == {"registry_auth": "***", "a": "b"}
    uuid_ = stand.cluster(made)
    for path in (f"{words.templates}", f"{words.templates}/{made['uuid']}", f"{words.clusters}/detail",
                 f"{words.clusters}/{uuid_}", f"{words.clusters}/{uuid_}/events"):  # fmt: skip
        assert "hunter2" not in stand.api.get(f"/v1/{path}").text
    answer = post(stand, words, labels={"registry_auth": "x=robot:hunter2,hunter3"})
    assert "hunter" not in answer.text
    assert answer.status_int == 400


def test_masked_labels_survive_a_patch(stand, words):
    """A client that reads labels, changes one and writes all of them back must not lose the secret."""
    secret = "registry.example.org=robot:hunter2"
    made = post(stand, words, labels={"registry_auth": secret}).json
    patch = [{"op": "replace", "path": "/labels", "value": made["labels"] | {"a": "b"}}]
    stand.api.patch_json(f"/v1/{words.templates}/{made['uuid']}", patch)
    with stand.database.read() as connection:
        from magnum_lite.db import cluster_templates

        row = cluster_templates.get(connection, made["uuid"], None)
    assert row["labels"] == {"registry_auth": secret, "a": "b"}
