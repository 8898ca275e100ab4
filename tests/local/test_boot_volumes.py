"""Nodes that boot from volumes, as the real Heat makes them on the local cloud."""

import contextlib
import json
import sqlite3

import pytest

from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
LABELS = {"boot_volume_size": "2"}


def volumes(tenant):
    return {v.id: v for v in tenant.cloud.block_storage.volumes(details=True)}


def servers(tenant, uuid):
    return {n["hostname"].partition("-")[2].split("-", 1)[1]: n["server_id"] for n in tenant.nodes(uuid)}


def roots(tenant, uuid):
    """Host name's end → size of the volume that the server boots from; None without one."""
    there, out = volumes(tenant), {}
    for name, server in servers(tenant, uuid).items():
        attached = [v for v in there.values() if any(a["server_id"] == server for a in v.attachments)]
        out[name] = attached[0].size if attached else None
        assert len(attached) <= 1
        assert all(v.is_bootable and v.attachments[0]["device"] == "/dev/vda" for v in attached)
    return out


def resize(tenant, uuid, count):
    tenant.call("POST", f"/bays/{uuid}/actions/resize", {"node_count": count}, 202)
    return tenant.complete(uuid)


def test_made_scaled_and_gone(machine, tenant):
    left, had = machine.leftovers(), set(volumes(tenant))
    model = tenant.model("boots", flavor_id="m1.small", labels=LABELS)
    plan = tenant.call("POST", "/bays?plan=true", {"baymodel_id": model["uuid"], "node_count": 1}, 200).json()
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert plan["feasible"], plan
    assert (need["volumes"], need["gigabytes"]) == (2, 4) and not plan["warnings"]
    uuid = tenant.bay("boots", model, node_count=1)
    tenant.complete(uuid)
    before = servers(tenant, uuid)
    assert roots(tenant, uuid) == {"manager-0": 2, "worker-0": 2}
    assert not tenant.cloud.compute.get_server(before["worker-0"]).image, "as of a volume"
    # volumes of a type are Heat's own resources
    body = {"name": "typed", "node_count": 1, "labels": LABELS | {"boot_volume_type": "loop"}}
    tenant.call("POST", f"/clusters/{uuid}/nodegroups", body, 202)
    tenant.complete(uuid)
    resize(tenant, uuid, 2)
    assert roots(tenant, uuid) == dict.fromkeys(["manager-0", "worker-0", "typed-0", "worker-1"], 2)
    assert before.items() < servers(tenant, uuid).items(), "no server was made anew"
    resize(tenant, uuid, 1)
    eventually("the volume went with its node", lambda: len(set(volumes(tenant)) - had) == 3, 30)
    tenant.delete(uuid)
    assert set(volumes(tenant)) == had and machine.leftovers() == left


def test_labels_that_a_bay_had_before_they_did_anything(machine, tenant):
    """The next change of the bay gives new nodes a volume, and leaves the others as they are."""
    had = set(volumes(tenant))
    uuid = tenant.bay("older", tenant.model("older", flavor_id="m1.small"), node_count=1)
    tenant.complete(uuid)
    before = servers(tenant, uuid)
    database = machine.state_dir / "magnum_lite.sqlite"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as rows, rows:
        for table, key in (("cluster", "uuid"), ("nodegroup", "cluster_id")):
            query = f"UPDATE {table} SET labels = ? WHERE {key} = ?"
            assert rows.execute(query, (json.dumps(LABELS), uuid)).rowcount
    resize(tenant, uuid, 2)
    assert before.items() < servers(tenant, uuid).items(), "no server was made anew"
    assert roots(tenant, uuid) == {"manager-0": None, "worker-0": None, "worker-1": 2}
    tenant.delete(uuid)
    assert set(volumes(tenant)) == had
