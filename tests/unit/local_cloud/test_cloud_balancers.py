"""Load balancers on twins: what Octavia refuses, how they are shown, and what a kill leaves."""

import json
import types

import pytest
import yaml

from magnum_lite import paths
from magnum_lite.local.cloud import settings
from magnum_lite.local.heat_sweep_balancers import DESCRIPTION, sweep
from tests.support.local_cloud import QUOTAS, LocalCloud

LB = "/load-balancer/v2.0/lbaas"
NET = "/network/v2.0"
TIMES = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}


def whole(user, subnet):
    """A load balancer with a listener, a pool, a monitor and a member."""
    balancer = user.make(f"{LB}/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=subnet["id"])
    listener = user.make(
        f"{LB}/listeners", "listener", loadbalancer_id=balancer["id"], protocol="TCP", protocol_port=6443
    )
    pool = user.make(
        f"{LB}/pools", "pool", listener_id=listener["id"], protocol="TCP", lb_algorithm="ROUND_ROBIN"
    )
    monitor = user.make(f"{LB}/healthmonitors", "healthmonitor", pool_id=pool["id"], **TIMES)
    member = user.make(f"{LB}/pools/{pool['id']}/members", "member", address="10.79.1.20", protocol_port=6443)
    return balancer, listener, pool, monitor, member


def config(local_cloud, balancer):
    """What its container reads."""
    file = local_cloud.settings.state_dir / "balancers" / balancer["id"] / "config.json"
    return json.loads(file.read_text())


def show(user, *path):
    answer = user("GET", "/".join((LB, *path)))
    assert answer.status == 200, answer.text
    return next(iter(answer.json.values()))


def test_its_life(local_cloud, alice):
    network, subnet = alice.network()
    balancer, listener, pool, monitor, member = whole(alice, subnet)
    spec = local_cloud.engine.balancing[balancer["id"]]
    assert (spec.link.subnet_id, spec.link.address) == (subnet["id"], balancer["vip_address"])
    shown = show(alice, "loadbalancers", balancer["id"])
    assert shown["provisioning_status"] == "ACTIVE"
    assert (shown["listeners"], shown["pools"]) == ([{"id": listener["id"]}], [{"id": pool["id"]}])
    assert show(alice, "pools", pool["id"])["healthmonitor_id"] == monitor["id"]
    told = config(local_cloud, balancer)
    assert told["listeners"][listener["id"]]["pool"] == pool["id"]
    assert told["pools"][pool["id"]]["members"][member["id"]]["address"] == "10.79.1.20"
    assert told["pools"][pool["id"]]["monitor"]["max_retries_down"] == 3
    path = f"{LB}/listeners/{listener['id']}"
    assert alice("PUT", path, {"listener": {"allowed_cidrs": ["192.0.2.0/24"]}}).status == 200
    assert config(local_cloud, balancer)["listeners"][listener["id"]]["allowed"] == ["192.0.2.0/24"]
    assert alice("PUT", path, {"listener": {"allowed_cidrs": None}}).status == 200
    assert config(local_cloud, balancer)["listeners"][listener["id"]]["allowed"] == []
    # what its container says is what is shown
    status = {"members": {member["id"]: False}, "listeners": {listener["id"]: {"listens": True}}}
    (spec.directory / "status.json").write_text(json.dumps(status))
    assert show(alice, "pools", pool["id"], "members", member["id"])["operating_status"] == "ERROR"
    assert show(alice, "loadbalancers", balancer["id"])["operating_status"] == "ERROR"
    tree = show(alice, "loadbalancers", balancer["id"], "status")["loadbalancer"]
    assert tree["listeners"][0]["pools"][0]["members"][0]["operating_status"] == "ERROR"
    # its port is its own
    assert alice("DELETE", f"{NET}/ports/{balancer['vip_port_id']}").status == 409
    assert alice("DELETE", f"{LB}/loadbalancers/{balancer['id']}").status == 409
    assert alice("DELETE", f"{LB}/pools/{pool['id']}").status == 204
    assert show(alice, "listeners", listener["id"])["default_pool_id"] is None
    assert alice("GET", f"{LB}/healthmonitors/{monitor['id']}").status == 404
    assert alice("DELETE", path).status == 204
    assert alice("DELETE", f"{LB}/loadbalancers/{balancer['id']}").status == 204
    assert alice("GET", f"{LB}/loadbalancers/{balancer['id']}").status == 404
    assert not local_cloud.engine.balancing and not spec.directory.exists()
    assert alice("GET", f"{NET}/ports").json["ports"] == []
    assert alice("DELETE", f"{NET}/networks/{network['id']}").status == 204


def test_a_cascade_takes_all(local_cloud, alice):
    _, subnet = alice.network()
    balancer, *parts = whole(alice, subnet)
    assert alice("DELETE", f"{LB}/loadbalancers/{balancer['id']}?cascade=true").status == 204
    kinds = ("loadbalancer", "listener", "pool", "healthmonitor", "member")
    assert all(local_cloud.store.list(kind) == [] for kind in kinds) and parts


def test_a_floating_address_leads_to_it_and_is_free_afterwards(local_cloud, alice):
    _, subnet = alice.network()
    alice.router(subnet)
    balancer, *_ = whole(alice, subnet)
    floating = alice.make(
        f"{NET}/floatingips",
        "floatingip",
        floating_network_id=alice.public,
        port_id=balancer["vip_port_id"],
    )
    assert local_cloud.host.published == {floating["floating_ip_address"]: balancer["vip_address"]}
    alice("DELETE", f"{LB}/loadbalancers/{balancer['id']}?cascade=true")
    assert local_cloud.host.published == {}


@pytest.mark.parametrize("part", range(5))
def test_anothers_is_not_found(alice, bob, part):
    _, subnet = alice.network()
    made = whole(alice, subnet)
    pool = made[2]["id"]
    names = ("loadbalancers", "listeners", "pools", "healthmonitors", f"pools/{pool}/members")
    kind = ("loadbalancer", "listener", "pool", "healthmonitor", "member")[part]
    path = f"{LB}/{names[part]}/{made[part]['id']}"
    assert bob("GET", path).status == bob("DELETE", path).status == 404
    assert bob("PUT", path, {kind: {"name": "mine"}}).status == 404
    listed = bob("GET", f"{LB}/{names[part]}")
    assert listed.status == 404 if part == 4 else next(iter(listed.json.values())) == []
    assert alice("GET", path).status == 200


def test_anothers_can_not_be_used(alice, bob):
    _, subnet = alice.network()
    balancer, listener, pool, *_ = whole(alice, subnet)
    tcp = {"protocol": "TCP"}
    for path, body, status in (
        ("loadbalancers", {"loadbalancer": {"vip_subnet_id": subnet["id"]}}, 400),
        ("loadbalancers", {"loadbalancer": {"vip_port_id": balancer["vip_port_id"]}}, 400),
        ("listeners", {"listener": tcp | {"loadbalancer_id": balancer["id"], "protocol_port": 1}}, 404),
        ("pools", {"pool": tcp | {"lb_algorithm": "ROUND_ROBIN", "listener_id": listener["id"]}}, 404),
        ("pools", {"pool": tcp | {"lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": balancer["id"]}}, 404),
        ("healthmonitors", {"healthmonitor": TIMES | {"pool_id": pool["id"]}}, 404),
        (f"pools/{pool['id']}/members", {"member": {"address": "10.79.1.9", "protocol_port": 1}}, 404),
        (f"quotas/{alice.project}", None, 403),
    ):
        assert bob("POST" if body else "GET", f"{LB}/{path}", body).status == status, path


@pytest.mark.parametrize(
    ("place", "change", "status"),
    [
        ("listeners", {"protocol": "HTTP"}, 400),
        ("listeners", {"protocol_port": 0}, 400),
        ("listeners", {"protocol_port": 6443}, 409),
        ("listeners", {"allowed_cidrs": ["here"]}, 400),
        ("listeners", {"allowed_cidrs": "192.0.2.0/24"}, 400),
        ("listeners", {"loadbalancer_id": "nope"}, 404),
        ("listeners", {"default_pool_id": "nope"}, 404),
        ("pools", {"lb_algorithm": "SOURCE_IP_PORT"}, 400),
        ("pools", {"listener_id": None}, 400),
        ("pools", {}, 409),
        ("pools", {"session_persistence": {"type": "HTTP_COOKIE"}}, 400),
        ("healthmonitors", {}, 409),
        ("healthmonitors", {"type": "HTTP"}, 400),
        ("healthmonitors", {"timeout": 6}, 400),
        ("healthmonitors", {"max_retries": 11}, 400),
        ("members", {"address": "10.79.1.20"}, 409),
        ("members", {"address": "a.example"}, 400),
        ("members", {"weight": 257}, 400),
        ("members", {"subnet_id": "nope"}, 404),
        ("members", {"nonsense": 1}, 400),
    ],
)
def test_what_is_refused(alice, place, change, status):
    _, subnet = alice.network()
    balancer, listener, pool, *_ = whole(alice, subnet)
    good = {
        "listeners": {"loadbalancer_id": balancer["id"], "protocol": "TCP", "protocol_port": 80},
        "pools": {"listener_id": listener["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"},
        "healthmonitors": TIMES | {"pool_id": pool["id"]},
        "members": {"address": "10.79.1.21", "protocol_port": 6443},
    }[place]
    path = f"{LB}/pools/{pool['id']}/members" if place == "members" else f"{LB}/{place}"
    answer = alice("POST", path, {place.removesuffix("s"): good | change})
    assert answer.status == status, answer.text
    assert answer.json["faultstring"] and answer.json["faultcode"] == "Client"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"provider": "ovn"}, 400),
        ({"vip_subnet_id": None}, 400),
        ({"vip_subnet_id": "nope"}, 400),
        ({"vip_address": "8.8.8.8"}, 400),
        ({"flavor_id": "large"}, 400),
    ],
)
def test_a_load_balancer_that_is_refused_leaves_no_port(alice, change, status):
    _, subnet = alice.network()
    body = {"loadbalancer": {"vip_subnet_id": subnet["id"]} | change}
    assert alice("POST", f"{LB}/loadbalancers", body).status == status
    assert alice("GET", f"{NET}/ports").json["ports"] == []


def test_the_quota(tmp_path):
    values = {name: getattr(QUOTAS, name) for name in QUOTAS.__dataclass_fields__}
    cloud = LocalCloud(tmp_path, settings.Quotas(**values | {"loadbalancers": 1}))
    alice = cloud.user("p1")
    _, subnet = alice.network()
    body = {"loadbalancer": {"vip_subnet_id": subnet["id"]}}
    assert show(alice, "quotas", "p1")["load_balancer"] == 1
    assert alice("POST", f"{LB}/loadbalancers", body).status == 201
    refused = alice("POST", f"{LB}/loadbalancers", body)
    assert refused.status == 403 and "Load Balancer" in refused.json["faultstring"]


def test_what_was_never_answered_is_taken_back(local_cloud, alice):
    _, subnet = alice.network()
    balancer, _, pool, *_ = whole(alice, subnet)
    lost = alice("POST", f"{LB}/loadbalancers", {"loadbalancer": {"vip_subnet_id": subnet["id"]}}, lost=True)
    body = {"member": {"address": "10.79.1.30", "protocol_port": 6443}}
    alice("POST", f"{LB}/pools/{pool['id']}/members", body, lost=True)
    local_cloud.kill()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    assert [lb["id"] for lb in show(alice, "loadbalancers")] == [balancer["id"]]
    assert set(local_cloud.engine.balancing) == {balancer["id"]} != {lost.json["loadbalancer"]["id"]}
    assert len(show(alice, "pools", pool["id"], "members")) == 1
    assert len(config(local_cloud, balancer)["pools"][pool["id"]]["members"]) == 1


def test_a_kill_loses_no_container_and_leaves_none(local_cloud, alice):
    _, subnet = alice.network()
    kept, *_ = whole(alice, subnet)
    going = alice.make(f"{LB}/loadbalancers", "loadbalancer", vip_subnet_id=subnet["id"])
    local_cloud.store.change("loadbalancer", going["id"], _deleting=True)  # killed right after
    stray = local_cloud.engine.balancing[kept["id"]]
    local_cloud.engine.balancing["stray"] = stray  # its record was never written
    del local_cloud.engine.balancing[kept["id"]]  # somebody removed it
    local_cloud.kill()
    local_cloud.start()
    local_cloud.cloud.restore(resume=True)
    assert set(local_cloud.engine.balancing) == {kept["id"]}
    assert alice("GET", f"{LB}/loadbalancers/{going['id']}").status == 404
    assert [p["id"] for p in alice("GET", f"{NET}/ports").json["ports"]] == [kept["vip_port_id"]]


def test_it_waits_for_an_engine_that_is_away(local_cloud, alice):
    _, subnet = alice.network()
    local_cloud.engine.away = True
    answer = alice("POST", f"{LB}/loadbalancers", {"loadbalancer": {"vip_subnet_id": subnet["id"]}})
    assert (answer.status, answer.json["loadbalancer"]["provisioning_status"]) == (201, "PENDING_CREATE")
    local_cloud.engine.away = False
    local_cloud.cloud.restore(resume=False)
    found = show(alice, "loadbalancers")
    assert [lb["provisioning_status"] for lb in found] == ["ACTIVE"]


class Session:
    """A project's session, as keystoneauth's."""

    def __init__(self, user):
        self._user = user

    def get(self, url):
        found = self._user("GET", url)
        assert found.status == 200
        return types.SimpleNamespace(json=lambda: found.json)

    def delete(self, url):
        assert self._user("DELETE", url).status == 204, url


def test_what_heat_forgot_is_removed(local_cloud, alice):
    _, subnet = alice.network()
    balancer, listener, pool, monitor, member = whole(alice, subnet)
    ours = {"vip_subnet_id": subnet["id"], "description": DESCRIPTION}
    lost = alice.make(f"{LB}/loadbalancers", "loadbalancer", **ours)
    path = f"{LB}/loadbalancers/{balancer['id']}"
    known = {part["id"] for part in (balancer, listener, pool, monitor, member)}
    # a tenant's own is nobody's business
    assert sweep(LB, [], Session(alice)) == [lost["id"]]
    assert alice("PUT", path, {"loadbalancer": {"description": DESCRIPTION}}).status == 200
    assert sweep(LB, known, Session(alice)) == []
    late = alice.make(f"{LB}/pools/{pool['id']}/members", "member", address="10.79.1.9", protocol_port=1)
    assert sweep(LB, known, Session(alice)) == [late["id"]]
    assert sweep(LB, known - {monitor["id"], listener["id"]}, Session(alice)) == [
        monitor["id"],
        listener["id"],
    ]
    assert alice("GET", f"{LB}/pools/{pool['id']}/members/{member['id']}").status == 200
    assert set(sweep(LB, {balancer["id"]}, Session(alice))) == {member["id"], pool["id"]}
    assert sweep(LB, [], Session(alice)) == [balancer["id"]]
    assert local_cloud.engine.balancing == {}


def test_the_template_says_whose_it_is():
    told = yaml.safe_load((paths.heat_templates() / "common/load_balancer.yaml").read_text())
    assert told["resources"]["load_balancer"]["properties"]["description"] == DESCRIPTION
