"""Servers: built in the background, in ERROR with a fault when that fails, and kills in between."""

import base64
import json

import pytest

from magnum_lite.local.cloud import boot
from tests.support.local_cloud import BROKEN, IMAGE
from tests.support.waiting import eventually

COMPUTE, NET = "/compute/v2.1", "/network/v2.0"


def test_a_server_is_built_behind_the_request(local_cloud, alice):
    network, _ = alice.network()
    local_cloud.engine.hold.clear()
    made = alice.server(network, wait=None)
    url = f"{COMPUTE}/servers/{made['id']}"
    server = alice("GET", url).json["server"]
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("BUILD", "spawning")
    local_cloud.engine.hold.set()
    server = alice.wait(made["id"], "ACTIVE")
    assert server["addresses"]["net"][0]["addr"] == "10.79.1.10"
    assert server["security_groups"] == [{"name": "default"}]
    assert alice("POST", f"{url}/action", {"os-getConsoleOutput": {"length": 1}}).json["output"] == "login:\n"


def test_what_a_node_is_given(local_cloud, alice):
    network, _ = alice.network(cidr="172.30.0.0/24", dns_nameservers=["9.9.9.9"])
    key = alice.make(f"{COMPUTE}/os-keypairs", "keypair", name="k")
    user_data = base64.b64encode(b"#cloud-config\n").decode()
    server = alice.server(
        network,
        name="Bay One_manager.0",
        key_name="k",
        user_data=user_data,
        metadata={"a": "b"},
        flavorRef="2",
    )
    node = local_cloud.engine.nodes[server["id"]]
    assert (node.hostname, node.ram_mib, node.vcpus) == ("bay-one-manager-0", 2048, 2)
    assert node.nameservers == ("9.9.9.9",)
    assert node.links[0].address == "172.30.0.10"
    seed = {path.rsplit("/", 1)[1]: content for path, content in node.files.items()}
    assert seed["user-data"] == b"#cloud-config\n"
    meta = json.loads(seed["meta-data"])
    assert meta["instance-id"] == server["id"]
    assert meta["public-keys"] == [key["public_key"]]
    # kept no longer than it is needed
    assert local_cloud.store.get("server", server["id"])["_user_data"] == ""


@pytest.mark.parametrize(
    ("name", "label"),
    [("a" * 80, "a" * 63), ("-x-", "x"), ("a" * 62 + "-b", "a" * 62), ("Ünï", "n"), ("!!", "server-1")],
)
def test_hostnames(name, label):
    assert boot.hostname(name, "1") == label


def test_a_server_that_can_not_start_is_in_error(alice):
    network, _ = alice.network()
    server = alice.server(network, imageRef=BROKEN.id, wait="ERROR")
    assert "No such image" in server["fault"]["message"]
    assert alice("DELETE", f"{COMPUTE}/servers/{server['id']}").status == 204
    alice.gone(f"{COMPUTE}/servers/{server['id']}")
    assert alice("GET", f"{NET}/ports").json["ports"] == []


def test_deleted_while_it_is_being_built(local_cloud, alice):
    network, _ = alice.network()
    local_cloud.engine.hold.clear()
    made = alice.server(network, wait=None)
    url = f"{COMPUTE}/servers/{made['id']}"
    assert alice("DELETE", url).status == 204
    assert alice("GET", url).json["server"]["OS-EXT-STS:task_state"] == "deleting"
    local_cloud.engine.hold.set()
    alice.gone(url)
    assert local_cloud.engine.nodes == {}
    assert alice("GET", f"{NET}/ports").json["ports"] == []


def test_a_node_that_vanished(local_cloud, alice):
    network, _ = alice.network()
    server = alice.server(network)
    local_cloud.engine.remove(server["id"])
    shown = alice("GET", f"{COMPUTE}/servers/{server['id']}").json["server"]
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "The server's node is gone.")
    assert alice("DELETE", f"{COMPUTE}/servers/{server['id']}").status == 204
    alice.gone(f"{COMPUTE}/servers/{server['id']}")


def test_an_engine_that_is_away(local_cloud, alice):
    network, _ = alice.network()
    server = alice.server(network)
    local_cloud.engine.away = True
    assert alice("GET", f"{COMPUTE}/servers/{server['id']}").status == 503
    assert alice("GET", f"{COMPUTE}/servers/detail").json["serviceUnavailable"]["code"] == 503
    made = alice.server(network, wait=None)
    local_cloud.engine.away = False
    alice.wait(made["id"], "ACTIVE")


def test_killed_while_building_and_deleting(local_cloud, alice):
    network, _ = alice.network()
    doomed = alice.server(network)
    local_cloud.engine.hold.clear()
    made = alice.server(network, wait=None)
    local_cloud.store.change("server", doomed["id"], task="deleting")
    local_cloud.kill()
    local_cloud.engine.hold.set()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    alice.wait(made["id"], "ACTIVE")
    alice.gone(f"{COMPUTE}/servers/{doomed['id']}")
    assert set(local_cloud.engine.nodes) == {made["id"]}


def test_a_request_that_was_never_answered_is_taken_back(local_cloud, alice):
    network, _ = alice.network()
    port = alice.port(network)
    kept = alice.server(network)
    body = {"name": "x", "imageRef": IMAGE.id, "flavorRef": "1", "networks": [{"port": port["id"]}]}
    assert alice("POST", f"{COMPUTE}/servers", {"server": body}, lost=True).status == 202
    assert alice("POST", f"{NET}/ports", {"port": {"network_id": network["id"]}}, lost=True).status == 201
    assert alice("POST", f"{NET}/networks", {"network": {"name": "lost"}}, lost=True).status == 201
    assert alice("POST", f"{alice.volume}/volumes", {"volume": {"size": 1}}, lost=True).status == 202
    local_cloud.kill()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    eventually(lambda: len(alice("GET", f"{COMPUTE}/servers").json["servers"]) == 1)
    assert set(local_cloud.engine.nodes) == {kept["id"]}
    assert alice("GET", f"{NET}/networks?name=lost").json["networks"] == []
    assert alice("GET", f"{alice.volume}/volumes").json["volumes"] == []
    # the caller's own port is free again, and only his ports are left
    assert alice("GET", f"{NET}/ports/{port['id']}").json["port"]["device_id"] == ""
    assert len(alice("GET", f"{NET}/ports").json["ports"]) == 2


def test_nodes_that_no_record_knows_are_removed(local_cloud, alice):
    network, _ = alice.network()
    server = alice.server(network)
    local_cloud.kill()
    local_cloud.start()
    local_cloud.store.delete("server", server["id"])
    local_cloud.cloud.restore(resume=True)
    assert local_cloud.engine.nodes == {}


def test_rules_and_networks_are_written_again(local_cloud, alice):
    network, subnet = alice.network()
    alice.router(subnet)
    alice.make(
        f"{NET}/floatingips",
        "floatingip",
        floating_network_id=alice.public,
        port_id=alice.port(network)["id"],
    )
    rules, local_cloud.host.published = local_cloud.host.published, {}
    local_cloud.engine.networks.clear()
    local_cloud.cloud.restore(resume=False)
    assert local_cloud.host.published == rules
    assert local_cloud.engine.networks == {subnet["id"]: subnet["cidr"]}


def test_interfaces(local_cloud, alice):
    network, _ = alice.network()
    other, subnet = alice.network("other")
    server = alice.server(network)
    url = f"{COMPUTE}/servers/{server['id']}/os-interface"
    made = alice("POST", url, {"interfaceAttachment": {"net_id": other["id"]}}).json["interfaceAttachment"]
    assert made["fixed_ips"][0]["ip_address"] == "10.79.2.10"
    assert subnet["id"] in local_cloud.engine.plugged[server["id"]]
    assert len(alice("GET", url).json["interfaceAttachments"]) == 2
    assert alice("GET", f"{url}/{made['port_id']}").status == 200
    assert alice("DELETE", f"{url}/{made['port_id']}").status == 202
    assert subnet["id"] not in local_cloud.engine.plugged[server["id"]]
    assert alice("GET", f"{NET}/ports/{made['port_id']}").status == 404
    assert alice("POST", url, {"interfaceAttachment": {"net_id": network["id"]}}).status == 400
    assert len(alice("GET", f"{NET}/ports").json["ports"]) == 1
    own = alice.port(other)
    assert alice("POST", url, {"interfaceAttachment": {"port_id": own["id"]}}).status == 200
    assert alice("DELETE", f"{url}/{own['id']}").status == 202
    assert alice("GET", f"{NET}/ports/{own['id']}").json["port"]["status"] == "DOWN"


def test_metadata_and_names(alice):
    network, _ = alice.network()
    server = alice.server(network, metadata={"a": "1"})
    url = f"{COMPUTE}/servers/{server['id']}"
    assert alice("POST", f"{url}/metadata", {"metadata": {"b": "2"}}).json["metadata"] == {"a": "1", "b": "2"}
    assert alice("PUT", f"{url}/metadata", {"metadata": {"c": "3"}}).json["metadata"] == {"c": "3"}
    assert alice("PUT", f"{url}/metadata/d", {"meta": {"d": "4"}}).json == {"meta": {"d": "4"}}
    assert alice("DELETE", f"{url}/metadata/c").status == 204
    assert alice("DELETE", f"{url}/metadata/c").status == 404
    assert alice("GET", f"{url}/metadata").json["metadata"] == {"d": "4"}
    assert alice("PUT", url, {"server": {"name": "new"}}).json["server"]["name"] == "new"


def test_server_groups(alice):
    network, _ = alice.network()
    group = alice.make(f"{COMPUTE}/os-server-groups", "server_group", name="g", policies=["anti-affinity"])
    body = {"name": "x", "imageRef": IMAGE.id, "flavorRef": "1", "networks": [{"uuid": network["id"]}]}
    made = alice(
        "POST", f"{COMPUTE}/servers", {"server": body, "os:scheduler_hints": {"group": group["id"]}}
    ).json
    shown = alice("GET", f"{COMPUTE}/os-server-groups/{group['id']}").json["server_group"]
    assert shown["members"] == [made["server"]["id"]]
