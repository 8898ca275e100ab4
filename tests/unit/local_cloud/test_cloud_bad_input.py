"""Bad input is a 4xx in the API's own form, never a 500."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzz import examples
from tests.support.local_cloud import IMAGE, LocalCloud

COMPUTE, NET = "/compute/v2.1", "/network/v2.0"
GOOD = {"name": "x", "imageRef": IMAGE.id, "flavorRef": "1"}
CASES = [
    (f"{COMPUTE}/servers", {"server": {**GOOD, "name": ""}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "name": "x" * 256}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "name": 7}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "imageRef": "nope"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "imageRef": ""}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "flavorRef": "99"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "networks": [{}]}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "networks": [{"uuid": "nope"}]}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "networks": [{"port": "nope"}]}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "networks": "all"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "key_name": "nope"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "user_data": "A" * 65536}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "user_data": "é!"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "metadata": {"a": 1}}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "metadata": {"a": "x" * 256}}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "availability_zone": "mars"}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "max_count": 3}}, 400),
    (f"{COMPUTE}/servers", {"server": {**GOOD, "security_groups": [{"name": "nope"}]}}, 400),
    (f"{COMPUTE}/servers", {"server": []}, 400),
    (f"{COMPUTE}/servers", {"server": GOOD, "os:scheduler_hints": {"group": "nope"}}, 400),
    (f"{COMPUTE}/os-keypairs", {"keypair": {"name": "k", "public_key": "ssh-rsa nonsense"}}, 400),
    (f"{COMPUTE}/os-keypairs", {"keypair": {"name": "a/b"}}, 400),
    (f"{COMPUTE}/os-server-groups", {"server_group": {"name": "g", "policies": ["nope"]}}, 400),
    (f"{COMPUTE}/servers/nope/action", {"os-stop": None}, 404),
    (f"{COMPUTE}/flavors", {"flavor": {}}, 405),
    (f"{COMPUTE}/nothing-like-this", {}, 404),
    (f"{NET}/networks", {"network": {"nonsense": 1}}, 400),
    (f"{NET}/networks", {"network": {"name": 5}}, 400),
    (f"{NET}/networks", {"networks": [1]}, 400),
    (f"{NET}/subnets", {"subnet": {"cidr": "10.0.0.0/24"}}, 400),
    (f"{NET}/subnets", {"subnet": {"network_id": "nope", "cidr": "10.0.0.0/24"}}, 404),
    (f"{NET}/subnets", {"subnet": {"network_id": "$net", "cidr": "10.0.0.0/33"}}, 400),
    (f"{NET}/subnets", {"subnet": {"network_id": "$net", "cidr": "8.8.8.0/24"}}, 400),
    (f"{NET}/subnets", {"subnet": {"network_id": "$net", "ip_version": 6, "cidr": "fd00::/64"}}, 400),
    (f"{NET}/subnets", {"subnet": {"network_id": "$net"}}, 400),
    (
        f"{NET}/subnets",
        {"subnet": {"network_id": "$net", "use_default_subnetpool": True, "prefixlen": 8}},
        400,
    ),
    (
        f"{NET}/subnets",
        {"subnet": {"network_id": "$net", "use_default_subnetpool": True, "prefixlen": "x"}},
        400,
    ),
    (f"{NET}/subnets", {"subnet": {"network_id": "$net", "subnetpool_id": "nope"}}, 404),
    (
        f"{NET}/subnets",
        {"subnet": {"network_id": "$net", "cidr": "10.5.0.0/24", "gateway_ip": "10.6.0.1"}},
        400,
    ),
    (f"{NET}/ports", {"port": {"network_id": "$net", "fixed_ips": [{"ip_address": "1.2.3.4"}]}}, 400),
    (f"{NET}/ports", {"port": {"network_id": "$net", "fixed_ips": [{"subnet_id": "nope"}]}}, 400),
    (f"{NET}/ports", {"port": {"network_id": "$net", "fixed_ips": [{}, {}]}}, 400),
    (f"{NET}/ports", {"port": {"network_id": "$net", "security_groups": ["nope"]}}, 404),
    (f"{NET}/ports", {"port": {"network_id": "$net", "mac_address": "01:00:00:00:00:00"}}, 400),
    (
        f"{NET}/subnets",
        {"subnet": {"network_id": "$net", "cidr": "10.5.0.0/24", "dns_nameservers": ["x"]}},
        400,
    ),
    (
        f"{NET}/subnets",
        {"subnet": {"network_id": "$net", "cidr": "10.5.0.0/24", "dns_nameservers": [{}]}},
        400,
    ),
    (f"{NET}/routers", {"router": {"external_gateway_info": {"network_id": "$net"}}}, 400),
    (f"{NET}/floatingips", {"floatingip": {"floating_network_id": "$net"}}, 400),
    (f"{NET}/floatingips", {"floatingip": {}}, 400),
    (
        f"{NET}/security-group-rules",
        {"security_group_rule": {"security_group_id": "$group", "direction": "up"}},
        400,
    ),
    (f"{NET}/subnetpools", {"subnetpool": {"name": "x"}}, 403),
    (f"{NET}/nonsense", {"nonsense": {}}, 404),
    ("/volume/v3/p1/volumes", {"volume": {}}, 400),
    ("/volume/v3/p1/volumes", {"volume": {"size": 0}}, 400),
    ("/volume/v3/p1/volumes", {"volume": {"size": "big"}}, 400),
    ("/volume/v3/p1/volumes", {"volume": {"size": 1, "snapshot_id": "s"}}, 400),
    ("/volume/v3/p1/volumes", {"volume": {"size": 1, "volume_type": "gold"}}, 404),
    ("/image/v2/images", {"name": "x"}, 403),
]


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A user with one network."""
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"))
    made = cloud.user("p1")
    made.net, _ = made.network()
    made.group = made("GET", f"{NET}/security-groups").json["security_groups"][0]
    yield made
    cloud.cloud.servers.close()


@pytest.mark.parametrize(("path", "body", "status"), CASES)
def test_refusals(user, path, body, status):
    for value in body.values():
        if isinstance(value, dict):
            names = {"$net": user.net["id"], "$group": user.group["id"]}
            for key, item in value.items():
                value[key] = names.get(item, item) if isinstance(item, str) else item
                if isinstance(item, dict) and item.get("network_id") == "$net":
                    item["network_id"] = user.net["id"]
    answer = user("POST", path, body)
    assert answer.status == status, answer.text
    assert answer.message
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", sorted({path for path, _, status in CASES if status == 400}))
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"[" * 5000])
def test_bodies_that_are_no_object(user, path, raw):
    assert user("POST", path, raw=raw).status == 400


def test_the_form_of_errors(user):
    assert set(user("GET", f"{COMPUTE}/servers/x").json) == {"itemNotFound"}
    assert set(user("GET", f"{NET}/ports/x").json["NeutronError"]) == {"type", "message", "detail"}
    assert user("GET", f"{NET}/ports/x").json["NeutronError"]["type"] == "PortNotFound"
    assert user("GET", "/volume/v3/p1/volumes/x").json["itemNotFound"]["code"] == 404
    assert user("GET", "/image/v2/images/x").json["code"] == "404 Not Found"


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.text(max_size=8)
    | st.sampled_from(["$net", "1", IMAGE.id]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = {
    (f"{COMPUTE}/servers", "server"): [
        "name", "imageRef", "flavorRef", "networks", "metadata", "user_data", "key_name", "security_groups",
        "block_device_mapping_v2", "availability_zone", "min_count",
    ],
    (f"{NET}/subnets", "subnet"): [
        "network_id", "cidr", "gateway_ip", "allocation_pools", "prefixlen", "subnetpool_id", "ip_version",
    ],
    (f"{NET}/ports", "port"): ["network_id", "fixed_ips", "mac_address", "security_groups", "device_id"],
    (f"{NET}/security-group-rules", "security_group_rule"): [
        "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
        "remote_ip_prefix", "remote_group_id",
    ],
    (f"{NET}/floatingips", "floatingip"): ["floating_network_id", "port_id", "floating_ip_address"],
    (f"{NET}/routers", "router"): ["name", "external_gateway_info", "routes"],
    ("/volume/v3/p1/volumes", "volume"): ["size", "name", "metadata", "volume_type", "availability_zone"],
    (f"{COMPUTE}/os-keypairs", "keypair"): ["name", "public_key", "type"],
    (f"{COMPUTE}/os-server-groups", "server_group"): ["name", "policies"],
}  # fmt: skip


@pytest.mark.parametrize(("path", "kind"), _FIELDS)
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_body_makes_a_500(user, path, kind, data):
    body = data.draw(st.dictionaries(st.sampled_from(_FIELDS[path, kind]), _ANYTHING))
    body = {key: user.net["id"] if value == "$net" else value for key, value in body.items()}
    answer = user("POST", path, {kind: body})
    assert answer.status < 500, (body, answer.text)
