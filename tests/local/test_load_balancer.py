"""The local cloud's Octavia under a real Heat, real clients and a real Swarm bay."""

import contextlib
import threading
import time

import pytest

from magnum_lite import paths
from magnum_lite.local import catalog, state
from tests.support.machine import REFUSED, engine, eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
SETTINGS = {"floating_ip": True, "provider": "", "algorithm": "ROUND_ROBIN", "health_checks": True}
SETTINGS |= {"allowed_cidrs": ""}


@pytest.fixture
def subnet(tenant):
    """With a way out; away in the end, so nothing may be left on it."""
    net = tenant.cloud.network
    network = net.create_network(name="behind")
    made = net.create_subnet(network_id=network.id, ip_version=4, use_default_subnet_pool=True)
    public = net.find_network("public")
    router = net.create_router(external_gateway_info={"network_id": public.id})
    net.add_interface_to_router(router, subnet=made.id)
    yield made
    net.remove_interface_from_router(router, subnet=made.id)
    net.delete_router(router)
    net.delete_network(network, ignore_missing=False)


def test_heat_makes_changes_and_removes_it(tenant, machine, subnet):
    before = machine.leftovers()
    heat, octavia = tenant.cloud.orchestration, tenant.cloud.load_balancer
    template = (paths.heat_templates() / "common/load_balancer.yaml").read_text()
    given = {"name": "alone", "subnet": subnet.id, "external_network": "public", "port": 6443}

    def settled(stack):
        found = heat.get_stack(stack)
        assert not found.status.endswith("FAILED"), found.status_reason
        return found if found.status.endswith("COMPLETE") else None

    def change(**settings):
        body = {"template": template, "parameters": given | {"settings": SETTINGS | settings}}
        assert heat.put(f"/stacks/alone/{stack.id}", json=body).status_code == 202

    def ids():
        kinds = (octavia.load_balancers, octavia.listeners, octavia.pools, octavia.health_monitors)
        return [[one.id for one in kind()] for kind in kinds]

    began = time.monotonic()
    stack = heat.create_stack(name="alone", template=template, parameters=given | {"settings": SETTINGS})
    made = eventually("the stack", lambda: settled(stack), 120)
    print(f"by Heat: {time.monotonic() - began:.1f} s")
    told = {output["output_key"]: output["output_value"] for output in made.outputs}
    (balancer,) = octavia.load_balancers()
    assert (balancer.vip_address, balancer.provisioning_status) == (told["address"], "ACTIVE")
    (floating,) = tenant.cloud.network.ips(port_id=balancer.vip_port_id)
    assert floating.floating_ip_address == told["floating"]
    was = ids()
    assert [len(kind) for kind in was] == [1, 1, 1, 1]
    change(allowed_cidrs="192.0.2.0/24", algorithm="LEAST_CONNECTIONS")
    eventually("the change", lambda: next(iter(octavia.listeners())).allowed_cidrs == ["192.0.2.0/24"], 60)
    eventually("its end", lambda: settled(stack), 60)
    assert next(iter(octavia.pools())).lb_algorithm == "LEAST_CONNECTIONS"
    change(health_checks=False)
    eventually("no looks", lambda: not list(octavia.health_monitors()), 60)
    eventually("its end", lambda: settled(stack), 60)
    assert next(iter(octavia.listeners())).allowed_cidrs is None
    assert [*ids()[:3]] == was[:3], "none was made anew"
    heat.delete_stack(stack)
    eventually("its end", lambda: heat.find_stack("alone") is None, 120)
    assert ids() == [[], [], [], []]
    assert machine.leftovers() == before


# Before the bay of this file, whose load balancer would be one more.
def test_heat_is_killed_while_it_makes_one(tenant, machine):
    before = machine.leftovers()
    octavia = tenant.cloud.load_balancer
    model = tenant.model("killed-balanced", keypair_id="my-key", master_lb_enabled=True)
    uuid = tenant.bay("killed", model, node_count=1)
    eventually("it is there", lambda: list(octavia.load_balancers()), 120, pause=0.02)
    machine.kill("heat")
    found = tenant.wait(uuid, 400)
    if found["status"] == "CREATE_FAILED":  # a retry helps
        tenant.call("PATCH", f"/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": 1}], 202)
        found = tenant.complete(uuid, 400)
    made = [list(kind()) for kind in (octavia.load_balancers, octavia.listeners, octavia.pools)]
    assert [len(kind) for kind in made] == [1, 1, 1], "what Heat forgot is gone"
    assert set(members(tenant)) == {n["address"] for n in managers(tenant, found)}
    with engine(found["api_address"], *tenant.sign(uuid)) as docker:
        assert docker.info()["Swarm"]["Managers"] == 1
    tenant.delete(uuid, 300)
    assert machine.leftovers() == before
    assert not list(octavia.load_balancers())


@pytest.fixture(scope="module")
def bay(machine, tenant):
    """Three managers behind a load balancer, one worker."""
    before = machine.leftovers()
    model = tenant.model("balanced", keypair_id="my-key", master_lb_enabled=True)
    uuid = tenant.bay("balanced", model, master_count=3, node_count=1)
    yield tenant.complete(uuid, 600)
    tenant.delete(uuid, 300)
    assert machine.leftovers() == before
    assert not list(tenant.cloud.load_balancer.load_balancers())


class Caller(threading.Thread):
    """Asks the bay's API all the time, by a new connection each: how long was it away?"""

    def __init__(self, address, credentials):
        super().__init__(daemon=True)
        self._address, self._credentials, self._over = address, credentials, threading.Event()
        self.calls, self.failed, self.longest = 0, 0, 0.0

    def run(self):
        good = time.monotonic()
        while not self._over.wait(0.2):
            self.calls += 1
            try:
                with engine(self._address, *self._credentials) as docker:
                    docker.api.timeout = 8
                    docker.ping()
            except REFUSED:
                self.failed += 1
                continue
            finally:
                self.longest = max(self.longest, time.monotonic() - good)
            good = time.monotonic()

    def end(self):
        self._over.set()
        self.join(30)
        return f"{self.calls} calls, {self.failed} failed, at most {self.longest:.1f} s between two answers"


@contextlib.contextmanager
def calling(tenant, bay):
    caller = Caller(bay["api_address"], tenant.sign(bay["uuid"]))
    caller.start()
    time.sleep(2)
    try:
        yield caller
    finally:
        print(caller.end())


def members(tenant):
    """Address → status."""
    (pool,) = tenant.cloud.load_balancer.pools()
    return {m.address: m.operating_status for m in tenant.cloud.load_balancer.members(pool)}


def managers(tenant, bay):
    return [n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master"]


def test_docker_comes_through_it(tenant, bay):
    (balancer,) = tenant.cloud.load_balancer.load_balancers()
    (floating,) = tenant.cloud.network.ips(port_id=balancer.vip_port_id)
    assert bay["api_address"] == f"tcp://{floating.floating_ip_address}:2376"
    credentials = tenant.sign(bay["uuid"])
    for address in (bay["api_address"], f"tcp://{balancer.vip_address}:2376"):
        with engine(address, *credentials) as docker:  # verified by the bay's CA
            assert docker.info()["Swarm"]["Managers"] == 3
    addresses = [n["address"] for n in managers(tenant, bay)]
    eventually("all answer", lambda: members(tenant) == dict.fromkeys(addresses, "ONLINE"), 60)
    plan = tenant.call("POST", "/bays?plan=true", {"baymodel_id": bay["baymodel_id"]}, 200).json()
    need = next(q for q in plan["quotas"] if q["resource"] == "load_balancers")
    assert (need["needed"], need["limit"], need["left"]) == (1, 20, 19)


def test_it_goes_on_while_the_local_cloud_is_killed(tenant, bay, machine):
    (balancer,) = tenant.cloud.load_balancer.load_balancers()
    container = machine.outer().containers.get(f"lb-{balancer.id}")
    with calling(tenant, bay) as caller:
        machine.kill("local-cloud")
        eventually("it answers", lambda: members(tenant), 60)
    assert caller.calls > 5 and not caller.failed
    again = machine.outer().containers.get(f"lb-{balancer.id}")
    assert (
        again.id == container.id
        and again.attrs["State"]["StartedAt"] == container.attrs["State"]["StartedAt"]
    )


def test_a_dead_manager_is_not_noticed(tenant, bay, machine):
    dead = managers(tenant, bay)[0]
    with calling(tenant, bay) as caller:
        killed = time.monotonic()
        machine.outer().containers.get(f"srv-{dead['server_id']}").kill()
        eventually("it is out", lambda: members(tenant)[dead["address"]] == "ERROR", 90)
        print(f"out of the pool after {time.monotonic() - killed:.1f} s")
    assert caller.longest < 15, caller.end()
    machine.outer().containers.get(f"srv-{dead['server_id']}").start()
    eventually("it is back", lambda: set(members(tenant).values()) == {"ONLINE"}, 120)


def test_a_cloud_without_it(tenant, machine):
    """The service is taken out of Keystone's catalogue: the caller is told at once, and nothing is made."""
    model = tenant.model("unbalanced", keypair_id="my-key", master_lb_enabled=True)
    body = {"name": "nowhere", "baymodel_id": model["uuid"]}
    # first: the conductor's token keeps the catalogue of its time, too
    plan = tenant.call("POST", "/bays?plan=true", body, 200).json()
    assert plan["feasible"], plan
    assert plan["resources"]["added"]["OS::Octavia::PoolMember"] == 1
    settings = state.load(machine.state_dir)
    admin = catalog.administrator(settings)
    url = f"{settings.keystone_url}/services"
    (service,) = admin.get(f"{url}?type=load-balancer").json()["services"]
    admin.patch(f"{url}/{service['id']}", json={"service": {"enabled": False}})
    try:
        again = machine.tenant()
        answer = again.call("POST", "/bays", body, 400)
        assert "no load balancer service" in answer.text and "master_lb_enabled" in answer.text
        plan = again.call("POST", "/bays?plan=true", body, 200).json()
        assert not plan["feasible"] and plan["problems"][0]["field"] == "master_lb_enabled"
        body["master_lb_enabled"] = False
        assert again.call("POST", "/bays?plan=true", body, 200).json()["feasible"]
    finally:
        admin.patch(f"{url}/{service['id']}", json={"service": {"enabled": True}})
    assert "nowhere" not in [b["name"] for b in tenant.get("/bays")["bays"]]
    tenant.call("DELETE", f"/baymodels/{model['uuid']}")
