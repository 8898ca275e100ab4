"""A node group beside the default ones on a real Swarm bay: added, used, resized, removed. Nobody else's
machine is touched.
"""

import time

import openstack
import pytest
from docker.types import ServiceMode

from magnum_lite.models.nodegroup import GROUP_LABEL, ROLE_LABEL
from tests.support.machine import engine, eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
IMAGE = "sleeper:1"
# An image of three files that every node has: nodes of the tests can't reach a registry.
_IMPORT = (
    "tar -chC / usr/bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6"
    f" | docker import - {IMAGE}"
)


def servers(tenant, uuid):
    """What a host name says behind the bay's name and uuid → server."""
    return {n["hostname"].split("-", 2)[-1]: n["server_id"] for n in tenant.nodes(uuid)}


def hosts_of(client, service):
    """Host names of the nodes where the service's tasks run."""
    names = {n.id: n.attrs["Description"]["Hostname"] for n in client.nodes.list()}
    tasks = service.tasks(filters={"desired-state": "running"})
    return [names[t["NodeID"]] for t in tasks if t["Status"]["State"] == "running"]


def start(client, name, replicas, *constraints):
    return client.services.create(
        IMAGE,
        command=["/usr/bin/sleep", "1000000"],
        name=name,
        constraints=list(constraints),
        mode=ServiceMode("replicated", replicas=replicas),
    )


def timed(what, tenant, uuid):
    started = time.monotonic()
    found = tenant.complete(uuid)
    print(f"{what}: {time.monotonic() - started:.1f} s")
    return found


def test_a_group_is_added_used_resized_and_removed(machine, tenant):
    before = machine.leftovers()
    model = tenant.model("groups", keypair_id="my-key")
    uuid = tenant.bay("groups", model, node_count=1)
    bay = timed("bay", tenant, uuid)
    others = servers(tenant, uuid)
    assert set(others) == {"manager-0", "worker-0"}

    body = {"name": "ssd", "node_count": 2, "flavor_id": "m1.small", "role": "database"}
    body["node_labels"] = {"storage": "ssd"}
    made = tenant.call("POST", f"/clusters/{uuid}/nodegroups", body, 202).json()
    assert made["status"] == "CREATE_IN_PROGRESS"
    timed("group of 2 added", tenant, uuid)
    group = tenant.get(f"/clusters/{uuid}/nodegroups/ssd")
    assert group["status"] == "CREATE_COMPLETE" and len(group["node_addresses"]) == 2
    now = servers(tenant, uuid)
    assert set(now) == {*others, "ssd-0", "ssd-1"}
    assert {name: now[name] for name in others} == others
    stack = tenant.cloud.orchestration.get_stack(group["stack_id"])
    assert stack.status.endswith("_COMPLETE") and stack.id != bay["stack_id"]
    inside = {r.name: r.resource_type for r in tenant.cloud.orchestration.resources(stack)}
    assert inside["swarm_nodes"] == "OS::Heat::ResourceGroup"

    for server in now.values():
        code, out = machine.inside(server, "bash", "-ec", _IMPORT)
        assert code == 0, out
    with engine(bay["api_address"], *tenant.sign(uuid)) as client:
        labels = {n.attrs["Description"]["Hostname"]: n.attrs["Spec"]["Labels"] for n in client.nodes.list()}
        mine = {host: found for host, found in labels.items() if "-ssd-" in host}
        assert list(mine.values()) == [{"storage": "ssd", GROUP_LABEL: "ssd", ROLE_LABEL: "database"}] * 2
        data = start(client, "data", 3, "node.labels.storage==ssd")
        eventually("three tasks on ssd", lambda: len(hosts_of(client, data)) == 3, 90)
        assert all("-ssd-" in host for host in hosts_of(client, data))
        web = start(client, "web", 1, f"node.labels.{GROUP_LABEL}==default-worker")
        eventually("one task elsewhere", lambda: len(hosts_of(client, web)) == 1, 90)
        assert hosts_of(client, web)[0].endswith("-worker-0")

        body = {"node_count": 1, "nodegroup": "ssd", "nodes_to_remove": [now["ssd-0"]]}
        tenant.call("POST", f"/clusters/{uuid}/actions/resize", body, 202)
        assert tenant.get(f"/clusters/{uuid}/nodegroups/ssd")["status"] == "UPDATE_IN_PROGRESS"
        timed("chosen node removed", tenant, uuid)
        assert tenant.get(f"/clusters/{uuid}/nodegroups/ssd")["status"] == "UPDATE_COMPLETE"
        assert servers(tenant, uuid) == {n: s for n, s in now.items() if n != "ssd-0"}
        eventually("its tasks moved", lambda: len(hosts_of(client, data)) == 3, 60)
        assert all(host.endswith("-ssd-1") for host in hosts_of(client, data))

        tenant.call("DELETE", f"/clusters/{uuid}/nodegroups/ssd", expect=204)
        assert tenant.get(f"/clusters/{uuid}/nodegroups/ssd")["status"] == "DELETE_IN_PROGRESS"
        timed("group removed", tenant, uuid)
        tenant.call("GET", f"/clusters/{uuid}/nodegroups/ssd", expect=404)
        assert servers(tenant, uuid) == others
        assert client.info()["Swarm"]["Nodes"] == 2, "its nodes are out of the swarm"
        assert hosts_of(client, data) == [] and len(hosts_of(client, web)) == 1
    with pytest.raises(openstack.exceptions.NotFoundException):
        if tenant.cloud.orchestration.get_stack(group["stack_id"]).status == "DELETE_COMPLETE":
            raise openstack.exceptions.NotFoundException
    tenant.delete(uuid)
    assert machine.leftovers() == before
