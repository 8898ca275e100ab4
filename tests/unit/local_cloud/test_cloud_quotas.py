"""Quotas: refused in each API's words, counted per project, and free again after removal."""

from concurrent.futures import ThreadPoolExecutor

COMPUTE, NET = "/compute/v2.1", "/network/v2.0"


def _absolute(user, path):
    return user("GET", path).json["limits"]["absolute"]


def test_cores(alice, bob):
    network, _ = alice.network()
    first = alice.server(network, flavorRef="2")
    alice.server(network, flavorRef="2")
    body = {
        "name": "x",
        "imageRef": first["image"]["id"],
        "flavorRef": "2",
        "networks": [{"uuid": network["id"]}],
    }
    answer = alice("POST", f"{COMPUTE}/servers", {"server": body})
    assert answer.status == 403
    assert answer.json["forbidden"]["message"] == (
        "Quota exceeded for cores: Requested 2, but already used 4 of 5 cores"
    )
    # what was refused has left nothing behind
    assert len(alice("GET", f"{NET}/ports").json["ports"]) == 2
    used = _absolute(alice, f"{COMPUTE}/limits")
    assert (used["totalInstancesUsed"], used["totalCoresUsed"], used["totalRAMUsed"]) == (2, 4, 4096)
    assert (used["maxTotalInstances"], used["maxTotalCores"], used["maxTotalRAMSize"]) == (4, 5, 6144)
    assert _absolute(bob, f"{COMPUTE}/limits")["totalCoresUsed"] == 0
    assert alice("DELETE", f"{COMPUTE}/servers/{first['id']}").status == 204
    alice.gone(f"{COMPUTE}/servers/{first['id']}")
    assert alice("POST", f"{COMPUTE}/servers", {"server": body}).status == 202


def test_ram_and_instances_are_named_together(alice):
    network, _ = alice.network()
    for _ in range(4):
        alice.server(network)
    body = {"name": "x", "imageRef": "11111111-1111-4111-8111-111111111111", "flavorRef": "3"}
    answer = alice("POST", f"{COMPUTE}/servers", {"server": body})
    assert answer.status == 403
    assert "cores, instances, ram" in answer.message


def test_many_at_once_get_no_more_than_there_is(alice):
    network, _ = alice.network()
    body = {"name": "x", "imageRef": "11111111-1111-4111-8111-111111111111", "flavorRef": "1"}
    body["networks"] = [{"uuid": network["id"]}]
    with ThreadPoolExecutor(12) as threads:
        answers = list(
            threads.map(lambda _: alice("POST", f"{COMPUTE}/servers", {"server": body}).status, range(12))
        )
    assert sorted(answers) == [202] * 4 + [403] * 8


def test_floating_addresses_and_networks(alice, bob):
    for _ in range(2):
        alice.make(f"{NET}/floatingips", "floatingip", floating_network_id=alice.public)
    answer = alice("POST", f"{NET}/floatingips", {"floatingip": {"floating_network_id": alice.public}})
    assert answer.status == 409
    assert answer.json["NeutronError"]["type"] == "OverQuota"
    bob.make(f"{NET}/floatingips", "floatingip", floating_network_id=bob.public)
    for _ in range(4):
        alice.make(f"{NET}/networks", "network")
    assert alice("POST", f"{NET}/networks", {"network": {}}).json["NeutronError"]["type"] == "OverQuota"
    details = alice("GET", f"{NET}/quotas/p1/details.json").json["quota"]
    assert details["floatingip"] == {"limit": 2, "used": 2, "reserved": 0}
    assert details["network"] == {"limit": 4, "used": 4, "reserved": 0}
    assert alice("GET", f"{NET}/quotas/p1").json["quota"]["floatingip"] == 2
    assert alice("GET", f"{NET}/quotas/p2/details").status == 404


def test_volumes(alice):
    made = alice.make(f"{alice.volume}/volumes", "volume", size=6)
    answer = alice("POST", f"{alice.volume}/volumes", {"volume": {"size": 5}})
    assert answer.status == 413
    assert answer.json["overLimit"]["message"].startswith("VolumeSizeExceedsAvailableQuota")
    for _ in range(2):
        alice.make(f"{alice.volume}/volumes", "volume", size=1)
    answer = alice("POST", f"{alice.volume}/volumes", {"volume": {"size": 1}})
    assert answer.json["overLimit"]["message"].startswith("VolumeLimitExceeded")
    used = _absolute(alice, f"{alice.volume}/limits")
    assert (used["totalVolumesUsed"], used["totalGigabytesUsed"]) == (3, 8)
    url = f"{alice.volume}/volumes/{made['id']}"
    assert alice("POST", f"{url}/action", {"os-extend": {"new_size": 9}}).status == 413
    assert alice("POST", f"{url}/action", {"os-extend": {"new_size": 8}}).status == 202
    assert alice("GET", url).json["volume"]["size"] == 8
