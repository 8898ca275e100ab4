"""kill -9 in the middle of a create: time is lost, nothing else."""

import pytest

from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def _servers_exist(machine, count):
    return len(machine.leftovers()["nodes"]) >= count


def _heat_noted(tenant, uuid, servers):
    """Whether Heat has written down what it made. One that dies after it made a server or a floating IP and before
    it noted its id does not survive it: the retry meets what is there already (its port is in use).
    """
    stack = tenant.get(f"/bays/{uuid}").get("stack_id")
    if not stack:
        return False
    shown = tenant.cloud.orchestration.get(f"/stacks/{stack}").json()["stack"]
    path = f"/stacks/{shown['stack_name']}/{shown['id']}/resources?nested_depth=5"
    made = tenant.cloud.orchestration.get(path).json()["resources"]
    owned = [r for r in made if r["resource_type"] in {"OS::Nova::Server", "OS::Neutron::FloatingIP"}]
    found = sum(r["resource_type"] == "OS::Nova::Server" for r in owned)
    return found == servers and all(r["physical_resource_id"] for r in owned)


@pytest.mark.parametrize("unit", ["magnum-lite", "heat", "local-cloud"])
def test_killed_in_mid_create(machine, unit):
    tenant = machine.tenant()
    before = machine.leftovers()
    uuid = tenant.bay("killed", tenant.model(f"killed-{unit}"), node_count=2)
    if unit == "heat":
        eventually("its notes", lambda: _heat_noted(tenant, uuid, 3), 90, pause=0.05)
    else:
        eventually("the servers", lambda: _servers_exist(machine, len(before["nodes"]) + 1), 60, pause=0.05)
    machine.kill(unit)
    found = tenant.wait(uuid, 300)
    if found["status"] == "CREATE_FAILED":  # then with a cause, and a retry helps
        assert unit != "magnum-lite", found["status_reason"]
        assert found["status_reason"]
        tenant.call("PATCH", f"/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": 2}], 202)
        found = tenant.complete(uuid, 300)
    assert found["status"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    stacks = [s for s in tenant.cloud.orchestration.stacks() if uuid.replace("-", "")[:12] in s.name]
    assert len(stacks) == 1
    assert len(machine.leftovers()["nodes"]) == len(before["nodes"]) + 3
    tenant.delete(uuid)
    assert machine.leftovers() == before
