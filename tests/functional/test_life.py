"""The life of a cluster, on in-memory Heat and simulated nodes."""


def test_create_scale_delete(stand):
    uuid = stand.cluster()
    made = stand.converge(uuid)
    assert made["status"] == "CREATE_COMPLETE", made
    assert made["api_address"].startswith("tcp://")
    assert len(made["node_addresses"]) == 2
    assert len(made["master_addresses"]) == 1
    assert made["container_version"] == "20.10.24"

    stand.api.patch_json(f"/v1/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": 4}])
    assert stand.get(uuid)["status"] == "UPDATE_IN_PROGRESS"
    grown = stand.converge(uuid)
    assert (grown["status"], len(grown["node_addresses"])) == ("UPDATE_COMPLETE", 4)

    stand.api.delete(f"/v1/clusters/{uuid}")
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    assert stand.stacks.find(None, ["magnum-lite"]) == []
    events = stand.api.get(f"/v1/clusters/{uuid}/events").json["events"]
    assert events[-1]["message"] == "Deleted: nothing is left of it."
