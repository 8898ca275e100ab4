"""The last two lines of python-magnumclient with a ``magnum`` command, in both words: Stein's 2.17.0 and
3.7.0, the last that knows bays.
"""

import dataclasses

import pytest

from tests.clients.conftest import BAY, KEY, MODEL
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@dataclasses.dataclass(frozen=True)
class Words:
    """How one dialect's commands are called."""

    template: str
    cluster: str
    template_id: str
    create: str

    def __str__(self):
        return self.cluster


BAYS = Words(
    "baymodel",
    "bay",
    "baymodel_id",
    "magnum baymodel-create --image-id fedora-atomic-23 --keypair-id {key} "
    "--external-network-id public --flavor-id m1.small --coe swarm",
)
CLUSTERS = Words(
    "cluster-template",
    "cluster",
    "cluster_template_id",
    "magnum cluster-template-create --image fedora-atomic-23 --keypair {key} "
    "--external-network public --flavor m1.small --coe swarm",
)


@pytest.fixture(scope="module", params=["magnumclient-3.7.0", "magnumclient-2.17.0"])
def version(request):
    """One client after the other."""
    return request.param


@pytest.fixture
def own_words(version):
    """One dialect for each client, for what takes a while on a real bay."""
    return BAYS if version == "magnumclient-3.7.0" else CLUSTERS


@pytest.fixture(scope="module")
def magnum(client, version):
    """The client as the tenant."""
    return client(version)


@pytest.fixture(scope="module")
def admin(client, version):
    """The client as the operator."""
    return client(version, "magnum-lite-admin")


@pytest.fixture(params=[BAYS, CLUSTERS], ids=str)
def words(request):
    """One dialect after the other."""
    return request.param


def names(rows):
    """The names in a listed table."""
    return [row["name"] for row in rows]


def test_templates(magnum, words):
    made = magnum.show(
        f"{words.create.format(key=KEY)} --name one --labels node_labels=storage=ssd --no-proxy 10.0.0.1 "
        "--docker-storage-driver overlay2 --docker-volume-size 3 --master-flavor m1.medium "
        "--volume-driver rexray --http-proxy http://proxy.example.com:3128"
        if words is CLUSTERS
        else f"{words.create.format(key=KEY)} --name one --labels node_labels=storage=ssd"
    )
    assert made["name"] == "one"
    assert made["coe"] == "swarm"
    assert "storage=ssd" in made["labels"]
    assert "one" in names(magnum.table(f"magnum {words.template}-list"))
    assert magnum.show(f"magnum {words.template}-show one")["uuid"] == made["uuid"]

    changed = magnum.show(
        f"magnum {words.template}-update {made['uuid']} replace name=two dns_nameserver=8.8.4.4"
    )
    assert (changed["name"], changed["dns_nameserver"]) == ("two", "8.8.4.4")
    changed = magnum.show(f"magnum {words.template}-update two replace labels=node_labels=tier=fast")
    assert "tier=fast" in changed["labels"]
    assert "storage" not in changed["labels"]
    magnum.run(f"magnum {words.template}-delete two")
    assert "two" not in names(magnum.table(f"magnum {words.template}-list"))
    said = magnum.refused(f"magnum {words.template}-show two")
    assert "two" in said
    assert words.template.replace("-", " ").capitalize() in said


def test_template_mistakes_are_said(magnum, words):
    said = magnum.refused(f"{words.create.format(key=KEY)} --name broken --dns-nameserver not-an-address")
    assert "dns_nameserver" in said
    assert "not-an-address" in said
    said = magnum.refused(words.create.format(key=KEY).replace("m1.small", "m9.huge"))
    assert "flavor_id" in said
    assert "m9.huge" in said


def test_a_bay_comes_and_goes(magnum, own_words, tenant, bay):
    option = "--baymodel" if own_words is BAYS else "--cluster-template"
    magnum.run(f"magnum {own_words.cluster}-create --name brief {option} {MODEL} --node-count 1 --timeout 30")
    shown = magnum.show(f"magnum {own_words.cluster}-show brief")
    assert shown["status"] == "CREATE_IN_PROGRESS"
    assert shown[own_words.template_id] == bay["baymodel_id"]
    listed = magnum.table(f"magnum {own_words.cluster}-list --sort-key name --sort-dir asc --limit 10")
    assert [n for n in names(listed) if n in {BAY, "brief"}] == ["brief", BAY]
    magnum.run(f"magnum {own_words.cluster}-delete brief")
    assert tenant.wait(shown["uuid"]) is None
    assert "brief" in magnum.refused(f"magnum {own_words.cluster}-show brief")


def test_the_native_client_is_configured(magnum, words, bay):
    where = magnum.directory / words.cluster
    where.mkdir()
    lines = magnum.run(f"magnum {words.cluster}-config {BAY} --dir {where}")
    variables = dict(
        line.removeprefix("export ").split("=", 1)
        for line in lines.splitlines()
        if line.startswith("export ")
    )
    assert variables["DOCKER_HOST"] == bay["api_address"]
    assert "Swarm: active" in magnum.run("docker info", **variables)
    assert "exists, aborting" in magnum.refused(f"magnum {words.cluster}-config {BAY} --dir {where}")


def pem(path):
    """The certificates in a file; the client prints its warnings into it, too."""
    text = path.read_text()
    return text[text.index("-----BEGIN") :]


def test_certificates(magnum, bay):
    magnum.run("openssl req -new -newkey rsa:2048 -nodes -subj '/CN=Your Name' -keyout key.pem -out csr.pem")
    magnum.run(f"magnum ca-sign --cluster {BAY} --csr csr.pem > cert.pem")
    magnum.run(f"magnum ca-show --cluster {BAY} > ca.pem")
    assert "cert.pem: OK" in magnum.run("openssl verify -CAfile ca.pem cert.pem")
    assert magnum.run(f"magnum ca-show --bay {BAY}").endswith(pem(magnum.directory / "ca.pem"))
    magnum.run("openssl req -new -newkey rsa:1024 -nodes -subj '/CN=x' -keyout weak.pem -out weak.csr")
    assert "1024" in magnum.refused(f"magnum ca-sign --cluster {BAY} --csr weak.csr")


def test_the_node_count_changes(magnum, own_words, tenant, bay):
    uuid = bay["uuid"]
    before = tenant.complete(uuid)["node_count"]
    wanted = 1 if before > 1 else 2
    said = magnum.run(f"magnum {own_words.cluster}-update {BAY} replace node_count={wanted}")
    assert f"update {own_words.cluster} {BAY} has been accepted" in said
    assert tenant.complete(uuid)["node_count"] == wanted
    shown = magnum.show(f"magnum {own_words.cluster}-show {BAY}")
    assert (shown["node_count"], shown["status"]) == (str(wanted), "UPDATE_COMPLETE")
    said = magnum.attempt(f"magnum {own_words.cluster}-update {BAY} replace name=other")
    assert "name" in said.out + said.err
    assert magnum.show(f"magnum {own_words.cluster}-show {BAY}")["name"] == BAY


def test_a_step_of_the_cas_rotation(magnum, version, tenant, bay):
    def trusted():
        return tenant.get(f"/certificates/{bay['uuid']}")["pem"].count("BEGIN CERTIFICATE")

    before = trusted()
    said = magnum.attempt(f"magnum ca-rotate --cluster {BAY}")
    if version == "magnumclient-2.17.0":  # it trips over itself when the answer is there (its _update)
        assert "not enough values to unpack" in said.out + said.err
    else:
        assert said.code == 0
    assert tenant.complete(bay["uuid"])["status"] == "UPDATE_COMPLETE"
    assert {before, trusted()} == {1, 2}, "a first step trusts two, a second one again"
    (magnum.directory / "rotated").mkdir()
    magnum.run(f"magnum cluster-config {BAY} --dir rotated > rotated.env")
    assert "Swarm: active" in magnum.run(". ./rotated.env && docker info")


def test_stats(magnum, tenant, bay):
    def right():
        nodes = tenant.complete(bay["uuid"])["node_count"] + 1
        shown = magnum.show("magnum stats-list")
        return (shown["clusters"], shown["nodes"]) == ("1", str(nodes))

    eventually("one bay and its nodes", right, 20)


def test_services_are_the_operators_to_see(magnum, admin):
    (conductor,) = admin.table("magnum service-list")
    assert conductor["binary"] == "magnum-conductor"
    assert conductor["state"] == "up"
    assert "polic" in magnum.refused("magnum service-list").lower()


def test_quotas(magnum, admin, machine):
    project = machine.tenant("magnum-lite-demo2").cloud.current_project_id
    about = f"--project-id {project} --resource Cluster"
    made = admin.show(f"magnum quotas-create {about} --hard-limit 3")
    assert (made["project_id"], made["resource"], made["hard_limit"]) == (project, "Cluster", "3")
    row = {"project_id": project, "resource": "Cluster", "hard_limit": "3"}
    assert row in admin.table("magnum quotas-list --all-tenants")
    assert admin.show(f"magnum quotas-show {about}")["hard_limit"] == "3"
    assert admin.show(f"magnum quotas-update {about} --hard-limit 7")["hard_limit"] == "7"
    assert "accepted" in admin.run(f"magnum quotas-delete {about}")
    assert row["project_id"] not in [q["project_id"] for q in admin.table("magnum quotas-list --all-tenants")]
    magnum.attempt(f"magnum quotas-create {about} --hard-limit 3")  # it fails with 0: the client's habit
    assert project not in admin.run("magnum quotas-list --all-tenants")
