"""Ranges and addresses: never twice, chosen or wanted, and free again."""

import ipaddress
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnum_lite.local.cloud import addresses
from magnum_lite.local.cloud.faults import Fault
from tests.support.fuzz import examples

NET = "/network/v2.0"


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(24, 28), max_size=40))
def test_ranges_never_overlap(lengths):
    taken = []
    for length in lengths:
        taken.append(addresses.next_range("10.79", length, taken))
    nets = [ipaddress.ip_network(cidr) for cidr in taken] + list(addresses.reserved("10.79"))
    assert all(not a.overlaps(b) for place, a in enumerate(nets) for b in nets[:place])
    assert all(net.subnet_of(addresses.pool("10.79")) for net in nets)


def test_the_pool_ends():
    taken = [f"10.79.{third}.0/24" for third in range(1, 254)]
    with pytest.raises(Fault) as raised:
        addresses.next_range("10.79", 24, taken)
    assert raised.value.status == 409


def test_two_bays_never_share_a_range(alice, bob):
    _, first = alice.network()
    _, second = bob.network()
    assert (first["cidr"], second["cidr"]) == ("10.79.1.0/24", "10.79.2.0/24")
    network = bob.make(f"{NET}/networks", "network")
    answer = bob(
        "POST", f"{NET}/subnets", {"subnet": {"network_id": network["id"], "cidr": "10.79.1.128/25"}}
    )
    assert answer.status == 409
    assert "overlaps" in answer.message
    for reserved in ("10.79.254.0/24", "10.79.255.0/30"):
        body = {"subnet": {"network_id": network["id"], "cidr": reserved}}
        assert bob("POST", f"{NET}/subnets", body).status in {400, 409}
    alice("DELETE", f"{NET}/subnets/{first['id']}")
    _, third = bob.network()
    assert third["cidr"] == "10.79.1.0/24"


def test_addresses_are_the_lowest_free_ones(alice):
    network, subnet = alice.network()
    ports = [alice.port(network) for _ in range(3)]
    assert [port["fixed_ips"][0]["ip_address"] for port in ports] == [
        "10.79.1.10",
        "10.79.1.11",
        "10.79.1.12",
    ]
    assert ports[0]["mac_address"] == "02:42:0a:4f:01:0a"
    assert alice("DELETE", f"{NET}/ports/{ports[1]['id']}").status == 204
    again = alice.port(network, fixed_ips=[{"subnet_id": subnet["id"]}])
    assert again["fixed_ips"] == ports[1]["fixed_ips"]
    assert again["mac_address"] == ports[1]["mac_address"]


def test_a_wanted_address(alice):
    network, subnet = alice.network()
    wanted = [{"subnet_id": subnet["id"], "ip_address": "10.79.1.77"}]
    assert alice.port(network, fixed_ips=wanted)["fixed_ips"] == wanted
    answer = alice("POST", f"{NET}/ports", {"port": {"network_id": network["id"], "fixed_ips": wanted}})
    assert (answer.status, answer.json["NeutronError"]["type"]) == (409, "IpAddressAlreadyAllocated")
    gateway = [{"ip_address": subnet["gateway_ip"]}]
    assert (
        alice("POST", f"{NET}/ports", {"port": {"network_id": network["id"], "fixed_ips": gateway}}).status
        == 409
    )


def test_no_address_is_given_twice_at_once(alice):
    network, _ = alice.network()
    with ThreadPoolExecutor(16) as threads:
        ports = list(threads.map(lambda _: alice.port(network), range(60)))
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 60


def test_a_small_subnet_is_used_up(alice):
    network, subnet = alice.network(cidr="172.30.0.0/29")
    assert subnet["allocation_pools"] == [{"start": "172.30.0.2", "end": "172.30.0.6"}]
    for _ in range(5):
        alice.port(network)
    answer = alice("POST", f"{NET}/ports", {"port": {"network_id": network["id"]}})
    assert (answer.status, answer.json["NeutronError"]["type"]) == (409, "IpAddressGenerationFailure")


def test_allocation_pools_are_honoured(alice):
    pools = [{"start": "172.30.0.100", "end": "172.30.0.101"}]
    network, _ = alice.network(cidr="172.30.0.0/24", allocation_pools=pools)
    found = [alice.port(network)["fixed_ips"][0]["ip_address"] for _ in range(2)]
    assert found == ["172.30.0.100", "172.30.0.101"]


def test_floating_addresses_lead_somewhere(local_cloud, alice):
    network, subnet = alice.network()
    port = alice.port(network)
    wanted = {"floating_network_id": alice.public, "port_id": port["id"]}
    answer = alice("POST", f"{NET}/floatingips", {"floatingip": wanted})
    assert answer.json["NeutronError"]["type"] == "ExternalGatewayForFloatingIPNotFound"
    router = alice.router(subnet)
    floating = alice.make(f"{NET}/floatingips", "floatingip", **wanted)
    assert floating["fixed_ip_address"] == "10.79.1.10"
    assert floating["router_id"] == router["id"]
    assert local_cloud.host.published == {"10.79.254.1": "10.79.1.10"}
    server = alice.server(None, networks=[{"port": port["id"]}])
    kinds = {one["OS-EXT-IPS:type"]: one["addr"] for one in server["addresses"]["net"]}
    assert kinds == {"fixed": "10.79.1.10", "floating": "10.79.254.1"}
    url = f"{NET}/floatingips/{floating['id']}"
    assert alice("PUT", url, {"floatingip": {"port_id": None}}).json["floatingip"]["status"] == "DOWN"
    assert local_cloud.host.published == {}
    assert alice("PUT", url, {"floatingip": {"port_id": port["id"]}}).status == 200
    assert alice("DELETE", url).status == 204
    assert local_cloud.host.published == {}


def test_a_port_that_goes_takes_its_rule(local_cloud, alice):
    network, subnet = alice.network()
    alice.router(subnet)
    port = alice.port(network)
    floating = alice.make(
        f"{NET}/floatingips", "floatingip", floating_network_id=alice.public, port_id=port["id"]
    )
    assert alice("DELETE", f"{NET}/ports/{port['id']}").status == 204
    assert local_cloud.host.published == {}
    assert alice("GET", f"{NET}/floatingips/{floating['id']}").json["floatingip"]["port_id"] is None
