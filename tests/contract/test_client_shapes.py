"""What the clients that can not be run here send, and what they read out of the answers.

The shapes are those of their sources: Horizon's magnum-ui, gophercloud (and with it Terraform, the cluster
autoscaler and the auto-healer), Heat's OS::Magnum resources, the ansible modules and Rally. A change of ours
that breaks one of them breaks a test that names it.
"""

import datetime as dt
import json
import urllib.parse

import pytest

from magnum_lite import paths
from magnum_lite.drivers import registry
from magnum_lite.orchestration.templates import Templates
from magnum_lite.pki.requests import client_request
from tests.support.bay_spec import groups, more, spec

LATEST = {"OpenStack-API-Version": "container-infra latest"}


def version(number):
    """The header of a microversion."""
    return {"OpenStack-API-Version": f"container-infra {number}"}


@pytest.fixture
def ready(stand):
    """A complete cluster; its uuid."""
    uuid = stand.cluster(name="ready", labels={"tier": "fast"})
    stand.converge(uuid)
    return uuid


class TestHorizon:
    """magnum_ui/api/magnum.py: magnumclient at 1.13; values on create and in patches are strings."""

    headers = version("1.13")

    def test_every_value_of_a_template_is_a_string(self, stand):
        body = {
            "name": "ui", "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium",
            "master_flavor_id": "m1.small", "keypair_id": "my-key", "external_network_id": "CERN_NETWORK",
            "dns_nameserver": "8.8.8.8", "docker_volume_size": "7", "docker_storage_driver": "overlay2",
            "public": "False", "hidden": "False", "registry_enabled": "False", "tls_disabled": "False",
            "master_lb_enabled": "False", "floating_ip_enabled": "True", "labels": {"node_labels": "a=b"},
        }  # fmt: skip
        made = stand.api.post_json("/v1/clustertemplates", body, headers=self.headers, status=201).json
        assert made["docker_volume_size"] == 7
        assert made["floating_ip_enabled"] is True
        assert made["tls_disabled"] is made["public"] is made["hidden"] is False

        patch = [
            {"op": "replace", "path": "/docker_volume_size", "value": "9"},
            {"op": "replace", "path": "/floating_ip_enabled", "value": "False"},
            {"op": "replace", "path": "/labels", "value": "{'tier': 'fast'}"},
            {"op": "remove", "path": "/dns_nameserver"},
        ]
        path = f"/v1/clustertemplates/{made['uuid']}"
        changed = stand.api.patch_json(path, patch, headers=self.headers, status=200).json
        assert changed["docker_volume_size"] == 9
        assert changed["floating_ip_enabled"] is False
        assert changed["labels"] == {"tier": "fast"}

    def test_every_value_of_a_cluster_is_a_string(self, stand):
        body = {
            "name": "ui", "cluster_template_id": stand.template()["uuid"], "keypair": "my-key",
            "node_count": "2", "master_count": "1", "docker_volume_size": "5", "create_timeout": "60",
            "floating_ip_enabled": "True", "master_lb_enabled": "False", "merge_labels": "True",
            "labels": {"tier": "fast"}, "flavor_id": "m1.small", "master_flavor_id": "m1.small",
        }  # fmt: skip
        uuid = stand.api.post_json("/v1/clusters", body, headers=self.headers, status=202).json["uuid"]
        shown = stand.api.get(f"/v1/clusters/{uuid}", headers=self.headers).json
        assert (shown["node_count"], shown["docker_volume_size"], shown["create_timeout"]) == (2, 5, 60)
        assert shown["merge_labels"] is True
        assert "stack_id" not in shown
        assert "cluster_id" in shown
        patch = [{"op": "replace", "path": "/node_count", "value": "3"}]
        stand.api.patch_json(f"/v1/clusters/{uuid}", patch, headers=self.headers, status=202)

    def test_its_pages(self, stand, ready):
        (row,) = stand.api.get("/v1/clusters/detail", headers=self.headers).json["clusters"]
        assert row["uuid"] == ready
        (template,) = stand.api.get("/v1/clustertemplates/detail", headers=self.headers).json[
            "clustertemplates"
        ]
        assert template["uuid"] == row["cluster_template_id"]
        stats = stand.api.get("/v1/stats", headers=self.headers).json
        assert stats == {"clusters": 1, "nodes": 3}
        stand.api.get(f"/v1/clusters/{ready}/nodegroups", headers=self.headers)
        admin = stand.as_caller(roles="admin", project="0" * 32)
        assert admin.get("/v1/quotas?all_tenants=True", headers=self.headers).json["quotas"] == []

    def test_resize_with_an_empty_list(self, stand, ready):
        body = {"node_count": 1, "nodes_to_remove": [], "nodegroup": None}
        stand.api.post_json(f"/v1/clusters/{ready}/actions/resize", body, headers=self.headers, status=202)


class TestGophercloud:
    """openstack/containerinfra/v1: typed answers, fixed success codes, ``next`` is followed as it is."""

    def test_create_with_what_is_unset(self, stand):
        body = {
            "cluster_template_id": stand.template()["uuid"],
            "create_timeout": None,
            "name": "",
            "master_count": 1,
            "node_count": 1,
        }
        answer = stand.api.post_json("/v1/clusters", body, status=202)
        assert set(answer.json) == {"uuid"}
        shown = stand.api.get(f"/v1/clusters/{answer.json['uuid']}").json
        assert shown["name"], "a name is made for it"
        assert shown["create_timeout"] == 60

    def test_types_of_a_cluster(self, stand, ready):
        shown = stand.api.get(f"/v1/clusters/{ready}").json
        strings = ["api_address", "cluster_template_id", "coe_version", "container_version", "flavor_id"]
        strings += ["keypair", "master_flavor_id", "name", "project_id", "stack_id", "status", "uuid"]
        strings += ["status_reason", "user_id", "fixed_network", "fixed_subnet", "discovery_url"]
        for name in strings:  # a Go string takes null, too
            assert isinstance(shown[name], str | None), name
        for name in ("node_count", "master_count", "create_timeout"):
            assert type(shown[name]) is int, name
        assert isinstance(shown["docker_volume_size"], int | None)
        maps = ("labels", "labels_overridden", "labels_added", "labels_skipped", "health_status_reason")
        for name in maps:
            assert all(type(v) is str for v in shown[name].values()), name
        for name in ("node_addresses", "master_addresses"):
            assert all(type(v) is str for v in shown[name]), name
        for name in ("floating_ip_enabled", "master_lb_enabled", "merge_labels"):
            assert type(shown[name]) is bool, name
        for name in ("created_at", "updated_at"):  # RFC 3339 wants an offset
            if shown[name] is not None:
                assert dt.datetime.fromisoformat(shown[name]).tzinfo, name
        assert all(set(link) == {"href", "rel"} for link in shown["links"])

    def test_labels_are_strings_whatever_was_sent(self, stand):
        made = stand.template(labels={"number": 5, "yes": True})
        assert made["labels"] == {"number": "5", "yes": "True"}

    @pytest.mark.parametrize("path", ["clusters", "clusters/detail", "clustertemplates"])
    def test_pages_are_followed_by_their_links(self, stand, path):
        collection = path.partition("/")[0]
        template = stand.template()
        made = {stand.cluster(template) for _ in range(5)}
        if collection == "clustertemplates":
            made = {template["uuid"], *(stand.template()["uuid"] for _ in range(4))}
        url, seen = f"/v1/{path}?limit=2", []
        while url:
            page = stand.api.get(url).json
            if not page[collection]:
                break
            seen += [row["uuid"] for row in page[collection]]
            url = page.get("next")
            assert url is None or urllib.parse.urlsplit(url).netloc, "absolute"
        assert len(seen) == len(set(seen)) == 5
        assert set(seen) == made

    def test_success_codes(self, stand, ready):
        template = stand.template()
        path = f"/v1/clustertemplates/{template['uuid']}"
        patch = [{"op": "replace", "path": "/master_lb_enabled", "value": "True"}]
        assert stand.api.patch_json(path, patch).status_int in {200, 202}
        assert stand.api.delete(path).status_int in {202, 204}
        assert stand.api.get(f"/v1/certificates/{ready}").status_int in {200, 202}
        _, csr = client_request("Your Name")
        for name in ("cluster_uuid", "bay_uuid"):
            made = stand.api.post_json("/v1/certificates", {name: ready, "csr": csr}, status=201).json
            assert made["pem"]
            assert made["csr"] == csr
        assert stand.api.delete(f"/v1/clusters/{ready}").status_int in {202, 204}

    def test_a_node_group(self, stand, ready):
        body = {"name": "extra", "node_count": 1, "min_node_count": 0, "max_node_count": 5, "role": "worker"}
        path = f"/v1/clusters/{ready}/nodegroups"
        made = stand.api.post_json(path, body, headers=version("1.9"), status=202).json
        assert type(made["id"]) is int
        assert made["max_node_count"] == 5
        patch = [{"op": "replace", "path": "/max_node_count", "value": 3}]
        answer = stand.api.patch_json(f"{path}/{made['uuid']}", patch, headers=version("1.9"))
        assert answer.status_int in {200, 202}

    def test_a_quota(self, stand):
        admin = stand.as_caller(roles="admin", project="0" * 32)
        body = {"project_id": "a" * 32, "resource": "Cluster", "hard_limit": 10}
        made = admin.post_json("/v1/quotas", body, status=201).json
        assert (type(made["id"]), made["hard_limit"]) == (int, 10)


class TestTerraform:
    """terraform-provider-openstack: gophercloud, with strings for numbers and labels in its patches."""

    def test_labels_as_text(self, stand):
        path = f"/v1/clustertemplates/{stand.template()['uuid']}"
        patch = [{"op": "replace", "path": "/labels", "value": "{'kube_tag':'v1.30.1','tier':'fast'}"}]
        assert stand.api.patch_json(path, patch).json["labels"] == {"kube_tag": "v1.30.1", "tier": "fast"}
        patch = [{"op": "remove", "path": "/dns_nameserver"}]
        assert stand.api.patch_json(path, patch, expect_errors=True).status_int < 500
        for name in ("tls_disabled", "registry_enabled", "floating_ip_enabled", "master_lb_enabled"):
            patch = [{"op": "replace", "path": f"/{name}", "value": "true"}]
            assert stand.api.patch_json(path, patch).json[name] is True

    def test_node_count_as_text_and_polling(self, stand, ready):
        path = f"/v1/clusters/{ready}"
        patch = [{"op": "replace", "path": "/node_count", "value": "1"}]
        stand.api.patch_json(path, patch, status=202)
        seen = [stand.api.get(path).json["status"]]
        assert stand.settle(ready)["status"] == "UPDATE_COMPLETE"
        assert seen == ["UPDATE_IN_PROGRESS"]

    def test_no_nodes(self, stand):
        body = {"name": "none", "cluster_template_id": stand.template()["uuid"], "node_count": 0}
        stand.api.post_json("/v1/clusters", body, headers=version("1.10"), status=202)

    def test_after_every_read(self, stand, ready):
        listed = stand.api.get(f"/v1/clusters/{ready}/nodegroups", headers=version("1.9")).json["nodegroups"]
        defaults = [g for g in listed if g["is_default"] and g["role"] != "master"]
        assert sum(g["node_count"] for g in defaults) == 2
        shown = stand.api.get(f"/v1/clusters/{ready}", headers=version("1.9")).json
        for name in ("labels_added", "labels_skipped", "labels_overridden"):
            assert isinstance(shown[name], dict)

    def test_no_most_count_means_remove(self, stand, ready):
        path = f"/v1/clusters/{ready}/nodegroups/default-worker"
        patch = [{"op": "replace", "path": "/max_node_count", "value": 4}]
        stand.api.patch_json(path, patch, headers=version("1.9"), status=202)
        patch = [{"op": "remove", "path": "/max_node_count"}]
        stand.api.patch_json(path, patch, headers=version("1.9"), status=202)
        assert stand.api.get(path, headers=version("1.9")).json["max_node_count"] is None

    def test_gone_is_404(self, stand, ready):
        stand.api.delete(f"/v1/clusters/{ready}")
        assert stand.settle(ready) is None
        stand.api.get(f"/v1/clusters/{ready}", status=404)


class TestHeat:
    """OS::Magnum::*: magnumclient without a version header, explicit nulls for what is unset."""

    @pytest.mark.parametrize(
        ("collection", "template"), [("clusters", "cluster_template_id"), ("bays", "baymodel_id")]
    )
    def test_nulls(self, stand, collection, template):
        timeout = "create_timeout" if collection == "clusters" else "bay_create_timeout"
        body = {"name": None, template: stand.template()["uuid"], "keypair": None, "node_count": 1}
        body |= {"master_count": 1, "discovery_url": None, timeout: 60}
        if collection == "bays":
            del body["keypair"]
        made = stand.api.post_json(f"/v1/{collection}", body)
        assert made.status_int == (202 if collection == "clusters" else 201)
        assert made.json["uuid"]

    def test_a_template_with_all_its_defaults(self, stand):
        body = {
            "name": "stack-template-abc", "coe": "swarm", "image_id": "fedora-atomic-23",
            "external_network_id": "CERN_NETWORK", "keypair_id": "my-key", "flavor_id": "m2.medium",
            "labels": {}, "tls_disabled": False, "public": False, "registry_enabled": False,
            "server_type": "vm", "master_lb_enabled": True, "floating_ip_enabled": True,
        }  # fmt: skip
        answer = stand.api.post_json(
            "/v1/clustertemplates", body | {"docker_storage_driver": "devicemapper"}, status=201
        )
        assert {k: answer.json[k] for k in body} == body
        cluster = {"name": "stack-cluster-abc", "cluster_template_id": answer.json["uuid"], "node_count": 1}
        stand.api.post_json("/v1/clusters", cluster, status=202)

    def test_update_and_polling(self, stand, ready):
        patch = [
            {"op": "replace", "path": "/node_count", "value": 1},
        ]
        stand.api.patch_json(f"/v1/clusters/{ready}", patch, status=202)
        # it takes CREATE_COMPLETE for "not begun yet", and would wait for ever if nothing followed
        assert stand.api.get(f"/v1/clusters/{ready}").json["status"] == "UPDATE_IN_PROGRESS"
        assert stand.settle(ready)["status"] == "UPDATE_COMPLETE"
        stand.api.delete(f"/v1/clusters/{ready}", status=204)
        assert stand.settle(ready) is None
        stand.api.get(f"/v1/clusters/{ready}", status=404)


class TestAnsible:
    """openstack.cloud's coe_cluster and coe_cluster_template over openstacksdk: no version header, find by
    list and name, compare with the parameters.
    """

    def test_found_again_and_not_changed(self, stand):
        wanted = {
            "name": "play", "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium",
            "keypair_id": "my-key", "external_network_id": "CERN_NETWORK", "server_type": "vm",
            "labels": {"docker_volume_type": "lvmdriver-1"}, "docker_volume_size": 10,
            "floating_ip_enabled": True, "hidden": False, "public": False, "registry_enabled": False,
            "tls_disabled": False, "master_lb_enabled": False,
        }  # fmt: skip
        made = stand.api.post_json("/v1/clustertemplates", wanted, status=201).json
        found = stand.api.get("/v1/clustertemplates/play").json
        assert found["uuid"] == made["uuid"]
        assert {k: v for k, v in wanted.items() if found[k] != v} == {}
        body = {"name": "play", "cluster_template_id": made["uuid"], "node_count": 1, "master_count": 1}
        body |= {"labels": {"docker_volume_type": "x"}, "create_timeout": 60, "keypair": "my-key"}
        uuid = stand.api.post_json("/v1/clusters", body, status=202).json["uuid"]
        (listed,) = stand.api.get("/v1/clusters").json["clusters"]
        assert {k: v for k, v in body.items() if listed[k] != v} == {}
        assert listed["uuid"] == uuid

    def test_the_surplus_move_of_the_sdk(self, stand):
        template = stand.template()
        patch = [
            {"op": "move", "from": "/uuid", "path": "/id"},
            {"op": "replace", "path": "/name", "value": "renamed"},
            {"op": "add", "path": "/flavor_id", "value": "m1.small"},
        ]
        changed = stand.api.patch_json(f"/v1/clustertemplates/{template['uuid']}", patch, status=200).json
        assert (changed["name"], changed["flavor_id"]) == ("renamed", "m1.small")


class TestRally:
    """rally-openstack's magnum scenarios."""

    def test_a_scenario(self, stand):
        body = {
            "name": "s_rally_1", "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium",
            "keypair_id": "my-key", "external_network_id": "CERN_NETWORK", "dns_nameserver": "8.8.8.8",
            "docker_volume_size": 5, "network_driver": "docker", "master_lb_enabled": False,
        }  # fmt: skip
        template = stand.api.post_json("/v1/clustertemplates", body, headers=LATEST, status=201).json
        stand.api.get("/v1/clustertemplates?limit=10", headers=LATEST)
        body = {"name": "c_rally_1", "cluster_template_id": template["uuid"], "node_count": 1}
        uuid = stand.api.post_json("/v1/clusters", body, headers=LATEST, status=202).json["uuid"]
        assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
        _, csr = client_request("admin")
        stand.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, headers=LATEST)
        stand.api.get(f"/v1/certificates/{uuid}", headers=LATEST)


class TestAutoscaler:
    """cluster-autoscaler's provider magnum: microversion latest, names or uuids, scaling by server."""

    def test_discovers_groups_and_scales(self, stand, ready):
        shown = stand.api.get("/v1/clusters/ready", headers=LATEST).json
        assert shown["uuid"] == ready
        path = f"/v1/clusters/{ready}/nodegroups"
        listed = stand.api.get(path, headers=LATEST).json["nodegroups"]
        (group,) = [g for g in listed if g["is_default"] and g["role"] == "worker"]
        full = stand.api.get(f"{path}/{group['uuid']}", headers=LATEST).json
        assert full["stack_id"]
        assert full["max_node_count"] is None
        assert full["min_node_count"] == 0
        body = {"node_count": 3, "nodes_to_remove": None, "nodegroup": group["uuid"]}
        stand.api.post_json("/v1/clusters/ready/actions/resize", body, headers=LATEST, status=202)
        stand.converge(ready)
        nodes = stand.api.get(f"/v1/clusters/{ready}/nodes").json["nodes"]
        victim = next(n for n in nodes if n["role"] == "worker")["server_id"]
        body = {"node_count": 2, "nodes_to_remove": [victim], "nodegroup": group["uuid"]}
        stand.api.post_json(f"/v1/clusters/{ready}/actions/resize", body, headers=LATEST, status=202)
        stand.settle(ready)
        left = stand.api.get(f"/v1/clusters/{ready}/nodes").json["nodes"]
        assert victim not in {n["server_id"] for n in left}
        assert len(left) == 3

    def test_bounds_decide_which_groups_it_scales(self, stand):
        """Auto-discovery lists groups of a role and takes those with max_node_count; it reads their bounds anew at
        each look.
        """
        labels = {"auto_scaling_enabled": "true", "min_node_count": "1", "max_node_count": "5"}
        stand.cluster(name="scaled", template=stand.template(coe="kubernetes", labels=labels))
        path = "/v1/clusters/scaled/nodegroups"
        listed = stand.api.get(f"{path}?role=worker", headers=LATEST).json["nodegroups"]
        assert [(g["name"], g["min_node_count"], g["max_node_count"]) for g in listed] == [
            ("default-worker", 1, 5)
        ]
        patch = [
            {"op": "replace", "path": "/min_node_count", "value": 2},
            {"op": "replace", "path": "/max_node_count", "value": 9},
        ]
        stand.api.patch_json(f"{path}/default-worker", patch, headers=LATEST, status=202)
        found = stand.api.get(f"{path}/default-worker", headers=LATEST).json
        assert (found["min_node_count"], found["max_node_count"], found["node_count"]) == (2, 9, 2)

    def test_removes_nodes_by_index_and_others_than_the_default_group(self, stand, ready):
        """By server for nodes that are there, by index for those that Heat could not make; names or uuids."""
        path = f"/v1/clusters/{ready}/nodegroups"
        body = {"name": "gpu", "node_count": 3, "min_node_count": 1, "max_node_count": 3}
        group = stand.api.post_json(path, body, headers=LATEST, status=202).json
        stand.converge(ready)
        full = stand.api.get(f"{path}/{group['uuid']}", headers=LATEST).json
        assert full["stack_id"] != stand.api.get(f"{path}/default-worker", headers=LATEST).json["stack_id"]
        for chosen, count in (("1", 2), (0, 1)):
            body = {"node_count": count, "nodes_to_remove": [chosen], "nodegroup": group["uuid"]}
            stand.api.post_json(f"/v1/clusters/{ready}/actions/resize", body, headers=LATEST, status=202)
            assert stand.settle(ready)["status"] == "UPDATE_COMPLETE"
        nodes = stand.api.get(f"/v1/clusters/{ready}/nodes").json["nodes"]
        assert [n["index"] for n in nodes if n["nodegroup_id"] == group["uuid"]] == [2]
        body = {"node_count": 0, "nodes_to_remove": ["2"], "nodegroup": group["uuid"]}
        refused = stand.api.post_json(
            f"/v1/clusters/{ready}/actions/resize", body, headers=LATEST, expect_errors=True
        )
        assert refused.status_int == 400 and "min_node_count = 1" in refused.text

    def test_finds_in_heat_what_it_scales(self, stand):
        """The group's stack_id → the resource kube_minions in it → its output refs_map, index → server: that Heat's
        ResourceGroup gives where each member's OS::stack_id is its server.
        """
        request = registry.get("kubernetes").stack_request(spec(groups=(*groups(), more("gpu"))))
        templates = Templates(paths.heat_templates())
        text = json.loads(templates.text_of(request.template, request.parameters))
        files = templates.files_of(request.template, request.files)
        inner = json.loads(files["kubernetes/group.yaml"])
        node = json.loads(files["common/node.yaml"])
        for template in (text, inner):
            assert template["resources"]["kube_minions"]["type"] == "OS::Heat::ResourceGroup"
        on_volume, on_image = {"get_resource": "server_on_volume"}, {"get_resource": "server"}
        assert node["outputs"]["OS::stack_id"]["value"] == {"if": ["boot_volume", on_volume, on_image]}

    def test_refuses_to_leave_the_bounds(self, stand, ready):
        path = f"/v1/clusters/{ready}/nodegroups/default-worker"
        patch = [{"op": "replace", "path": "/max_node_count", "value": 2}]
        stand.api.patch_json(path, patch, headers=LATEST, status=202)
        stand.converge(ready)
        body = {"node_count": 3}
        stand.api.post_json(f"/v1/clusters/{ready}/actions/resize", body, headers=LATEST, status=400)


class TestAutoHealer:
    """cloud-provider-openstack's magnum-auto-healer: tells health, and resizes away a broken node."""

    def test_tells_health(self, stand, ready):
        patch = [
            {"op": "replace", "path": "/health_status", "value": "UNHEALTHY"},
            {"op": "replace", "path": "/health_status_reason", "value": {"updated_at": "now", "n1": "gone"}},
        ]
        stand.api.patch_json(f"/v1/clusters/{ready}", patch, headers=LATEST, status=202)
        shown = stand.api.get(f"/v1/clusters/{ready}", headers=LATEST).json
        assert shown["health_status"] == "UNHEALTHY"
        assert shown["health_status_reason"]["n1"] == "gone"

    def test_replaces_a_node(self, stand, ready):
        nodes = stand.api.get(f"/v1/clusters/{ready}/nodes").json["nodes"]
        victim = next(n for n in nodes if n["role"] == "worker")["server_id"]
        body = {"node_count": 1, "nodes_to_remove": [victim]}
        stand.api.post_json(f"/v1/clusters/{ready}/actions/resize", body, headers=LATEST, status=202)
        stand.api.post_json(
            f"/v1/clusters/{ready}/actions/resize", {"node_count": 2}, headers=LATEST, status=202
        )
        stand.settle(ready)
        left = stand.api.get(f"/v1/clusters/{ready}/nodes").json["nodes"]
        assert victim not in {n["server_id"] for n in left}
        assert sum(n["role"] == "worker" for n in left) == 2
