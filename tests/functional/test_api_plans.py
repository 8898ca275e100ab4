"""Plan before act: what would be made, changed and removed, and what stands against it. Nothing is stored."""

import pytest
import sqlalchemy as sa

from magnum_lite.db import schema
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackRefused
from tests.functional.test_api_clusters import limits
from tests.support.stand import OTHER

V = {"OpenStack-API-Version": "container-infra 1.14"}
TABLES = [schema.cluster, schema.nodegroup, schema.node, schema.event]


@pytest.fixture
def bay(stand):
    uuid = stand.cluster(node_count=2)
    stand.converge(uuid)
    return uuid


@pytest.fixture(autouse=True)
def stores_nothing(request, stand):
    """Whatever a plan is asked for, every table stays as it is: each call is checked."""
    planned = stand.api.__class__.do_request

    def everything():
        with stand.database.read() as connection:
            return {
                t.name: sorted(map(repr, connection.execute(sa.select(t)).fetchall()))
                for t in schema.metadata.sorted_tables
            }

    def checked(self, req, *args, **kwargs):
        before = everything() if "plan=" in (req.query_string or "") else None
        answer = planned(self, req, *args, **kwargs)
        assert before is None or everything() == before
        return answer

    stand.api.__class__.do_request = checked
    request.addfinalizer(lambda: setattr(stand.api.__class__, "do_request", planned))


def create(stand, status=200, words="clusters", **body):
    template = body.pop("template", None) or stand.template()["uuid"]
    name = "baymodel_id" if words == "bays" else "cluster_template_id"
    return stand.api.post_json(f"/v1/{words}?plan=true", {name: template} | body, status=status).json


@pytest.mark.parametrize("words", ["clusters", "bays"])
def test_of_a_creation(stand, words):
    plan = create(stand, words=words, name="one", node_count=2)
    assert plan["action"] == "create" and plan["feasible"] and plan["problems"] == []
    assert len(plan["nodes"]["added"]) == 3 and plan["nodes"]["removed"] == []
    assert plan["nodes"]["added"][0].startswith("one-")
    assert plan["resources"]["added"] == {"OS::Nova::Server": 3}
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert need == {"instances": 3, "cores": 6, "ram": 12288, "floating_ips": 3, "clusters": 1}
    assert stand.api.get("/v1/clusters").json["clusters"] == []


def test_what_would_fail_is_said_all_at_once(stand):
    stand.lookups.limits = limits(cores=5, floating_ips=1, ram=10**6)
    stand.conf.set_override("max_clusters_per_project", 0, group="cluster")
    plan = create(stand, node_count=2)
    assert not plan["feasible"]
    assert [p["message"] for p in plan["problems"]] == [
        "cores: 6 needed, 5 left",
        "floating_ips: 3 needed, 1 left",
        "clusters: 1 needed, 0 left",
    ]
    plan = create(stand, node_count=2, flavor_id="huge", fixed_network="nowhere", labels={"node_labels": "x"})
    fields = {p["field"] for p in plan["problems"] if p["code"] == "invalid-input"}
    assert fields == {"flavor_id", "fixed_network", "labels/node_labels"}
    assert plan["resources"] is None


def test_volumes_count(stand):
    plan = create(stand, node_count=2, docker_volume_size=10)
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["volumes"], need["gigabytes"]) == (3, 30)
    plan = create(stand, node_count=2, docker_volume_size=10, labels={"etcd_volume_size": "7"})
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["volumes"], need["gigabytes"]) == (3, 30), "Swarm has no etcd"


def test_volumes_of_etcd_count(stand):
    template = stand.template(coe="kubernetes", labels={"etcd_volume_size": "7"})
    plan = create(stand, template=template["uuid"], master_count=3, node_count=2)
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["volumes"], need["gigabytes"]) == (3, 21)
    bay = stand.cluster(template=template, node_count=1)
    after = stand.template(coe="kubernetes", labels=template["labels"], image_id="debian-12-node")
    upgrade = f"/v1/clusters/{bay}/actions/upgrade?plan=true"
    plan = stand.api.post_json(upgrade, {"cluster_template": after["uuid"]}, headers=V).json
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["instances"], need["volumes"], need["gigabytes"]) == (1, 1, 7), "a new master's, too"
    for size in ("-1", "70000", "many"):
        plan = create(stand, template=template["uuid"], labels={"etcd_volume_size": size})
        assert [p["field"] for p in plan["problems"]] == ["labels/etcd_volume_size"]


@pytest.mark.parametrize("coe", ["swarm", "kubernetes"])
def test_volumes_to_boot_from_count(stand, coe):
    template = stand.template(coe=coe, labels={"boot_volume_size": "20", "boot_volume_type": "fast"})
    plan = create(stand, template=template["uuid"], master_count=3, node_count=2, docker_volume_size=10)
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["volumes"], need["gigabytes"]) == (10, 150)
    assert not plan["warnings"]
    for size in ("-1", "70000", "many"):
        plan = create(stand, template=template["uuid"], labels={"boot_volume_size": size})
        assert [p["field"] for p in plan["problems"]] == ["labels/boot_volume_size"]


def test_unknown_labels_are_warned_about(stand):
    plan = create(stand, labels={"registry_miror": "http://x"})
    assert plan["feasible"] and "Did you mean registry_mirror?" in plan["warnings"][0]


def test_heats_word_is_in_the_plan(stand, bay):
    stand.stacks.fail_next("preview", StackRefused("the flavor is too small for the image"))
    assert "too small for the image" in create(stand)["problems"][0]["message"]
    stand.stacks.fail_next("preview", OrchestrationUnavailable("x"))
    plan = create(stand)
    assert not plan["feasible"] and plan["resources"] is None and "does not answer" in str(plan["problems"])
    stand.conf.set_override("max_stack_resources", 10, group="conductor")
    assert "11 resources" in create(stand, node_count=10)["problems"][0]["message"]
    url = f"/v1/clusters/{bay}/actions/resize?plan=1"
    plan = stand.api.post_json(url, {"node_count": 10}, status=200).json
    assert "11 resources" in plan["problems"][0]["message"]


def test_heats_limit_of_stacks(stand, bay):
    stand.conf.set_override("max_stacks", 1, group="conductor")
    assert "1 stacks, and Heat allows 1" in create(stand)["problems"][0]["message"]
    patch = [{"op": "replace", "path": "/node_count", "value": 3}]
    assert stand.api.patch_json(f"/v1/clusters/{bay}?plan=true", patch, status=200).json["feasible"]


def test_novas_limit_of_user_data(stand, monkeypatch):
    assert create(stand)["feasible"]
    monkeypatch.setattr("magnum_lite.conductor.plan.MAX_USER_DATA", 10_000)
    assert "Nova takes 10000" in create(stand)["problems"][0]["message"]


def test_a_heat_that_goes_away_halfway(stand):
    stand.stacks.fail_next("count", OrchestrationUnavailable("x"))
    plan = create(stand)
    assert "does not answer" in plan["problems"][0]["message"]


def test_of_an_update(stand, bay):
    patch = [{"op": "replace", "path": "/node_count", "value": 4}]
    plan = stand.api.patch_json(f"/v1/clusters/{bay}?plan=true", patch, status=200).json
    assert plan["action"] == "update" and len(plan["nodes"]["added"]) == 2
    assert plan["resources"]["added"] == {"OS::Nova::Server": 2} and plan["resources"]["removed"] == {}
    assert {q["resource"]: q["needed"] for q in plan["quotas"]}["instances"] == 2
    plan = stand.api.patch_json(f"/v1/clusters/{bay}?plan=true", [], status=200).json
    assert plan["feasible"] and plan["nodes"] == {"added": [], "removed": []}


def test_of_a_resize_with_chosen_nodes(stand, bay):
    workers = [n for n in stand.api.get(f"/v1/clusters/{bay}/nodes").json["nodes"] if n["role"] == "worker"]
    url = f"/v1/clusters/{bay}/actions/resize"
    body = {"node_count": 1, "nodes_to_remove": ["0"]}
    plan = stand.api.post_json(f"{url}?plan=true", body, status=200).json
    assert plan["nodes"] == {"added": [], "removed": [workers[0]["hostname"]]}
    assert plan["resources"]["removed"] == {"OS::Nova::Server": 1}
    body = {"node_count": 3, "nodes_to_remove": ["7"]}
    plan = stand.api.post_json(f"{url}?plan=true", body, status=200).json
    assert not plan["feasible"] and plan["problems"][0]["field"] == "nodes_to_remove/0"
    stand.api.post_json(url, {"node_count": 1, "nodes_to_remove": ["0"]}, status=202)
    stand.settle(bay)
    left = [n for n in stand.api.get(f"/v1/clusters/{bay}/nodes").json["nodes"] if n["role"] == "worker"]
    assert [n["hostname"] for n in left] == [workers[1]["hostname"]]


def test_what_is_planned_is_what_comes(stand, bay):
    url = f"/v1/clusters/{bay}/actions/resize"
    stand.api.post_json(url, {"node_count": 1, "nodes_to_remove": ["0"]}, status=202)
    stand.settle(bay)
    planned = stand.api.post_json(f"{url}?plan=true", {"node_count": 3}, status=200).json["nodes"]["added"]
    stand.api.post_json(url, {"node_count": 3}, status=202)
    stand.converge(bay)
    there = {n["hostname"] for n in stand.api.get(f"/v1/clusters/{bay}/nodes").json["nodes"]}
    assert len(planned) == 2 and set(planned) <= there


def test_indices_that_were_used_do_not_come_back(stand, bay):
    """Nor in a plan, when a group grows again from nothing."""
    url, latest = f"/v1/clusters/{bay}/actions/resize", {"headers": V}
    stand.api.post_json(url, {"node_count": 0}, status=202, **latest)
    stand.settle(bay)
    planned = stand.api.post_json(f"{url}?plan=true", {"node_count": 2}, status=200, **latest).json["nodes"]
    assert [name.rpartition("-")[2] for name in planned["added"]] == ["2", "3"]
    stand.api.post_json(url, {"node_count": 2}, status=202, **latest)
    stand.settle(bay)
    there = {n["hostname"] for n in stand.api.get(f"/v1/clusters/{bay}/nodes").json["nodes"]}
    assert set(planned["added"]) < there


def test_a_failed_node_is_replaced_in_the_plan(stand, bay):
    with stand.database.write() as connection:
        c = schema.node.c
        failed = connection.execute(
            sa.select(c.hostname).where(c.role == "worker", c.index == 1)
        ).scalar_one()
        connection.execute(schema.node.update().where(c.hostname == failed).values(state="failed"))
    patch = [{"op": "replace", "path": "/node_count", "value": 2}]
    stand.api.patch_json(f"/v1/clusters/{bay}", [*patch], status=202)
    plan = stand.api.patch_json(f"/v1/clusters/{bay}?plan=true", patch, status=200).json["nodes"]
    assert plan["removed"] == [failed]
    assert [name.rpartition("-")[2] for name in plan["added"]] == ["2"]


def test_no_secret_travels_to_the_conductor(stand, bay, monkeypatch):
    told = []
    ask = stand.conductors.plan
    monkeypatch.setattr(stand.conductors, "plan", lambda *a: (told.append(repr(a)), ask(*a))[1])
    secret = {"registry_auth": "registry.example.org=ana:hunter2"}
    assert create(stand, template=stand.template(labels=secret)["uuid"])["feasible"]
    assert create(stand, labels=secret)["feasible"]
    uuid = stand.cluster(labels=secret)
    url = f"/v1/clusters/{uuid}/actions/resize?plan=true"
    assert stand.api.post_json(url, {"node_count": 3}, status=200).json["feasible"]
    assert len(told) == 3 and "hunter2" not in "".join(told)


def test_of_a_rollback(stand, bay):
    stand.api.post_json(f"/v1/clusters/{bay}/actions/resize", {"node_count": 3}, status=202)
    url = f"/v1/clusters/{bay}?rollback=True&plan=true"
    plan = stand.api.patch_json(url, [], headers=V, status=200).json
    assert plan["action"] == "rollback"
    fresh = stand.cluster()
    stand.api.patch_json(f"/v1/clusters/{fresh}?rollback=True&plan=true", [], headers=V, status=409)


def test_of_a_deletion(stand, bay):
    plan = stand.api.delete(f"/v1/clusters/{bay}?plan=true", status=200).json
    assert plan["action"] == "delete" and len(plan["nodes"]["removed"]) == 3
    assert plan["resources"]["removed"] == {"OS::Nova::Server": 3}
    never = stand.cluster()
    plan = stand.api.delete(f"/v1/clusters/{never}?plan=true", status=200).json
    assert plan["feasible"] and plan["nodes"]["removed"] == []


def test_of_node_groups(stand, bay):
    url = f"/v1/clusters/{bay}/nodegroups"
    body = {"name": "fast", "node_count": 2, "flavor_id": "m1.small"}
    plan = stand.api.post_json(f"{url}?plan=true", body, headers=V, status=200).json
    assert plan["action"] == "create" and len(plan["nodes"]["added"]) == 2
    assert {q["resource"]: q["needed"] for q in plan["quotas"]}["cores"] == 2
    stand.api.post_json(url, body, headers=V, status=202)
    stand.converge(bay)
    patch = [{"op": "replace", "path": "/node_count", "value": 1}]
    plan = stand.api.patch_json(f"{url}/fast?plan=true", patch, headers=V, status=200).json
    assert plan["action"] == "update" and len(plan["nodes"]["removed"]) == 1
    plan = stand.api.delete(f"{url}/fast?plan=true", headers=V, status=200).json
    assert plan["action"] == "delete" and len(plan["nodes"]["removed"]) == 2
    stand.api.post_json(f"{url}?plan=true", {"name": "fast"}, headers=V, status=409)


def test_an_upgrade_to_what_is_not_there(stand, bay):
    body = {"cluster_template": "x"}
    stand.api.post_json(f"/v1/clusters/{bay}/actions/upgrade?plan=true", body, headers=V, status=404)


def test_what_is_an_error_there_is_one_here(stand, bay):
    other, reader = stand.as_caller(project=OTHER), stand.as_caller(roles="reader")
    other.delete(f"/v1/clusters/{bay}?plan=true", status=404)
    reader.delete(f"/v1/clusters/{bay}?plan=true", status=403)
    create(stand, status=400, bogus=1)
    create(stand, status=400, template="nothing")
    stand.api.get(f"/v1/clusters/{bay}?plan=true", status=400)
