"""openstacksdk's container_infrastructure_management: no microversion header, JSON patches with a surplus
``move``, and its cloud layer on top. It is in this environment, pinned: the product's own commands use it.
"""

import pytest

from magnum_lite.pki.requests import client_request
from tests.clients.conftest import BAY, KEY, MODEL

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cloud(tenant):
    """A connection as the tenant."""
    return tenant.cloud


@pytest.fixture(scope="module")
def coe(cloud):
    """The service's part of it."""
    return cloud.container_infrastructure_management


def test_templates(coe):
    made = coe.create_cluster_template(
        name="sdk", coe="swarm", image_id="fedora-atomic-23", flavor_id="m1.small", keypair_id=KEY,
        external_network_id="public", labels={"node_labels": "storage=ssd"}, is_floating_ip_enabled=False,
    )  # fmt: skip
    assert coe.get_cluster_template(made.uuid).name == "sdk"
    found = coe.find_cluster_template("sdk", ignore_missing=False)
    assert found.uuid == made.uuid
    assert found.is_floating_ip_enabled is False
    assert found.labels == {"node_labels": "storage=ssd"}
    assert made.uuid in [t.uuid for t in coe.cluster_templates()]
    changed = coe.update_cluster_template(made.uuid, name="sdk2", docker_volume_size=5)
    assert (changed.name, changed.docker_volume_size) == ("sdk2", 5)
    changed = coe.update_cluster_template(coe.find_cluster_template("sdk2"), labels={"tier": "fast"})
    assert changed.labels == {"tier": "fast"}
    coe.delete_cluster_template(made.uuid)
    assert coe.find_cluster_template("sdk2") is None


def test_a_cluster_comes_changes_and_goes(coe, tenant, bay):
    made = coe.create_cluster(
        name="sdk-bay", cluster_template_id=bay["baymodel_id"], node_count=1, create_timeout=30
    )
    uuid = coe.find_cluster("sdk-bay", ignore_missing=False).uuid
    assert made.id == uuid
    assert coe.get_cluster(uuid).status == "CREATE_IN_PROGRESS"
    coe.update_cluster(uuid, node_count=2)
    assert coe.get_cluster(uuid).node_count == 2
    coe.delete_cluster(uuid)
    assert tenant.wait(uuid) is None
    assert coe.find_cluster("sdk-bay") is None


def test_what_it_shows_of_a_cluster(coe, bay):
    (listed,) = [one for one in coe.clusters() if one.name == BAY]
    shown = coe.get_cluster(listed.uuid)
    assert shown.api_address == bay["api_address"]
    assert shown.stack_id == bay["stack_id"], "at 1.1 it is stack_id"
    assert shown.master_addresses == bay["master_addresses"]
    assert shown.is_master_lb_enabled is False
    assert shown.created_at == bay["created_at"]


def test_certificates(coe, cloud, bay):
    authority = coe.get_cluster_certificate(bay["uuid"])
    assert authority.pem.startswith("-----BEGIN CERTIFICATE-----")
    _, csr = client_request("Your Name")
    signed = coe.create_cluster_certificate(cluster_uuid=bay["uuid"], csr=csr)
    assert signed.pem.startswith("-----BEGIN CERTIFICATE-----")
    assert signed.pem != authority.pem
    assert cloud.get_coe_cluster_certificate(bay["uuid"]).pem == authority.pem
    assert cloud.sign_coe_cluster_certificate(bay["uuid"], csr).pem.startswith("-----BEGIN")


def test_services_are_the_operators_to_see(machine):
    admin = machine.tenant("magnum-lite-admin").cloud.container_infrastructure_management
    (conductor,) = admin.services()
    assert (conductor.binary, conductor.state) == ("magnum-conductor", "up")


def test_the_cloud_layer(cloud, tenant, bay):
    assert cloud.get_coe_cluster(BAY).uuid == bay["uuid"]
    assert BAY in [one.name for one in cloud.list_coe_clusters()]
    template = cloud.get_cluster_template(MODEL)
    assert template.uuid == bay["baymodel_id"]
    made = cloud.create_coe_cluster("layer", template.uuid, node_count=1)
    uuid = cloud.get_coe_cluster("layer").uuid
    assert made.id == uuid
    assert cloud.delete_coe_cluster(uuid) is True
    assert tenant.wait(uuid) is None
