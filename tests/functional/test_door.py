"""The node door under attack: tokens, signatures, CSRs, reports, and what must never leak."""

import json
import logging
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from magnum_lite.conductor import enrolment
from magnum_lite.db import schema
from magnum_lite.nodes import reports
from tests.support.stand import SimulatedNode


def _booted(stand, **more):
    """A cluster whose machines exist and have not enrolled: (uuid, {hostname: machine})."""
    uuid = stand.cluster(**more)
    for _ in range(4):
        stand.pass_once()
    machines = {}
    for record in _records(stand, uuid):
        machines[record["hostname"]] = SimulatedNode(
            stand.door, stand.credentials()[record["uuid"]], record["role"]
        )
    return uuid, machines


def _records(stand, uuid):
    with stand.database.read() as connection:
        query = schema.node.select().where(schema.node.c.cluster_id == uuid)
        return [dict(r) for r in connection.execute(query).mappings()]


def _one(machines, word):
    return next(m for name, m in machines.items() if word in name)


def _update(stand, node_id, **values):
    with stand.database.write() as connection:
        connection.execute(schema.node.update().where(schema.node.c.uuid == node_id).values(**values))


@pytest.fixture
def booted(stand):
    return _booted(stand)


def test_a_worker_gets_its_identity_and_nothing_of_the_cluster(booted):
    _, machines = booted
    answer = _one(machines, "worker-0").enrol()
    assert answer.status_int == 200
    assert set(answer.json) == {"identity_cert", "node_ca", "hostname", "report_interval"}
    certificate = x509.load_pem_x509_certificate(answer.json["identity_cert"].encode())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [u._name for u in usage] == ["clientAuth"]


def test_certificates_by_name(booted):
    """The wire of today; the other tests speak that of the first version, as live nodes still do."""
    _, machines = booted
    manager, worker = _one(machines, "manager"), _one(machines, "worker-0")
    csrs = {"identity": manager.csr(), "server": manager.csr(ec.generate_private_key(ec.SECP256R1()))}
    body = {"node_id": manager.node_id, "token": manager.token, "csrs": csrs}
    found = manager.door.post_json("/v1/enrol", body).json
    assert set(found["certs"]) == {"identity", "server"}
    assert set(found["cas"]) == {"node", "cluster"}
    assert found["secrets"] == {}
    body = {"node_id": worker.node_id, "token": worker.token, "csrs": csrs | {"admin": worker.csr()}}
    found = worker.door.post_json("/v1/enrol", body).json
    assert (set(found["certs"]), set(found["cas"])) == ({"identity"}, {"node"})
    for bad in ({}, [], "x", {"identity": "no CSR"}):
        told = worker.door.post_json("/v1/enrol", body | {"csrs": bad}, expect_errors=True)
        assert told.status_int == 400
        assert "csrs" in told.json["message"]


def test_a_masters_names_come_from_the_record(stand, booted):
    uuid, machines = booted
    answer = _one(machines, "manager").enrol()
    certificate = x509.load_pem_x509_certificate(answer.json["server_cert"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    record = next(r for r in _records(stand, uuid) if r["role"] == "master")
    addresses = {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {record["address"], record["floating_address"], "127.0.0.1"}
    assert set(names.get_values_for_type(x509.DNSName)) == {record["hostname"], "localhost"}
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [u._name for u in usage] == ["serverAuth"]


def test_a_master_without_address_is_asked_to_come_again(stand, booted):
    _uuid, machines = booted
    manager = _one(machines, "manager")
    _update(stand, manager.node_id, address=None)
    answer = manager.enrol()
    assert answer.status_int == 409
    assert answer.headers["Retry-After"] == "1"
    _update(stand, manager.node_id, address="192.0.2.9")
    assert manager.enrol().status_int == 200, "the token was not spent by the first try"


def test_a_token_works_once_and_only_for_its_node(stand, booted):
    _, machines = booted
    first, second = _one(machines, "worker-0"), _one(machines, "worker-1")
    assert first.enrol(token=second.token).status_int == 403
    assert first.enrol(node_id=second.node_id).status_int == 403
    assert first.enrol(token="0" * 64).status_int == 403
    assert first.enrol().status_int == 200
    assert first.enrol().status_int == 200, "a lost answer is given again to the same key"
    thief = SimulatedNode(stand.door, f"{first.node_id}:{first.token}", "worker")
    assert thief.enrol().status_int == 403


def test_a_token_of_another_cluster(stand, booted):
    _, machines = booted
    _, others = _booted(stand)
    mine, theirs = _one(machines, "worker-0"), _one(others, "worker-0")
    assert mine.enrol(token=theirs.token).status_int == 403
    assert theirs.enrol(token=mine.token).status_int == 403


def test_an_unused_token_ends(stand, booted):
    _, machines = booted
    late = _one(machines, "worker-0")
    stand.offset = stand.conf.node_door.token_ttl + 1
    assert late.enrol().status_int == 403


def test_what_a_reader_finds_in_heat_afterwards_is_worthless(stand, booted):
    uuid, _machines = booted
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    for credential in stand.credentials().values():
        for role in ("worker", "master"):
            assert SimulatedNode(stand.door, credential, role).enrol().status_int in {400, 403}


@pytest.mark.parametrize("state", ["leaving", "gone"])
def test_a_node_that_leaves_does_not_come_in(stand, booted, state):
    _, machines = booted
    leaving = _one(machines, "worker-0")
    _update(stand, leaving.node_id, state=state)
    assert leaving.enrol().status_int == 403


def test_a_node_that_is_told_to_go_while_it_reports_goes(stand, booted, monkeypatch):
    """The conductor decides between the door's look at the node and the writing of its report."""
    uuid, machines = booted
    leaving = _one(machines, "worker-0")
    leaving.enrol()
    read = reports.read

    def slow(body):
        _update(stand, leaving.node_id, state="leaving", leave_step="removed")
        return read(body)

    monkeypatch.setattr(reports, "read", slow)
    assert leaving.report("ready", 100, "ok").json == {"leave": True}
    assert {r["state"] for r in _records(stand, uuid) if r["uuid"] == leaving.node_id} == {"leaving"}


def test_a_node_that_is_told_to_go_while_it_enrols_goes(stand, booted, monkeypatch):
    uuid, machines = booted
    leaving = _one(machines, "worker-0")
    issue = enrolment._issue

    def slow(*arguments):
        _update(stand, leaving.node_id, state="leaving")
        return issue(*arguments)

    monkeypatch.setattr(enrolment, "_issue", slow)
    assert leaving.enrol().status_int == 403
    assert {r["state"] for r in _records(stand, uuid) if r["uuid"] == leaving.node_id} == {"leaving"}


def test_an_enrolment_that_ends_late_takes_nothing_back(stand, booted, monkeypatch):
    """The door gave up waiting, the node came again with the same keys, and reported: then the first ends."""
    uuid, machines = booted
    node = _one(machines, "worker-0")
    issue = enrolment._issue

    def slow(*arguments):
        monkeypatch.setattr(enrolment, "_issue", issue)
        assert node.enrol().status_int == 200
        assert node.report("ready", 100, "ok").status_int == 200
        return issue(*arguments)

    monkeypatch.setattr(enrolment, "_issue", slow)
    assert node.enrol().status_int == 200
    (record,) = (r for r in _records(stand, uuid) if r["uuid"] == node.node_id)
    assert (record["state"], record["step"]) == ("ready", "ready")
    assert node.report("ready", 100, "ok").status_int == 200


def test_a_csr_that_asks_for_power(stand, booted):
    _, machines = booted
    worker = _one(machines, "worker-0")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = request.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = request.sign(worker.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    answer = worker.enrol(identity_csr=pem)
    assert answer.status_int in {400, 403}
    answer = worker.enrol(server_csr=worker.csr(ec.generate_private_key(ec.SECP256R1())))
    assert answer.status_int == 200
    assert "server_cert" not in answer.json, "a worker gets no server certificate, whatever it sends"
    assert (
        "CN=admin"
        not in x509.load_pem_x509_certificate(answer.json["identity_cert"].encode()).subject.rfc4514_string()
    )


@pytest.mark.parametrize("body", [[], None, "x", 1, {}, {"node_id": 5, "token": []}, {"node_id": "x" * 300}])
def test_nonsense_is_refused(stand, body):
    answer = stand.door.post_json("/v1/enrol", body, expect_errors=True)
    assert answer.status_int in {400, 401, 403}


def test_broken_bodies(stand):
    for raw in (b"{", b"\xff\xfe", b'{"a":' * 5000):
        answer = stand.door.post("/v1/enrol", raw, content_type="application/json", expect_errors=True)
        assert answer.status_int == 400
    big = stand.door.post("/v1/report", b"x" * (600 * 1024), expect_errors=True)
    assert big.status_int == 413
    for path in ("/", "/v1", "/v1/clusters", "/v1/enrol/x"):
        assert stand.door.get(path, expect_errors=True).status_int == 404
    assert stand.door.get("/v1/enrol", expect_errors=True).status_int == 405


class TestReports:
    @pytest.fixture
    def worker(self, booted):
        found = _one(booted[1], "worker-0")
        assert found.enrol().status_int == 200
        return found

    def send(self, worker, body, sent):
        return worker.door.post(
            "/v1/report", body, headers=sent, content_type="application/json", expect_errors=True
        )

    def test_forged(self, worker):
        other = ec.generate_private_key(ec.SECP256R1())
        raw, sent = worker.signed({"step": "ready", "percent": 100, "state": "ok"}, key=other)
        assert self.send(worker, raw, sent).status_int == 401
        raw, sent = worker.signed({"step": "engine", "percent": 40, "state": "running"})
        assert self.send(worker, raw.replace(b"engine", b"swarm_"), sent).status_int == 401
        for missing in list(sent):
            less = {k: v for k, v in sent.items() if k != missing}
            assert self.send(worker, raw, less).status_int == 401

    def test_replayed_and_out_of_time(self, worker):
        raw, sent = worker.signed({"step": "engine", "percent": 40, "state": "running"})
        assert self.send(worker, raw, sent).status_int == 200
        assert self.send(worker, raw, sent).status_int == 401
        for stamp in (time.time() - 3600, time.time() + 3600):
            raw, sent = worker.signed({"step": "engine", "percent": 40, "state": "running"}, stamp=stamp)
            assert self.send(worker, raw, sent).status_int == 401

    def test_one_node_does_not_speak_for_another(self, booted, worker):
        raw, sent = worker.signed({"step": "ready", "percent": 100, "state": "ok"})
        sent["X-Node-Id"] = _one(booted[1], "worker-1").node_id
        assert self.send(worker, raw, sent).status_int == 401

    def test_a_worker_is_told_nothing_of_a_manager(self, stand, booted, worker):
        uuid, machines = booted
        manager = _one(machines, "manager")
        manager.enrol()
        assert manager.report("swarm", 70).json == {"init_swarm": True}
        tokens = {"worker": "SWMTKN-the-workers", "manager": "SWMTKN-the-managers"}
        manager.report("ready", 100, "ok", swarm_node_id="abc", join_tokens=tokens, healthy=True)
        answer = worker.report("swarm", 70)
        assert answer.json["join"]["token"] == "SWMTKN-the-workers"
        assert "the-managers" not in answer.text
        # and what it says of tokens, roles or other nodes changes nothing
        forged = {"worker": "SWMTKN-evil", "manager": "SWMTKN-evil"}
        seen = [{"id": "x", "hostname": "h", "state": "ready", "availability": "active", "role": "manager"}]
        worker.report("ready", 100, "ok", role="master", join_tokens=forged, swarm_nodes=seen)
        record = next(r for r in _records(stand, uuid) if r["uuid"] == worker.node_id)
        assert (record["role"], record["engine_view"]) == ("worker", [])
        assert _one(machines, "worker-1").enrol().status_int == 200
        assert _one(machines, "worker-1").report("swarm", 70).json["join"]["token"] == "SWMTKN-the-workers"

    def test_bad_reports(self, worker):
        for body in (
            [],
            {},
            {"step": "dance", "percent": 1, "state": "ok"},
            {"step": "ready", "percent": 101, "state": "ok"},
            {"step": "ready", "percent": True, "state": "ok"},
            {"step": "ready", "percent": 1, "state": "perhaps"},
        ):
            raw, sent = worker.signed(body)
            assert self.send(worker, raw, sent).status_int == 400, body

    def test_log_lines_are_cleaned(self, stand, booted, worker):
        log = (
            "fine\x1b[31m\x00\n-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"
            "join SWMTKN-1-abc-def http://u:geheim@proxy password=hunter2\n" + "x" * 20_000 + "\nlast line"
        )
        worker.report("engine", 40, "failed", message="it\x07 broke", log=log)
        record = next(r for r in _records(stand, booted[0]) if r["uuid"] == worker.node_id)
        assert record["log"].endswith("last line")
        assert len(record["log"]) <= 16 * 1024
        assert record["message"] == "it broke"
        short = log.replace("x" * 20_000, "")
        worker.report("engine", 40, "failed", message="again", log=short)
        record = next(r for r in _records(stand, booted[0]) if r["uuid"] == worker.node_id)
        for secret in ("SWMTKN-1", "abc\n", "geheim", "hunter2", "\x1b", "\x00"):
            assert secret not in record["log"], secret

    def test_renewal_needs_the_old_key(self, worker):
        old, new = worker.key, ec.generate_private_key(ec.SECP256R1())
        body = {"node_id": worker.node_id, "identity_csr": worker.csr(new)}
        plain = worker.door.post_json("/v1/enrol", body, expect_errors=True)
        assert plain.status_int == 401
        raw, sent = worker.signed(body, key=new)
        refused = worker.door.post("/v1/enrol", raw, headers=sent, expect_errors=True)
        assert refused.status_int == 401
        raw, sent = worker.signed(body, key=old)
        answer = worker.door.post("/v1/enrol", raw, headers=sent, expect_errors=True)
        assert answer.status_int == 200
        worker.key = new
        assert worker.report("engine", 40).status_int == 200
        worker.key = old
        assert worker.report("engine", 40).status_int == 401


def test_no_secret_reaches_a_log_an_answer_or_an_event(stand, caplog):
    caplog.set_level(logging.DEBUG)
    template = stand.template(labels={"registry_auth": "registry.example=ana:s3cretpass"})
    uuid = stand.cluster(template)
    stand.pass_once()
    tokens = [c.split(":")[1] for c in stand.credentials().values()]
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    assert tokens
    shown = [
        stand.api.get(f"/v1/clusters{path}").text
        for path in ("", "/detail", f"/{uuid}", f"/{uuid}/events", f"/{uuid}/nodes", f"/{uuid}/logs")
    ]
    shown += [
        stand.api.get(f"/v1/clustertemplates/{template['uuid']}").text,
        stand.api.get(f"/v1/certificates/{uuid}").text,
        stand.api.get(f"/v1/certificates/{uuid}/issued").text,
        caplog.text,
    ]
    with stand.database.read() as connection:
        for table in (schema.node, schema.authority, schema.secret, schema.event):
            shown.append(json.dumps([list(map(str, r)) for r in connection.execute(table.select())]))
    everything = "\n".join(shown)
    for secret in (*tokens, "SWMTKN-w", "SWMTKN-m", "s3cretpass", "PRIVATE KEY"):
        assert secret not in everything
