"""A database that OpenStack Magnum's own migrations and objects made, taken over."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from magnum_lite.cmd import import_upstream
from magnum_lite.conductor import importing
from magnum_lite.db import schema, upstream
from magnum_lite.db.session import Database
from magnum_lite.models.stack import StackRequest
from tests.support import servers, upstream_magnum
from tests.support.stand import SimulatedNode, Stand

NEWEST = {"OpenStack-API-Version": "container-infra latest"}


@pytest.fixture(scope="module")
def mariadb():
    with servers.scratch() as where, servers.mariadb(where) as server:
        yield server


@pytest.fixture(scope="module", params=upstream_magnum.VERSIONS)
def old(request, mariadb):
    """(what the script says, Magnum's database)"""
    name = f"magnum_{request.param.replace('.', '_')}"
    with Database(f"{mariadb.url}/mysql").write() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    url = f"{mariadb.url}/{name}?charset=utf8mb4"
    said = upstream_magnum.fill(request.param, url)
    return json.loads(said.splitlines()[-1]), upstream.read(Database(url))


@pytest.fixture
def site(tmp_path, old):
    stand = Stand(tmp_path)
    report = importing.run(stand.ports, old[1], dry_run=False)
    return stand, old[0], report


def test_a_dry_run_writes_nothing(tmp_path, old, capsys):
    stand = Stand(tmp_path)
    report = importing.run(stand.ports, old[1], dry_run=True)
    assert report.imported["cluster"] >= 3
    import_upstream.say(report, old[1].revision, dry_run=True)
    words = capsys.readouterr().out
    assert "would be imported" in words
    assert "secret-of-the-trustee" not in words and "PRIVATE KEY" not in words
    with stand.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            assert connection.execute(table.select()).first() is None, table.name


def test_what_is_carried_over(site):
    stand, made, report = site
    prod = made["clusters"]["prod"]
    shown = stand.api.get(f"/v1/clusters/{prod['uuid']}").json
    assert (shown["name"], shown["status"], shown["stack_id"]) == (
        "prod",
        "CREATE_COMPLETE",
        prod["stack_id"],
    )
    assert (shown["node_count"], shown["master_count"]) == (5, 1)
    assert shown["api_address"] == "https://172.24.4.10:6443"
    assert shown["labels"] == {"kube_tag": "v1.33.1"}
    model = stand.api.get(f"/v1/clustertemplates/{made['templates']['kubernetes']}").json
    assert (model["coe"], model["network_driver"], model["image_id"]) == ("kubernetes", "calico", "fcos-42")
    groups = stand.api.get(f"/v1/clusters/{prod['uuid']}/nodegroups", headers=NEWEST).json["nodegroups"]
    assert {g["name"]: g["node_count"] for g in groups} == {
        "default-master": 1,
        "default-worker": 3,
        "gpu": 2,
    }
    assert stand.get(made["clusters"]["failed"]["uuid"])["status"] == "UPDATE_FAILED"
    assert report.imported["quota"] == 1
    again = importing.run(stand.ports, _source(site), dry_run=False)
    assert again.imported.get("cluster", 0) == 0
    assert again.there > 3


def _source(site):
    return site[0].source


@pytest.fixture(autouse=True)
def _remember(request):
    if "site" in request.fixturenames:
        request.getfixturevalue("site")[0].source = request.getfixturevalue("old")[1]


def test_what_is_not_is_named(site):
    _, made, report = site
    why = {ident: reason for _, ident, reason in report.skipped}
    assert "UPDATE_IN_PROGRESS" in why[made["clusters"]["moving"]["uuid"]]
    assert "node groups" in why[made["clusters"]["no-groups"]["uuid"]]
    if "mesos" in made["templates"]:
        assert "mesos" in why[made["templates"]["mesos"]]
    notes = " ".join(f"{ident} {reason}" for _, ident, reason in report.notes)
    assert made["clusters"]["in-barbican"]["uuid"] in notes and "not x509keypair" in notes
    assert made["templates"]["odd"] in notes and "http_proxy" in notes
    assert "trustee" in notes


def test_its_own_ca_signs(site):
    stand, made, _ = site
    uuid = made["clusters"]["prod"]["uuid"]
    authority = x509.load_pem_x509_certificate(stand.api.get(f"/v1/certificates/{uuid}").json["pem"].encode())
    [theirs] = [
        x509.load_pem_x509_certificate(stand.source.key_pairs[c["ca_cert_ref"]]["certificate"].encode())
        for c in stand.source.clusters
        if c["uuid"] == uuid
    ]
    assert authority == theirs
    csr = SimulatedNode(stand.door, "a:b", "worker").csr(name="admin")
    signed = stand.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, status=201).json[
        "pem"
    ]
    certificate = x509.load_pem_x509_certificate(signed.encode())
    authority.public_key().verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        padding.PKCS1v15(),
        certificate.signature_hash_algorithm,
    )
    assert "O=system:masters" in certificate.subject.rfc4514_string()
    reader = stand.as_caller(user="r", roles="reader")
    refused = reader.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, expect_errors=True)
    assert refused.status_int == 403
    with stand.database.read() as connection:
        rows = connection.execute(
            schema.authority.select().where(schema.authority.c.cluster_id == uuid)
        ).mappings()
        assert {row["purpose"] for row in rows} == {"cluster", "etcd", "front-proxy"}


def test_nothing_changes_it_and_the_reason_is_said(site):
    stand, made, _ = site
    uuid = made["clusters"]["prod"]["uuid"]
    before = stand.get(uuid)
    api = stand.api
    answers = [
        api.patch_json(
            f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 9}], expect_errors=True
        ),
        api.post_json(
            f"/v1/clusters/{uuid}/actions/resize", {"node_count": 9}, headers=NEWEST, expect_errors=True
        ),
        api.post_json(
            f"/v1/clusters/{uuid}/nodegroups",
            {"name": "x", "node_count": 1},
            headers=NEWEST,
            expect_errors=True,
        ),
        api.patch_json(f"/v1/certificates/{uuid}", {}, headers=NEWEST, expect_errors=True),
        api.patch_json(f"/v1/credentials/{uuid}", {}, headers=NEWEST, expect_errors=True),
    ]
    for answer in answers:
        assert answer.status_int == 409, answer.text
        assert "was made by OpenStack Magnum" in answer.text
    for _ in range(3):
        stand.pass_once()
    assert stand.get(uuid) == before


def test_it_is_deleted_with_its_stack(site):
    """Its stack is found by the id that upstream knew."""
    stand, made, _ = site
    uuid = made["clusters"]["prod"]["uuid"]
    request = StackRequest(
        name="prod-x7k2",
        template="swarm/cluster.yaml",
        parameters={},
        files={},
        tags=(),
        timeout_mins=60,
        description="",
    )
    stack = stand.stacks.create("a" * 32, request)
    with stand.database.write() as connection:
        mine = schema.cluster.c.uuid == uuid
        connection.execute(schema.cluster.update().where(mine).values(stack_id=stack))
    other = made["clusters"]["failed"]["uuid"]
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    assert stand.stacks.get("a" * 32, stack) is None
    assert stand.get(other)["status"] == "UPDATE_FAILED"


def test_another_database_is_refused(tmp_path):
    with pytest.raises(upstream.NotUpstream, match="x509keypair"):
        upstream.read(Database(f"sqlite:///{tmp_path / 'x'}"))
