"""A load balancer before the masters: where the API is, what certificates name, what it takes, and who has none."""

import ipaddress

import pytest
from cryptography import x509

from magnum_lite.db import schema
from magnum_lite.orchestration.memory_nodes import Record
from tests.functional.test_api_clusters import errors, limits
from tests.functional.test_kubernetes_life import machines

PORTS = {"swarm": 2376, "kubernetes": 6443}


@pytest.fixture(params=["swarm", "kubernetes"])
def coe(request):
    return request.param


def make(stand, coe="kubernetes", labels=None, **more):
    template = stand.template(coe=coe, master_lb_enabled=True, labels=labels or {})
    return stand.cluster(template=template, **more)


def balancer(stand):
    """What Heat says of the newest stack's load balancer."""
    return stand.stacks.look(lambda stacks: list(stacks)[-1].balancer)


def names(pem):
    found = x509.load_pem_x509_certificate(pem.encode()).extensions
    sans = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(n.value) for n in sans}


def shown_by(machine):
    """The certificate that a master's API shows."""
    return (
        machine.identity["certs"]["server"]
        if "certs" in machine.identity
        else machine.identity["server_cert"]
    )


def masters(stand, uuid):
    return [m for name, m in machines(stand, uuid).items() if not name.startswith("worker")]


def test_the_api_is_there_and_every_master_says_so(stand, coe):
    uuid = make(stand, coe, master_count=3, node_count=1)
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_COMPLETE"
    told = balancer(stand)
    assert told["address"] and told["floating"]
    assert found["api_address"].partition("://")[2] == f"{told['floating']}:{PORTS[coe]}"
    assert found["api_address"].partition("://")[2].split(":")[0] not in found["master_addresses"]
    assert len(masters(stand, uuid)) == 3
    for machine in masters(stand, uuid):
        assert {told["address"], told["floating"]} <= names(shown_by(machine))


def test_without_floating_ips_it_is_at_its_own_address(stand, coe):
    uuid = make(stand, coe, {"master_lb_floating_ip_enabled": "false"})
    found = stand.converge(uuid)
    told = balancer(stand)
    assert told["floating"] == ""
    assert found["api_address"].partition("://")[2] == f"{told['address']}:{PORTS[coe]}"
    assert found["master_addresses"][0].startswith("172."), "the nodes have theirs"


def test_masters_wait_until_its_addresses_are_known(stand, coe, monkeypatch):
    uuid, whole, floating = make(stand, coe, node_count=1), Record.outputs, []

    def so_far(record):
        """Heat's outputs, before there is the floating IP."""
        told = whole(record)
        return told | {"load_balancer": told["load_balancer"] | {"floating": (floating or [None])[0]}}

    monkeypatch.setattr(Record, "outputs", so_far)
    for _ in range(4):
        stand.pass_once()
        stand.boot()
    (machine,) = masters(stand, uuid)
    assert machine.identity is None, "its certificate would not name the load balancer"
    assert stand.get(uuid)["api_address"] is None
    floating.append("172.31.0.1")
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    assert "172.31.0.1" in names(shown_by(machine))


def test_another_one_is_named_by_new_certificates(stand):
    """Heat makes it anew if it fails while it is made: then it is elsewhere."""
    uuid = make(stand, node_count=1)
    stand.converge(uuid)
    (machine,) = masters(stand, uuid)
    kept, before = balancer(stand), machine.certificate("server").serial_number
    kept["floating"] = "172.31.0.1"
    stand.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 2}])
    found = stand.converge(uuid)
    assert found["api_address"] == "https://172.31.0.1:6443"
    stand.converge(uuid, until=lambda _: machine.certificate("server").serial_number != before)
    assert "172.31.0.1" in names(shown_by(machine))


def test_its_address_stays_when_masters_are_replaced(stand):
    uuid = make(stand, "swarm", master_count=3, node_count=1)
    before = stand.converge(uuid)
    old = {m.node_id for m in masters(stand, uuid)}
    template = stand.template(master_lb_enabled=True, image_id="debian-12-node")
    stand.api.post_json(f"/v1/clusters/{uuid}/actions/upgrade", {"cluster_template": template["uuid"]},
                        headers={"OpenStack-API-Version": "container-infra latest"})  # fmt: skip
    after = stand.settle(uuid)
    assert after["status"] == "UPDATE_COMPLETE", after["status_reason"]
    new = [m for m in masters(stand, uuid) if m.node_id not in old]
    assert len(new) == len(after["master_addresses"]) == 3
    assert after["api_address"] == before["api_address"]
    for machine in new:
        assert balancer(stand)["floating"] in names(shown_by(machine))


def test_what_it_is_told(stand):
    labels = {
        "master_lb_allowed_cidrs": "192.0.2.0/24, 198.51.100.7",
        "octavia_provider": "ovn",
        "octavia_lb_healthcheck": "no",
    }
    make(stand, labels=labels)
    stand.pass_once()
    told = stand.stacks.requests[-1].parameters
    assert told["balanced"] is True
    assert told["balancer"] == {
        "floating_ip": True,
        "provider": "ovn",
        "algorithm": "SOURCE_IP_PORT",
        "health_checks": False,
        "allowed_cidrs": "192.0.2.0/24,198.51.100.7/32",
    }


def test_a_cloud_without_the_service(stand):
    stand.lookups.balancers = False
    template = stand.template(master_lb_enabled=True)["uuid"]
    body = {"cluster_template_id": template}
    plan = stand.api.post_json("/v1/clusters?plan=true", body).json
    (problem,) = plan["problems"]
    assert (problem["field"], plan["feasible"]) == ("master_lb_enabled", False)
    answer = stand.api.post_json("/v1/clusters", body, status=400)
    (entry,) = errors(answer, 400)
    assert "no load balancer service" in entry["detail"] and "master_lb_enabled" in entry["detail"]
    assert stand.api.get("/v1/clusters").json["clusters"] == []
    stand.api.post_json("/v1/clusters", body | {"master_lb_enabled": False}, status=202)


def test_quotas(stand):
    template = stand.template(master_lb_enabled=True)["uuid"]
    body = {"cluster_template_id": template, "node_count": 1}
    plan = stand.api.post_json("/v1/clusters?plan=true", body).json
    need = {q["resource"]: q["needed"] for q in plan["quotas"]}
    assert (need["load_balancers"], need["floating_ips"]) == (1, 3)
    stand.lookups.limits = limits(load_balancers=0, floating_ips=3)
    plan = stand.api.post_json("/v1/clusters?plan=true", body).json
    assert [p["message"] for p in plan["problems"]] == ["load_balancers: 1 needed, 0 left"]
    (entry,) = errors(stand.api.post_json("/v1/clusters", body, status=403), 403)
    assert "load_balancers: 1 needed, 0 left" in entry["detail"]
    stand.lookups.limits = limits(load_balancers=1, floating_ips=3)
    uuid = stand.api.post_json("/v1/clusters", body, status=202).json["uuid"]
    stand.converge(uuid)
    stand.lookups.limits = limits(load_balancers=0, floating_ips=1)
    stand.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 2}])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"fixed_network": "private"}, "fixed_subnet"),
        ({"labels": {"master_lb_allowed_cidrs": "everywhere"}}, "labels/master_lb_allowed_cidrs"),
        ({"labels": {"octavia_lb_algorithm": "RANDOM"}}, "labels/octavia_lb_algorithm"),
        ({"labels": {"master_lb_floating_ip_enabled": "perhaps"}}, "labels/master_lb_floating_ip_enabled"),
    ],
)
def test_what_is_refused(stand, more, field):
    body = {"cluster_template_id": stand.template(master_lb_enabled=True)["uuid"]} | more
    (entry,) = errors(stand.api.post_json("/v1/clusters", body, status=400), 400)
    assert field in entry["detail"]


def test_a_floating_ip_from_nowhere_is_refused(stand):
    labels = {"master_lb_floating_ip_enabled": "true"}
    template = stand.template(master_lb_enabled=True, external_network_id=None, labels=labels)
    body = {"cluster_template_id": template["uuid"], "floating_ip_enabled": False}
    (entry,) = errors(stand.api.post_json("/v1/clusters", body, status=400), 400)
    assert "labels/master_lb_floating_ip_enabled" in entry["detail"]


def test_labels_of_what_is_not_there_are_warned_about(stand):
    labels = {"master_lb_allowed_cidrs": "192.0.2.0/24"}
    body = {"cluster_template_id": stand.template(labels=labels)["uuid"]}
    plan = stand.api.post_json("/v1/clusters?plan=true", body).json
    assert plan["warnings"] == [
        "The label master_lb_allowed_cidrs has no effect: master_lb_enabled is not set."
    ]
    body["master_lb_enabled"] = True
    assert stand.api.post_json("/v1/clusters?plan=true", body).json["warnings"] == []


def test_an_upgrade_neither_makes_nor_removes_one(stand):
    latest = {"OpenStack-API-Version": "container-infra latest"}
    uuid = make(stand)
    stand.converge(uuid)
    plain = {"cluster_template": stand.template(coe="kubernetes")["uuid"]}
    path = f"/v1/clusters/{uuid}/actions/upgrade"
    (entry,) = errors(stand.api.post_json(path, plain, headers=latest, status=400), 400)
    assert "master_lb_enabled" in entry["detail"]
    labels = {"master_lb_allowed_cidrs": "192.0.2.0/24"}
    closed = {
        "cluster_template": stand.template(coe="kubernetes", master_lb_enabled=True, labels=labels)["uuid"]
    }
    stand.api.post_json(path, closed, headers=latest, status=202)
    before = {m.node_id for m in stand.machines.values()}
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert {m.node_id for m in stand.machines.values()} == before
    assert stand.stacks.requests[-1].parameters["balancer"]["allowed_cidrs"] == "192.0.2.0/24"


def test_the_conductor_may_come_through_it(stand):
    """Where masters have no floating IPs of their own, it is the one way in."""
    from magnum_lite.conductor import engine, work
    from magnum_lite.db import leases

    uuid = make(stand, node_count=1)
    stand.converge(uuid)
    with stand.database.write() as connection:
        connection.execute(schema.cluster.update().values(next_sync=0.0))
        token = dict(leases.due(connection, 10))[uuid]
    held = work.claim(stand.ports, uuid, token)
    found = engine.addresses(held)
    told = balancer(stand)
    assert found[-2:] == [f"{told['floating']}:6443", f"{told['address']}:6443"]
    assert all(ipaddress.ip_address(a.rpartition(":")[0]) for a in found)
