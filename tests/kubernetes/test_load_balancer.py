"""A bay of three masters behind a load balancer: who goes through it does not notice which of them are there."""

import json
import time

import pytest

from magnum_lite.native.tls import client_context, client_session
from tests.kubernetes.visiting import Visitor
from tests.support.machine import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def home(make_bay):
    """Three masters, one worker."""
    labels = {"auto_healing_enabled": "true", "etcd_volume_size": "0"}
    return make_bay("kube-balanced", masters=3, workers=1, balanced=True, **labels)


def balancer_of(tenant, bay):
    return next(lb for lb in tenant.cloud.load_balancer.load_balancers() if bay["uuid"][:8] in lb.name)


def members_of(tenant, bay):
    """Address → status, by the SDK."""
    balancer = balancer_of(tenant, bay)
    found = tenant.cloud.load_balancer.members(balancer.pools[0]["id"])
    return {member.address: member.operating_status for member in found}


def masters(tenant, bay):
    return [n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master"]


def caller(tenant, bay):
    """A visit of the API by a new connection, verified by the bay's CA."""
    key, certificate, authority = tenant.sign(bay["uuid"])
    context = client_context(authority, certificate, key)

    def visit():
        with client_session(context) as session:
            return session.get(f"{bay['api_address']}/readyz", timeout=8).text == "ok"

    return visit


def test_its_address_is_the_load_balancers(home, tenant, kubectl_of):
    balancer = balancer_of(tenant, home)
    floating = next(f for f in tenant.cloud.network.ips() if f.port_id == balancer.vip_port_id)
    assert home["api_address"] == f"https://{floating.floating_ip_address}:6443"
    assert balancer.provisioning_status == "ACTIVE"
    kubectl = kubectl_of(home)
    kubectl.nodes_ready(4)
    config = json.loads(kubectl("config", "view", "--output", "json"))
    assert config["clusters"][0]["cluster"]["server"] == home["api_address"]
    addresses = {n["address"] for n in masters(tenant, home)}
    known = eventually("all members answer", lambda: set(members_of(tenant, home).values()) == {"ONLINE"}, 60)
    assert known and set(members_of(tenant, home)) == addresses
    # who is on its network may use its own address
    assert caller(tenant, home | {"api_address": f"https://{balancer.vip_address}:6443"})()


def test_a_dead_master_is_not_noticed(home, tenant, machine, kubectl_of):
    kubectl = kubectl_of(home)
    kubectl("create", "configmap", "kept", "--from-literal=it=is here")
    before = masters(tenant, home)
    dead = before[0]
    visitor = Visitor(caller(tenant, home), pause=0.2)
    visitor.start()
    time.sleep(5)
    assert not visitor.failed
    killed = time.monotonic()
    machine.outer().containers.get(f"srv-{dead['server_id']}").kill()
    eventually("it is out", lambda: members_of(tenant, home).get(dead["address"]) == "ERROR", 60)
    print(f"out of the pool after {time.monotonic() - killed:.1f} s")
    for _ in range(10):
        assert kubectl.get("configmap", "kept")["data"] == {"it": "is here"}
    kubectl("create", "configmap", "after", "--from-literal=it=goes on")

    def replaced():
        now = {n["server_id"] for n in masters(tenant, home) if n["state"] == "ready"}
        return dead["server_id"] not in now and len(now) == 3

    eventually("another master is there", replaced, 900, pause=2)
    found = tenant.complete(home["uuid"], 600)
    print(f"replaced after {time.monotonic() - killed:.1f} s")
    said = visitor.end()
    print(f"through the load balancer: {said}")
    assert visitor.visits > 50 and visitor.longest < 15, said
    assert found["api_address"] == home["api_address"]
    addresses = {n["address"] for n in masters(tenant, home)}
    eventually(
        "its members are the masters",
        lambda: members_of(tenant, home) == dict.fromkeys(addresses, "ONLINE"),
        60,
    )
    # the new one alone
    new = next(n for n in masters(tenant, home) if n["server_id"] not in {b["server_id"] for b in before})
    visit = caller(tenant, home | {"api_address": f"https://{new['address']}:6443"})
    assert visit()
    kubectl.nodes_ready(4, 180)


def test_it_goes_with_the_bay(home, tenant, machine):
    name = f"/lb-{balancer_of(tenant, home).id}"
    assert name in machine.leftovers()["balancers"]
    tenant.delete(home["uuid"], 300)
    assert name not in machine.leftovers()["balancers"]
    assert not [lb for lb in tenant.cloud.load_balancer.load_balancers() if home["uuid"][:8] in lb.name]
    assert not [p for p in tenant.cloud.network.ports() if p.name.startswith("octavia-lb-")]
