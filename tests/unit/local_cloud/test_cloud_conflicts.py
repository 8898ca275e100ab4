"""409s: what is in use stays, what is there already is not made again."""

import pytest

NET, COMPUTE = "/network/v2.0", "/compute/v2.1"


@pytest.fixture
def bay(alice):
    """A network with router, port, server and floating address."""
    network, subnet = alice.network()
    router = alice.router(subnet)
    port = alice.port(network)
    server = alice.server(None, networks=[{"port": port["id"]}])
    floating = alice.make(
        f"{NET}/floatingips", "floatingip", floating_network_id=alice.public, port_id=port["id"]
    )
    return {
        "network": network,
        "subnet": subnet,
        "router": router,
        "port": port,
        "server": server,
        "fip": floating,
    }


def _type(answer):
    return answer.status, answer.json["NeutronError"]["type"]


def test_what_is_in_use_is_not_removed(local_cloud, alice, bay):
    assert _type(alice("DELETE", f"{NET}/networks/{bay['network']['id']}")) == (409, "NetworkInUse")
    assert _type(alice("DELETE", f"{NET}/subnets/{bay['subnet']['id']}")) == (409, "SubnetInUse")
    assert _type(alice("DELETE", f"{NET}/ports/{bay['port']['id']}")) == (409, "PortInUse")
    assert _type(alice("DELETE", f"{NET}/routers/{bay['router']['id']}")) == (409, "RouterInUse")
    url = f"{NET}/routers/{bay['router']['id']}"
    answer = alice("PUT", f"{url}/remove_router_interface", {"subnet_id": bay["subnet"]["id"]})
    assert _type(answer) == (409, "RouterInterfaceInUseByFloatingIP")
    answer = alice("PUT", url, {"router": {"external_gateway_info": {}}})
    assert _type(answer) == (409, "RouterExternalGatewayInUseByFloatingIp")
    interface = next(
        p for p in alice("GET", f"{NET}/ports").json["ports"] if p["device_owner"].startswith("network")
    )
    assert _type(alice("DELETE", f"{NET}/ports/{interface['id']}")) == (409, "ServicePortInUse")
    group = alice("GET", f"{NET}/security-groups?name=default").json["security_groups"][0]
    assert alice("DELETE", f"{NET}/security-groups/{group['id']}").status == 409
    assert bay["subnet"]["id"] in local_cloud.engine.networks


def test_everything_goes_in_order(local_cloud, alice, bay):
    router = f"{NET}/routers/{bay['router']['id']}"
    assert alice("DELETE", f"{COMPUTE}/servers/{bay['server']['id']}").status == 204
    alice.gone(f"{COMPUTE}/servers/{bay['server']['id']}")
    assert alice("DELETE", f"{NET}/floatingips/{bay['fip']['id']}").status == 204
    assert alice("DELETE", f"{NET}/ports/{bay['port']['id']}").status == 204
    answer = alice("PUT", f"{router}/remove_router_interface", {"subnet_id": bay["subnet"]["id"]})
    assert answer.status == 200
    again = alice("PUT", f"{router}/remove_router_interface", {"subnet_id": bay["subnet"]["id"]})
    assert _type(again) == (404, "RouterInterfaceNotFoundForSubnet")
    assert alice("DELETE", router).status == 204
    assert alice("DELETE", f"{NET}/subnets/{bay['subnet']['id']}").status == 204
    assert alice("DELETE", f"{NET}/networks/{bay['network']['id']}").status == 204
    assert (local_cloud.engine.networks, local_cloud.engine.nodes, local_cloud.host.published) == ({}, {}, {})


def test_a_network_takes_its_subnets_along(local_cloud, alice):
    network, subnet = alice.network()
    assert alice("DELETE", f"{NET}/networks/{network['id']}").status == 204
    assert alice("GET", f"{NET}/subnets/{subnet['id']}").status == 404
    assert local_cloud.engine.networks == {}


def test_a_port_serves_one_server(alice, bay):
    body = {"name": "x", "imageRef": bay["server"]["image"]["id"], "flavorRef": "1"}
    body["networks"] = [{"port": bay["port"]["id"]}]
    answer = alice("POST", f"{COMPUTE}/servers", {"server": body})
    assert (answer.status, answer.message) == (409, f"Port {bay['port']['id']} is still in use.")
    assert len(alice("GET", f"{COMPUTE}/servers").json["servers"]) == 1


def test_a_port_has_one_floating_address(alice, bay):
    wanted = {"floating_network_id": alice.public, "port_id": bay["port"]["id"]}
    answer = alice("POST", f"{NET}/floatingips", {"floatingip": wanted})
    assert _type(answer) == (409, "FloatingIPPortAlreadyAssociated")


def test_names_and_rules_that_are_there_already(alice):
    alice.make(f"{COMPUTE}/os-keypairs", "keypair", name="k")
    assert alice("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "k"}}).status == 409
    group = alice.make(f"{NET}/security-groups", "security_group", name="g")
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": 22}
    rule["port_range_max"] = 22
    alice.make(f"{NET}/security-group-rules", "security_group_rule", **rule)
    answer = alice("POST", f"{NET}/security-group-rules", {"security_group_rule": rule})
    assert _type(answer) == (409, "SecurityGroupRuleExists")
    shown = alice("GET", f"{NET}/security-groups/{group['id']}").json["security_group"]
    assert len(shown["security_group_rules"]) == 3


def test_several_networks_need_a_choice(alice):
    alice.network("a")
    alice.network("b")
    body = {"name": "x", "imageRef": "11111111-1111-4111-8111-111111111111", "flavorRef": "1"}
    assert alice("POST", f"{COMPUTE}/servers", {"server": body}).status == 409


def test_actions_fit_the_state(alice, bay):
    url = f"{COMPUTE}/servers/{bay['server']['id']}/action"
    assert alice("POST", url, {"os-start": None}).status == 409
    assert alice("POST", url, {"os-stop": None}).status == 202
    alice.wait(bay["server"]["id"], "SHUTOFF")
    assert alice("POST", url, {"os-stop": None}).status == 409
    assert alice("POST", url, {"reboot": {"type": "SOFT"}}).status == 409
    assert alice("POST", url, {"reboot": {"type": "HARD"}}).status == 202
    alice.wait(bay["server"]["id"], "ACTIVE")
    assert alice("POST", url, {"pause": None}).status == 202
    alice.wait(bay["server"]["id"], "PAUSED")
    assert alice("POST", url, {"unpause": None}).status == 202
    alice.wait(bay["server"]["id"], "ACTIVE")
    assert alice("POST", url, {"dance": None}).status == 400
