"""Several of everything: restarts of one after the other, under load, of which nobody notices anything."""

import itertools

import pytest
import requests

from magnum_lite.pki.requests import client_request
from tests.support.load import Load
from tests.support.machine import eventually

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(900)]
DRAINED = 10.0  # seconds


@pytest.fixture(scope="module")
def bay(tenant):
    """One without workers; its certificates are signed by conductors."""
    model = tenant.model("rolling")
    uuid = tenant.bay("rolling", model, node_count=0)
    tenant.complete(uuid)
    yield uuid
    tenant.delete(uuid)
    tenant.call("DELETE", f"/baymodels/{model['uuid']}", expect=204)


@pytest.fixture
def load(tenant, bay):
    with Load(tenant, bay=bay, csr=client_request("Your Name")[1]) as found:
        eventually("load", lambda: found.count > 20, 60)
        yield found


def goes_on(load, requests_=20):
    """Some more answers, all of them good."""
    before = load.count
    eventually("more answers", lambda: load.count >= before + requests_ or load.failed, 60)
    assert not load.failed, load.failed[:5]


def healthy(server):
    try:
        return requests.get(f"{server.url}/healthcheck", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def listening(cloud):
    """How many conductors hear what is asked."""
    lines = cloud.bus.ctl("list_queues", "--no-table-headers", "name", "consumers").splitlines()
    return next(int(n) for name, n in (line.split("\t") for line in lines) if name == "magnum-lite-conductor")


def out_of_the_proxy(cloud, name, wanted):
    """Whether HAProxy has (or has not) the API host."""
    return eventually(f"{name} {wanted}", lambda: cloud.proxy_state(name).startswith(wanted), 20)


def test_api_hosts_are_restarted_one_after_the_other(cloud, load):
    for name, place in (("gunicorn", "api1"), ("uwsgi", "api2")):
        server = cloud.apis[name]
        cloud.draining[name].touch()
        out_of_the_proxy(cloud, place, "DOWN")
        assert server.stop(20) < DRAINED
        server.start()
        assert not healthy(server)
        cloud.draining[name].unlink()
        out_of_the_proxy(cloud, place, "UP")
        goes_on(load)
    assert not load.failed, load.failed[:5]
    print(f"requests: {dict(load.done)}, slowest {load.slowest:.1f} s")


def test_conductors_are_restarted_one_after_the_other(cloud, tenant, load, bay):
    """While a bay is made."""
    model = tenant.model("made-meanwhile")
    uuid = tenant.bay("made-meanwhile", model, node_count=1)
    took = []
    for conductor in itertools.chain(cloud.conductors, cloud.conductors[:1]):
        eventually("all conductors listen", lambda: listening(cloud) == len(cloud.conductors), 90)
        took.append(conductor.stop(20))
        conductor.start()
        goes_on(load, 10)
    print("conductors ended within", [f"{t:.1f}" for t in took])
    assert max(took) < DRAINED
    tenant.complete(uuid, 400)
    assert not load.failed, load.failed[:5]
    tenant.delete(uuid)
    tenant.call("DELETE", f"/baymodels/{model['uuid']}", expect=204)


def test_node_doors_are_restarted_one_after_the_other(cloud, tenant, bay):
    for door in cloud.doors:
        assert door.stop(20) < DRAINED
        door.start()
    eventually("reported", lambda: tenant.get(f"/bays/{bay}")["health_status"] == "HEALTHY", 60)


def test_a_dead_api_host_costs_nothing_but_itself(cloud, load):
    """Killed without a word: what it had in hand is lost, and nothing else."""
    cloud.apis["uwsgi"].kill()
    out_of_the_proxy(cloud, "api2", "DOWN")
    lost = len(load.failed)
    assert lost <= 4, "at most what each user waited for"
    load.failed.clear()
    goes_on(load)
    cloud.apis["uwsgi"].start()
    out_of_the_proxy(cloud, "api2", "UP")
    load.failed.clear()
