"""``openstack coe …``: python-magnumclient 5.0.0 in python-openstackclient."""

import json

import pytest

from tests.clients.conftest import BAY, KEY, MODEL
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def coe(client):
    """The client as the tenant."""
    return client("openstackclient")


@pytest.fixture(scope="module")
def admin(client):
    """The client as the operator."""
    return client("openstackclient", "magnum-lite-admin")


def told(client, line):
    """What a command says, as it says it to programs."""
    return json.loads(client.run(f"{line} -f json"))


def failed(client, line):
    """What a deletion says that has to fail: the client tells it, and ends with 0 all the same."""
    said = client.attempt(line)
    assert "failed" in said.out + said.err
    return said.out + said.err


def test_templates(coe):
    coe.run(
        "openstack coe cluster template create one --coe swarm --image fedora-atomic-23 "
        f"--keypair {KEY} --external-network public --flavor m1.small --master-flavor m1.medium "
        "--dns-nameserver 8.8.8.8,8.8.4.4 --docker-storage-driver overlay2 --labels node_labels=storage=ssd "
        "--floating-ip-disabled --tags red,blue --insecure-registry 10.0.0.1:5000"
    )
    shown = told(coe, "openstack coe cluster template show one")
    assert shown["labels"] == {"node_labels": "storage=ssd"}
    assert shown["floating_ip_enabled"] is False
    assert shown["dns_nameserver"] == "8.8.8.8,8.8.4.4"
    assert "one" in [row["name"] for row in told(coe, "openstack coe cluster template list")]
    (row,) = [
        row
        for row in told(coe, "openstack coe cluster template list --fields image_id,coe")
        if row["name"] == "one"
    ]
    assert (row["image_id"], row["coe"]) == ("fedora-atomic-23", "swarm")

    changed = told(
        coe,
        f"openstack coe cluster template update {shown['uuid']} --name two --label cgroup=x "
        "--no-label node_labels --docker-volume-size 4 --floating-ip-enabled --tag green",
    )
    assert (changed["name"], changed["tags"]) == ("two", "green")
    assert changed["labels"] == {"cgroup": "x"}
    assert changed["docker_volume_size"] == 4
    assert changed["floating_ip_enabled"] is True
    assert "public" in coe.refused("openstack coe cluster template update two --public")
    coe.run("openstack coe cluster template delete two")
    assert "two" in coe.refused("openstack coe cluster template show two")


def test_a_public_template_is_everybodys(coe, admin, client):
    admin.run(
        "openstack coe cluster template create everybodys --coe swarm --image fedora-atomic-23 "
        "--external-network public --flavor m1.small --public"
    )
    try:
        other = client("openstackclient", "magnum-lite-demo2")
        assert told(other, "openstack coe cluster template show everybodys")["public"] is True
        assert "403" in failed(other, "openstack coe cluster template delete everybodys")
        changed = told(admin, "openstack coe cluster template update everybodys --hidden")
        assert changed["hidden"] is True
        other.refused("openstack coe cluster template show everybodys")
    finally:
        admin.run("openstack coe cluster template delete everybodys")


def test_a_cluster_comes_and_goes(coe, tenant, bay):
    said = coe.run(
        f"openstack coe cluster create brief --cluster-template {MODEL} --node-count 0 --master-count 1 "
        f"--keypair {KEY} --timeout 30 --labels tier=fast --merge-labels --flavor m1.small"
    )
    shown = told(coe, "openstack coe cluster show brief")
    assert shown["uuid"] in said
    assert shown["labels_added"] == {"tier": "fast"}
    assert shown["flavor_id"] == "m1.small"
    assert shown["node_count"] == 0
    assert {row["name"] for row in told(coe, "openstack coe cluster list")} >= {"brief", BAY}
    assert "referenced" in failed(coe, f"openstack coe cluster template delete {MODEL}")
    coe.run("openstack coe cluster delete brief")
    assert tenant.wait(shown["uuid"]) is None
    assert "brief" in coe.refused("openstack coe cluster show brief")


def test_mistakes_are_said(coe, bay):
    said = coe.refused("openstack coe cluster create x --cluster-template no-such-template")
    assert "no-such-template" in said
    said = coe.refused(f"openstack coe cluster create x --cluster-template {MODEL} --keypair no-such-key")
    assert "no-such-key" in said
    said = coe.refused(f"openstack coe cluster create x --cluster-template {MODEL} --master-count 2")
    assert "master_count" in said


def docker_environment(coe, name):
    """Where a docker command line finds the bay, with a certificate of its own; a shell line's beginning."""
    (coe.directory / name).mkdir()
    lines = coe.run(f"openstack coe cluster config {BAY} --dir {name} --output-certs")
    (coe.directory / f"{name}.env").write_text(lines)
    return f". ./{name}.env && docker"


def test_config_writes_a_working_docker_environment(coe, bay):
    docker = docker_environment(coe, "bay")
    assert sorted(p.name for p in (coe.directory / "bay").iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    said = coe.run(f"{docker} info && docker node ls")
    assert "Swarm: active" in said
    assert "Ready" in said


def test_resize_and_update(coe, tenant, bay):
    uuid = bay["uuid"]
    before = tenant.complete(uuid)["node_count"]
    coe.run(f"openstack coe cluster resize {BAY} {before + 1}")
    assert tenant.complete(uuid)["node_count"] == before + 1
    workers = {n["index"]: n["server_id"] for n in tenant.nodes(uuid) if n["role"] == "worker"}
    victim = workers[min(workers)]
    coe.run(f"openstack coe cluster resize {BAY} {before} --nodes-to-remove {victim}")
    assert tenant.complete(uuid)["node_count"] == before
    assert victim not in {n["server_id"] for n in tenant.nodes(uuid)}
    coe.run(f"openstack coe cluster update {BAY} --node-count {before + 1}")
    assert tenant.complete(uuid)["node_count"] == before + 1
    coe.run(f"openstack coe cluster update {BAY} --rollback --node-count {before}")
    tenant.complete(uuid)
    assert "name" in coe.refused(f"openstack coe cluster update {BAY} --name other")


def test_an_upgrade(coe, tenant, bay):
    """To its own template: nothing is to be replaced (tests/local/test_replacement.py replaces)."""
    coe.run(f"openstack coe cluster upgrade {BAY} {MODEL}")
    tenant.complete(bay["uuid"])
    assert "no-such-model" in coe.refused(f"openstack coe cluster upgrade {BAY} no-such-model")


def test_certificates(coe, bay):
    coe.run("openssl req -new -newkey rsa:2048 -nodes -subj '/CN=Your Name' -keyout key.pem -out csr.pem")
    coe.run(f"openstack coe ca sign {BAY} csr.pem > cert.pem")
    coe.run(f"openstack coe ca show {BAY} > ca.pem")
    assert "cert.pem: OK" in coe.run("openssl verify -CAfile ca.pem cert.pem")


def test_the_ca_is_rotated_in_two_steps(coe, tenant, bay):
    before = docker_environment(coe, "before")
    coe.run(f"openstack coe ca rotate {BAY}")
    tenant.complete(bay["uuid"])
    after = docker_environment(coe, "after")
    for docker in (before, after):
        assert "Swarm: active" in coe.run(f"{docker} info")
    assert coe.run(f"openstack coe ca show {BAY}").count("BEGIN CERTIFICATE") == 2
    coe.run(f"openstack coe ca rotate {BAY}")
    tenant.complete(bay["uuid"])
    assert "Swarm: active" in coe.run(f"{after} info")
    assert "Swarm: active" not in coe.attempt(f"{before} info").out
    assert coe.run(f"openstack coe ca show {BAY}").count("BEGIN CERTIFICATE") == 1


def test_credentials_are_rotated(coe, tenant, bay):
    coe.run(f"openstack coe credential rotate {BAY}")
    assert tenant.complete(bay["uuid"])["status"] == "UPDATE_COMPLETE"


def test_node_groups(coe, tenant, bay):
    listed = told(coe, f"openstack coe nodegroup list {BAY}")
    assert {row["name"]: row["role"] for row in listed} == {
        "default-master": "master",
        "default-worker": "worker",
    }
    coe.run(
        f"openstack coe nodegroup create {BAY} fast --node-count 1 --min-nodes 1 --max-nodes 3 "
        "--role fast --flavor m1.small --node-labels storage=nvme"
    )
    uuid = bay["uuid"]
    tenant.complete(uuid)
    shown = told(coe, f"openstack coe nodegroup show {BAY} fast")
    assert (shown["node_count"], shown["min_node_count"], shown["max_node_count"]) == (1, 1, 3)
    assert shown["status"] == "CREATE_COMPLETE"
    assert len(shown["node_addresses"]) == 1
    (only,) = told(coe, f"openstack coe nodegroup list {BAY} --role fast")
    assert only["name"] == "fast"
    coe.run(f"openstack coe nodegroup update {BAY} fast --min-nodes 0 --max-nodes 2")
    tenant.complete(uuid)
    shown = told(coe, f"openstack coe nodegroup show {BAY} fast")
    assert (shown["min_node_count"], shown["max_node_count"]) == (0, 2)
    assert "max" in coe.refused(f"openstack coe cluster resize {BAY} 3 --nodegroup fast")
    assert "default" in coe.refused(f"openstack coe nodegroup delete {BAY} default-worker")
    coe.run(f"openstack coe nodegroup delete {BAY} fast")

    def gone():
        return "fast" not in {row["name"] for row in told(coe, f"openstack coe nodegroup list {BAY}")}

    eventually("the node group is gone", gone, 120)
    tenant.complete(uuid)


def test_quotas(coe, admin, machine):
    project = machine.tenant("magnum-lite-demo2").cloud.current_project_id
    about = f"--project-id {project} --resource Cluster"
    assert "3" in admin.run(f"openstack coe quotas create {about} --hard-limit 3")
    assert "3" in admin.run(f"openstack coe quotas show {about}")
    admin.run(f"openstack coe quotas update {about} --hard-limit 7")
    listed = admin.table("openstack coe quotas list --all-tenants")
    assert [q["hard_limit"] for q in listed if q["project_id"] == project] == ["7"]
    admin.run(f"openstack coe quotas delete {about}")
    assert project not in admin.run("openstack coe quotas list --all-tenants")


def test_stats(coe, tenant, bay):
    project = tenant.cloud.current_project_id
    shown = coe.run(f"openstack coe stats list {project}")
    nodes = tenant.complete(bay["uuid"])["node_count"] + 1
    assert f"'clusters': 1, 'nodes': {nodes}" in shown or ("clusters" in shown and str(nodes) in shown)


def test_services_are_the_operators_to_see(coe, admin):
    (conductor,) = told(admin, "openstack coe service list")
    assert (conductor["binary"], conductor["state"]) == ("magnum-conductor", "up")
    coe.refused("openstack coe service list")
