"""Quotas, numbers, conductors and federations."""

import pytest

from magnum_lite.db import services
from tests.support.stand import OTHER, PROJECT


@pytest.fixture
def admin(stand):
    return stand.as_caller(roles="admin", project="c" * 32)


def made(admin, project=PROJECT, limit=3):
    body = {"project_id": project, "resource": "Cluster", "hard_limit": limit}
    return admin.post_json("/v1/quotas", body, status=201).json


def test_a_quotas_life(stand, admin):
    found = made(admin)
    assert found["hard_limit"] == 3 and found["project_id"] == PROJECT and isinstance(found["id"], int)
    assert stand.api.get(f"/v1/quotas/{PROJECT}/Cluster").json == found
    admin.post_json("/v1/quotas", {"project_id": PROJECT, "hard_limit": 1}, status=409)
    body = {"project_id": PROJECT, "resource": "Cluster", "hard_limit": 7}  # as magnumclient sends it
    changed = admin.patch_json(f"/v1/quotas/{PROJECT}/Cluster", body, status=202).json
    assert changed["hard_limit"] == 7 and changed["updated_at"]
    admin.delete(f"/v1/quotas/{PROJECT}/Cluster", status=204)
    admin.delete(f"/v1/quotas/{PROJECT}/Cluster", status=404)
    default = stand.api.get(f"/v1/quotas/{PROJECT}/Cluster").json
    assert default["hard_limit"] == stand.conf.cluster.max_clusters_per_project and default["id"] is None


def test_a_quota_holds(stand, admin):
    made(admin, limit=0)
    template = stand.template()["uuid"]
    answer = stand.api.post_json("/v1/clusters", {"cluster_template_id": template}, status=403)
    assert "maximum clusters per project, 0" in answer.text


def test_lists_and_pages(stand, admin):
    for number in range(3):
        made(admin, project=f"p{number}")
    assert admin.get("/v1/quotas").json["quotas"] == []
    first = admin.get("/v1/quotas?all_tenants=True&limit=2").json
    assert [q["project_id"] for q in first["quotas"]] == ["p0", "p1"]
    marker = first["quotas"][-1]["id"]
    assert f"marker={marker}" in first["next"]
    second = admin.get(f"/v1/quotas?all_tenants=True&marker={marker}").json
    assert [q["project_id"] for q in second["quotas"]] == ["p2"]
    admin.get("/v1/quotas?marker=x", status=400)
    admin.get("/v1/quotas?all_tenants=1&sort_key=hard_limit&sort_dir=desc")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"project_id": PROJECT, "hard_limit": -2}, 400),
        ({"project_id": PROJECT, "hard_limit": "many"}, 400),
        ({"project_id": PROJECT, "resource": "Pod", "hard_limit": 1}, 400),
        ({"hard_limit": 1}, 400),
        ({"project_id": PROJECT, "hard_limit": 1, "bogus": 1}, 400),
        ({"project_id": "nobody", "hard_limit": 1}, 404),
    ],
)
def test_bad_quotas(admin, body, status):
    admin.post_json("/v1/quotas", body, status=status)


def test_bad_changes(admin):
    made(admin)
    url = f"/v1/quotas/{PROJECT}/Cluster"
    admin.patch_json(url, {"hard_limit": -5}, status=400)
    admin.patch_json(url, {"hard_limit": 1, "project_id": OTHER}, status=400)
    admin.patch_json(url, [{"op": "replace", "path": "/hard_limit", "value": 1}], status=400)
    admin.patch_json(f"/v1/quotas/{OTHER}/Cluster", {"hard_limit": 1}, status=404)
    admin.get(f"/v1/quotas/{PROJECT}/Pod", status=400)


def test_quotas_are_the_administrators(stand, admin):
    made(admin)
    url = f"/v1/quotas/{PROJECT}/Cluster"
    stand.api.get("/v1/quotas", status=403)
    stand.api.post_json("/v1/quotas", {"project_id": PROJECT, "hard_limit": 9}, status=403)
    stand.api.patch_json(url, {"hard_limit": 9}, status=403)
    stand.api.delete(url, status=403)
    stand.as_caller(project=OTHER).get(url, status=403)
    assert stand.api.get(url).json["hard_limit"] == 3


def test_numbers(stand, admin):
    template = stand.template()
    stand.cluster(template, node_count=2)
    stand.cluster(template, node_count=1)
    assert stand.api.get("/v1/stats").json == {"clusters": 2, "nodes": 5}
    assert stand.api.get(f"/v1/stats?project_id={PROJECT}&type=cluster").json["clusters"] == 2
    other = stand.as_caller(project=OTHER)
    assert other.get("/v1/stats").json == {"clusters": 0, "nodes": 0}
    other.get(f"/v1/stats?project_id={PROJECT}", status=403)
    assert admin.get("/v1/stats").json == {"clusters": 2, "nodes": 5}
    assert admin.get(f"/v1/stats?project_id={OTHER}").json == {"clusters": 0, "nodes": 0}
    stand.api.get("/v1/stats?type=pod", status=400)


def test_conductors(stand, admin):
    with stand.database.write() as connection:
        services.beat(connection, "host-1", "magnum-conductor")
        services.beat(connection, "host-2", "magnum-conductor")
        connection.exec_driver_sql("UPDATE service SET last_seen = last_seen - 3600 WHERE host = 'host-2'")
    found = admin.get("/v1/mservices").json["mservices"]
    assert [(s["host"], s["binary"], s["state"]) for s in found] == [
        ("host-1", "magnum-conductor", "up"),
        ("host-2", "magnum-conductor", "down"),
    ]
    assert found[0]["id"] and found[0]["report_count"] == 1 and found[0]["disabled"] is False
    stand.api.get("/v1/mservices", status=403)


def test_there_are_no_federations(stand):
    assert stand.api.get("/v1/federations").json == {"federations": []}
    assert stand.api.get("/v1/federations/detail").json == {"federations": []}
    answer = stand.api.post_json("/v1/federations", {"name": "f"}, status=501).json
    assert answer["errors"][0]["code"] == "not-supported"
    stand.api.get("/v1/federations/f", status=404)
    stand.api.patch_json("/v1/federations/f", [], status=404)
    stand.api.delete("/v1/federations/f", status=404)
    stand.as_caller(roles="reader").post_json("/v1/federations", {}, status=403)
