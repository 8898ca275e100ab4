"""Heat's OS::Magnum resources, in the very Heat that also makes the bays: a stack of the tenant's own with
a cluster template and a cluster in it.
"""

import pytest

from tests.clients.conftest import KEY
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def template(nodes):
    """A template of a stack; what it leaves out, Heat fills with its own defaults."""
    return {
        "heat_template_version": "2018-08-31",
        "resources": {
            "model": {
                "type": "OS::Magnum::ClusterTemplate",
                "properties": {
                    "coe": "swarm",
                    "image": "fedora-atomic-23",
                    "flavor": "m1.small",
                    "keypair": KEY,
                    "external_network": "public",
                    "labels": {"node_labels": "storage=ssd"},
                },
            },
            "cluster": {
                "type": "OS::Magnum::Cluster",
                "properties": {"cluster_template": {"get_resource": "model"}, "node_count": nodes},
            },
        },
        "outputs": {
            "address": {"value": {"get_attr": ["cluster", "api_address"]}},
            "status": {"value": {"get_attr": ["cluster", "status"]}},
        },
    }


def test_a_stack_with_a_cluster(tenant):
    heat = tenant.cloud.orchestration

    def settled():
        found = heat.get_stack(made.id)
        return None if found.status.endswith("IN_PROGRESS") else found

    made = heat.create_stack(name="with-a-cluster", template=template(1))
    try:
        found = eventually("the stack is made", settled, 180)
        assert found.status == "CREATE_COMPLETE", found.status_reason
        outputs = {one["output_key"]: one["output_value"] for one in found.outputs}
        assert outputs["address"].startswith("tcp://")
        assert outputs["status"] == "CREATE_COMPLETE"
        resources = {one.name: one.physical_resource_id for one in heat.resources(made.id)}
        heat.update_stack(made.id, template=template(2))
        found = eventually("the stack is changed", settled, 180)
        assert found.status == "UPDATE_COMPLETE", found.status_reason
        assert tenant.get(f"/clusters/{resources['cluster']}")["node_count"] == 2
    finally:
        heat.delete_stack(made.id)
    eventually("the stack is gone", lambda: heat.find_stack("with-a-cluster") is None, 180)
    for path in (f"/clusters/{resources['cluster']}", f"/clustertemplates/{resources['model']}"):
        tenant.call("GET", path, expect=404)
