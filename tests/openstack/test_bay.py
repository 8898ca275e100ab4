"""A plain user's bay in cloud mode, and what an operator sees of it."""

import json

import pytest

from tests.support.machine import engine

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(900)]
MODEL, BAY = "swarm-model", "swarm-bay01"


def told(client, line):
    """What a command says, as it says it to programs."""
    return json.loads(client.run(f"{line} -f json"))


@pytest.fixture(scope="module")
def bay(tenant, client):
    user = client()
    user.run(
        f"openstack coe cluster template create {MODEL} --coe swarm --image fedora-atomic-23 "
        "--keypair my-key --external-network public --flavor m1.medium"
    )
    user.run(f"openstack coe cluster create {BAY} --cluster-template {MODEL} --node-count 1")
    uuid = told(user, f"openstack coe cluster show {BAY}")["uuid"]
    yield tenant.complete(uuid)
    user.run(f"openstack coe cluster delete {BAY}")
    assert tenant.wait(uuid) is None
    user.run(f"openstack coe cluster template delete {MODEL}")


def test_a_bay_works_over_tls(tenant, bay):
    with engine(bay["api_address"], *tenant.sign(bay["uuid"])) as docker:
        assert docker.info()["Swarm"]["Nodes"] == 2
        assert {n.attrs["Status"]["State"] for n in docker.nodes.list()} == {"ready"}


def test_operators_see_what_happens(client, bay):
    admin, user = client("magnum-lite-admin", heat=True), client(heat=True)
    (listed,) = [s for s in told(admin, "openstack stack list --all-projects") if s["ID"] == bay["stack_id"]]
    assert listed["Stack Name"].startswith(f"{BAY}-")
    shown = told(user, f"openstack stack show {bay['stack_id']}")
    assert shown["stack_status"] == "CREATE_COMPLETE"
    assert sorted(shown["tags"]) == ["magnum-lite", f"magnum-lite-{bay['uuid']}"]
    assert bay["uuid"] in shown["description"] and BAY in shown["description"]
    events = user.run(f"openstack stack event list {bay['stack_id']} --nested-depth 2")
    assert "CREATE_COMPLETE" in events
    resources = told(user, f"openstack stack resource list {bay['stack_id']} --nested-depth 3")
    kinds = {r["resource_type"] for r in resources if r["resource_status"] == "CREATE_COMPLETE"}
    assert {"OS::Nova::Server", "OS::Neutron::FloatingIP", "OS::Heat::WaitCondition"} <= kinds
