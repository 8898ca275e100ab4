"""Which labels there are, and where a cluster's came from."""

import pytest


def test_known_labels(stand):
    found = {x["name"]: x for x in stand.api.get("/v1/labels").json["labels"]}
    assert found["registry_mirror"]["type"] == "url" and "swarm" in found["registry_mirror"]["coes"]
    assert all(x["meaning"] for x in found.values())
    assert {x["name"] for x in stand.api.get("/v1/labels?coe=swarm").json["labels"]} <= set(found)
    assert stand.api.get("/v1/labels?coe=mesos").json["labels"] == []


def test_one_label_and_what_was_meant(stand):
    assert stand.api.get("/v1/labels/node_labels").json["name"] == "node_labels"
    answer = stand.api.get("/v1/labels/node_lables", status=404).json
    assert "Did you mean node_labels?" in answer["errors"][0]["detail"]


@pytest.mark.parametrize("words", ["clusters", "bays"])
@pytest.mark.parametrize("merge", [True, False])
def test_where_each_label_came_from(stand, words, merge):
    template = stand.template(
        labels={"fixed_subnet_cidr": "10.1.0.0/24", "own": "1", "registry_auth": "h=u:p"}
    )
    labels = {"fixed_subnet_cidr": "10.2.0.0/24", "registry_miror": "x"}
    uuid = stand.cluster(template, labels=labels, merge_labels=merge)
    body = stand.api.get(f"/v1/{words}/{uuid}?explain=labels").json
    found = {x["name"]: x for x in body["labels_explained"]}
    cidr = found["fixed_subnet_cidr"]
    assert (cidr["value"], cidr["source"], cidr["template_value"]) == (
        "10.2.0.0/24",
        "cluster",
        "10.1.0.0/24",
    )
    assert found["registry_miror"]["source"] == "cluster"
    assert "Did you mean registry_mirror?" in found["registry_miror"]["meaning"]
    assert (found["own"]["source"], found["own"]["value"]) == (
        ("template", "1") if merge else ("nothing", None)
    )
    assert found["own"]["template_value"] == "1"
    assert found["registry_auth"]["template_value"] == "***"
    default = found["nodes_affinity_policy"]
    assert default["source"] == "default" and default["value"] == default["default"]
    assert "labels_explained" not in stand.api.get(f"/v1/{words}/{uuid}").json
    stand.api.get(f"/v1/{words}/{uuid}?explain=all", status=400)
