"""Rotation of CAs and of credentials: what is trusted when, who signs what, and what happens to those who
are late, silent, killed or impatient.
"""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from magnum_lite.db import schema
from tests.functional.conftest import errors
from tests.functional.test_certificates import csr
from tests.functional.test_conductor import machine, nodes, scale, told, write
from tests.functional.test_leases import killed, rows
from tests.support.stand import OTHER, Stand

STEPS = ["ensure_authorities", "tell_nodes", "ensure_node_records", "observe", "confirm_nodes", "end"]
DAY = 86400.0


@pytest.fixture
def made(stand):
    """A stand with one complete cluster."""
    stand.made = stand.cluster()
    stand.converge(stand.made)
    return stand


def rotate(stand, status=202, what="certificates", api=None, ident=None, version="latest"):
    """As python-magnumclient sends it."""
    headers = {
        "Content-Type": "application/octet-stream",
        "OpenStack-API-Version": f"container-infra {version}",
    }
    path = f"/v1/{what}/{ident or stand.made}"
    answer = (api or stand.api).patch(path, headers=headers, expect_errors=True)
    assert answer.status_int == status, answer.text
    return answer


def client(stand):
    """(certificate, CA bundle) as a tenant gets them now."""
    signed = stand.api.post_json("/v1/certificates", {"cluster_uuid": stand.made, "csr": csr()}).json["pem"]
    return signed, stand.api.get(f"/v1/certificates/{stand.made}").json["pem"]


def trusted(tmp_path, bundle, certificate, purpose):
    """Whether a TLS peer with this bundle would take the certificate."""
    (tmp_path / "ca.pem").write_text(bundle)
    (tmp_path / "cert.pem").write_text(certificate)
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "ca.pem", "cert.pem"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.fixture
def works(made, tmp_path):
    """Whether a tenant's (certificate, bundle) works with what the manager holds: both directions."""

    def check(credentials):
        certificate, bundle = credentials
        manager = machine(made, nodes(made, made.made)["manager-0"]).identity
        shown = trusted(tmp_path, bundle, manager["server_cert"], "sslserver")
        return shown and trusted(tmp_path, manager["cluster_ca"], certificate, "sslclient")

    return check


def cas(stand):
    return stand.api.get(f"/v1/certificates/{stand.made}").json["pem"].count("BEGIN CERTIFICATE")


def look_again(stand):
    """Due at once, as if its idle interval were over."""
    write(stand, stand.made, next_sync=0.0)
    stand.pass_once()


def test_in_two_steps_with_the_cluster_usable_throughout(made, works):
    old = client(made)
    requests = len(made.stacks.requests)
    assert rotate(made).json == {"uuid": made.made}
    assert made.get(made.made)["status"] == "UPDATE_IN_PROGRESS"
    for _ in range(12):
        made.pass_once()
        assert works(old), "the old one stays good"
        assert works(client(made)), "a new one is good at once, whoever signs it"
        if not made.get(made.made)["status"].endswith("IN_PROGRESS"):
            break
        made.boot()
    found = made.get(made.made)
    assert found["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 2
    assert "the old CA is trusted until" in found["health_status_reason"]["ca_rotation"]
    assert found["health_status"] != "UNHEALTHY"
    assert len(made.stacks.requests) == requests, "Heat has nothing to do for it"
    new = client(made)
    issuers = [x509.load_pem_x509_certificate(c[0].encode()).issuer for c in (old, new)]
    assert issuers[0] != issuers[1]
    assert works(old)
    assert works(new)
    keys = {n.node_id: n.key for n in made.machines.values()}

    rotate(made)
    for _ in range(12):
        made.pass_once()
        assert works(new), "who has fetched new ones notices nothing"
        if not made.get(made.made)["status"].endswith("IN_PROGRESS"):
            break
        made.boot()
    assert made.get(made.made)["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 1
    assert "ca_rotation" not in made.get(made.made)["health_status_reason"]
    assert works(client(made))
    assert works(new)
    assert not works(old)
    assert not works((old[0], new[1])), "a certificate of the old CA is refused"
    assert sorted((a["purpose"], a["epoch"], a["state"]) for a in rows(made, schema.authority)) == [
        ("cluster", 2, "active"), ("node", 2, "active"),
    ]  # fmt: skip
    for node in made.machines.values():  # nor is a node's old key
        raw, sent = node.signed({"step": "ready", "percent": 100, "state": "ok"}, key=keys[node.node_id])
        answer = made.door.post("/v1/report", raw, headers=sent, expect_errors=True)
        assert answer.status_int == 401
    words = " ".join(e["message"] for e in told(made, made.made, "certificate"))
    for part in ("A new CA for its API was made", "trust both CAs", "All 3 nodes have", "The old CA is gone"):
        assert part in words
    issued = made.api.get(f"/v1/certificates/{made.made}/issued").json["certificates"]
    superseded = [c for c in issued if c["revocation_reason"] == "superseded"]
    serial = x509.load_pem_x509_certificate(old[0].encode()).serial_number
    assert f"{serial:x}" in {c["serial"] for c in superseded}
    assert all(c["revoked_at"] for c in superseded)
    assert rotate(made).json, "and round again"


def test_one_call_is_enough(made, works):
    """What `magnum ca-rotate` does: the grace time ends by itself."""
    old = client(made)
    rotate(made)
    made.settle(made.made)
    made.offset += made.conf.certificates.rotation_grace - 600
    look_again(made)
    assert cas(made) == 2
    assert works(old)
    made.offset += 700
    look_again(made)
    assert made.get(made.made)["status"] == "UPDATE_IN_PROGRESS"
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 1
    assert not works(old)
    assert any("time is over" in e["message"] for e in told(made, made.made, "accepted"))


def test_a_deletion_that_failed_is_not_undone_by_the_end_of_a_grace_time(made):
    rotate(made)
    made.settle(made.made)
    generation = rows(made, schema.cluster)[0]["generation"]
    write(made, made.made, action="DELETE", status="DELETE_FAILED")
    made.offset += made.conf.certificates.rotation_grace + 1
    look_again(made)
    (row,) = rows(made, schema.cluster)
    assert (row["action"], row["generation"]) == ("DELETE", generation)


def test_without_a_grace_time_it_ends_at_once(tmp_path):
    stand = Stand(tmp_path, certificates__rotation_grace=0)
    stand.made = stand.cluster()
    stand.converge(stand.made)
    rotate(stand)
    assert stand.settle(stand.made)["status"] == "UPDATE_COMPLETE"
    look_again(stand)
    assert stand.settle(stand.made)["status"] == "UPDATE_COMPLETE"
    assert cas(stand) == 1


def test_who_may_and_when(stand):
    stand.made = stand.cluster()
    for what in ("certificates", "credentials"):
        (entry,) = errors(rotate(stand, 400, what), 400)
        assert "CREATE_IN_PROGRESS" in entry["detail"]
    stand.converge(stand.made)
    for what in ("certificates", "credentials"):
        errors(rotate(stand, 404, what, ident="nobody"), 404)
        errors(rotate(stand, 404, what, api=stand.as_caller(project=OTHER)), 404)
        errors(rotate(stand, 403, what, api=stand.as_caller(roles="reader")), 403)
    rotate(stand, 406, "credentials", version="1.11")
    rotate(stand, 202, version="1.1")
    errors(rotate(stand, 400), 400)  # it goes on


def test_no_tls_no_ca(made):
    (row,) = rows(made, schema.cluster)
    write(made, made.made, template=row["template"] | {"tls_disabled": True})
    (entry,) = errors(rotate(made, 400), 400)
    assert "no TLS" in entry["detail"]


@pytest.mark.parametrize("point", STEPS)
@pytest.mark.parametrize("step", [1, 2])
def test_killed_at(made, works, point, step):
    old = client(made)
    if step == 2:
        rotate(made)
        made.settle(made.made)
    rotate(made)
    killed(made, made.made, point)
    assert works(client(made))
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 3 - step
    assert len(rows(made, schema.authority)) == 2 * (3 - step)
    assert works(old) == (step == 1)
    assert works(client(made))


def test_a_silent_node_is_named_and_a_retry_goes_on(made, works):
    old = client(made)
    silent = nodes(made, made.made)["worker-1"]
    machine(made, silent).alive = False
    rotate(made)
    for _ in range(6):
        made.pass_once()
        made.boot()
    found = made.get(made.made)
    assert found["status"] == "UPDATE_IN_PROGRESS"
    assert silent["hostname"] in found["status_reason"]
    write(made, made.made, accepted_at=made.database.now() - 601, renewal_since=0.0)
    made.pass_once()
    found = made.get(made.made)
    assert found["status"] == "UPDATE_FAILED"
    assert list(found["faults"]) == [silent["hostname"]]
    assert "last report was" in found["faults"][silent["hostname"]]
    assert "old one still signs" in found["status_reason"]
    assert works(old)
    assert works(client(made))
    machine(made, silent).alive = True
    rotate(made)
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 2, "the same new CA, not another one"
    assert works(old)
    assert works(client(made))


def test_a_node_that_is_lost_can_be_removed_and_the_rotation_goes_on(made):
    lost = nodes(made, made.made)["worker-1"]
    machine(made, lost).alive = False
    rotate(made)
    for _ in range(4):
        made.pass_once()
        made.boot()
    body = {"node_count": 1, "nodes_to_remove": [lost["hostname"]]}
    made.api.post_json(f"/v1/clusters/{made.made}/actions/resize", body)
    found = made.settle(made.made)
    assert found["status"] == "UPDATE_COMPLETE", found
    assert cas(made) == 2
    rotate(made)
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert cas(made) == 1


def test_nodes_that_come_meanwhile(made, works):
    rotate(made)
    made.pass_once()
    scale(made, made.made, 4)
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert {n["renewal"] for n in rows(made, schema.node)} == {"2.1.1"}
    assert len(nodes(made, made.made)) == 5
    assert works(client(made))


def test_an_answer_that_is_lost_loses_no_node(made):
    node = machine(made, nodes(made, made.made)["manager-0"])
    node.loses_answers = True
    old = node.key
    rotate(made)
    for _ in range(4):
        made.pass_once()
        made.boot()
    assert node.key is old
    assert node.report("ready", 100, "ok").status_int == 200, "the old key is good until the new one is used"
    node.loses_answers = False
    made.offset += 121
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert node.key is not old
    raw, sent = node.signed({"step": "ready", "percent": 100, "state": "ok"}, key=old)
    assert made.door.post("/v1/report", raw, headers=sent, expect_errors=True).status_int == 401


def test_a_manager_that_shows_something_else_is_told_again(made):
    node = machine(made, nodes(made, made.made)["manager-0"])
    assert "renew" not in node.report("ready", 100, "ok", served=node.served()).json
    wrong = node.served() | {"trust": "0" * 64}
    assert "renew" not in node.report("ready", 100, "ok", served=wrong).json, "it was given them just now"
    made.offset += 301
    assert node.report("ready", 100, "ok", served=wrong).json["renew"] is True


def test_a_renewed_node_can_not_go_back_to_its_first_key(made):
    """Whoever got hold of the first key, and of the token in the user data, has nothing."""
    node = machine(made, nodes(made, made.made)["worker-0"])
    first = node.key
    rotate(made)
    made.settle(made.made)
    node.key = first
    assert node.enrol().status_int == 403


def test_credentials(made, works):
    mine, tokens = client(made), made.tokens
    identities = {n["uuid"]: n["identity"] for n in rows(made, schema.node)}
    served = machine(made, nodes(made, made.made)["manager-0"]).served()
    assert rotate(made, what="credentials").json == {"uuid": made.made}
    assert made.get(made.made)["status"] == "UPDATE_IN_PROGRESS"
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert made.tokens != tokens
    now = {n["uuid"]: n["identity"] for n in rows(made, schema.node)}
    assert all(now[uuid] != pem for uuid, pem in identities.items())
    assert machine(made, nodes(made, made.made)["manager-0"]).served()["server"] != served["server"]
    assert cas(made) == 1
    assert works(mine), "tenants' own certificates are not touched"
    worker = nodes(made, made.made)["worker-0"]["uuid"]
    assert made.conductors.join_token(worker) == made.tokens["worker"]
    after = made.tokens
    for _ in range(3):
        made.boot()
        look_again(made)
    assert made.tokens == after, "once is enough"


def test_credentials_while_no_manager_answers(made):
    machine(made, nodes(made, made.made)["manager-0"]).alive = False
    rotate(made, what="credentials")
    for _ in range(5):
        made.pass_once()
        made.boot()
    write(made, made.made, accepted_at=made.database.now() - 601, renewal_since=0.0)
    made.pass_once()
    found = made.get(made.made)
    assert found["status"] == "UPDATE_FAILED"
    assert "join tokens" in found["status_reason"]
    before = made.tokens
    machine(made, nodes(made, made.made)["manager-0"]).alive = True
    rotate(made, what="credentials")
    assert made.settle(made.made)["status"] == "UPDATE_COMPLETE"
    assert made.tokens != before


def pass_time(stand, days):
    """Days in which nodes report now and then."""
    for _ in range(int(days // 10)):
        stand.offset += 10 * DAY
        for _ in range(3):
            stand.boot()


def test_nodes_renew_their_certificates_by_themselves(made):
    first = {n["uuid"]: n["identity"] for n in rows(made, schema.node)}
    pass_time(made, 240)
    assert {n["uuid"]: n["identity"] for n in rows(made, schema.node)} == first, "two thirds are not over"
    pass_time(made, 20)
    later = {n["uuid"]: n["identity"] for n in rows(made, schema.node)}
    assert not set(first.values()) & set(later.values())
    pass_time(made, 1000)
    look_again(made)
    found = made.get(made.made)
    assert "node_certificates" not in found["health_status_reason"]
    assert found["health_status"] == "HEALTHY"
    issued = made.api.get(f"/v1/certificates/{made.made}/issued").json["certificates"]
    assert len(issued) < 4 * 8, "and no more often than needed"


def test_a_node_that_does_not_renew_is_named_long_before(made):
    node = nodes(made, made.made)["worker-0"]
    lost = machine(made, node)
    lost.alive = False
    pass_time(made, 330)
    look_again(made)
    assert "node_certificates" not in made.get(made.made)["health_status_reason"]
    pass_time(made, 10)
    for _ in range(3):
        look_again(made)
    found = made.get(made.made)["health_status_reason"]["node_certificates"]
    assert found.startswith(f"not renewed in time: {node['hostname']} ends on ")
    warned = [e for e in told(made, made.made, "certificate") if e["level"] == "warning"]
    assert [e["message"] for e in warned] == [f"node_certificates: {found}."]
    pass_time(made, 30)
    lost.alive = True
    answer = lost.report("ready", 100, "ok")
    assert answer.status_int == 401
    assert "has ended" in answer.json["message"]
    look_again(made)
    assert made.get(made.made)["health_status"] == "UNHEALTHY"


def test_a_ca_is_named_long_before_its_end(tmp_path):
    stand = Stand(tmp_path, certificates__authority_days=400)
    stand.made = stand.cluster()
    stand.converge(stand.made)
    pass_time(stand, 300)
    look_again(stand)
    assert "ca" not in stand.get(stand.made)["health_status_reason"]
    pass_time(stand, 20)
    for _ in range(2):
        look_again(stand)
    found = stand.get(stand.made)
    assert found["health_status_reason"]["ca"].startswith("the CA ends on ")
    assert found["health_status"] == "HEALTHY"
    assert len([e for e in told(stand, stand.made, "certificate") if e["level"] == "warning"]) == 1
    rotate(stand)
    assert stand.settle(stand.made)["status"] == "UPDATE_COMPLETE"
    look_again(stand)
    assert "ca" not in stand.get(stand.made)["health_status_reason"]


def test_near_its_end_a_ca_is_not_asked_again_and_again(tmp_path):
    stand = Stand(tmp_path, certificates__authority_days=2)
    stand.made = stand.cluster()
    stand.converge(stand.made)
    for _ in range(20):
        stand.offset += DAY / 10
        stand.boot()
    issued = stand.api.get(f"/v1/certificates/{stand.made}/issued").json["certificates"]
    assert len(issued) == 4


def test_lifetimes_are_the_operators(tmp_path):
    stand = Stand(tmp_path, certificates__client_days=2, certificates__client_max_days=5)
    stand.made = stand.cluster()
    stand.converge(stand.made)

    def days(ttl=None, status=201):
        body = {"cluster_uuid": stand.made, "csr": csr()} | ({} if ttl is None else {"ttl": ttl})
        answer = stand.api.post_json("/v1/certificates", body, expect_errors=True)
        assert answer.status_int == status, answer.text
        if status != 201:
            return answer.json["errors"][0]["detail"]
        certificate = x509.load_pem_x509_certificate(answer.json["pem"].encode())
        return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / DAY

    assert int(days()) == 2
    assert int(days(5 * 86400)) == 5
    assert days(3600) < 0.1
    assert "at most 5 days" in days(6 * 86400, 400)


def test_issued_certificates_come_in_pages(made):
    for _ in range(3):
        client(made)
    path = f"/v1/certificates/{made.made}/issued"
    whole = [c["serial"] for c in made.api.get(path).json["certificates"]]
    seen, link = [], f"{path}?limit=2"
    while link:
        page = made.api.get(link.removeprefix("http://localhost")).json
        seen += [c["serial"] for c in page["certificates"]]
        link = page.get("next")
    assert seen == whole
    assert len(whole) == 3 + 4
    for marker in ("0", "\0", "x" * 300):
        answer = made.api.get(path, {"marker": marker}, expect_errors=True)
        errors(answer, 400)
    errors(made.api.get(f"{path}?limit=0", expect_errors=True), 400)


def test_no_key_leaves_the_conductor(made):
    rotate(made)
    made.settle(made.made)
    keys = made.api.get(f"/v1/certificates/{made.made}").text + str(told(made, made.made))
    assert "PRIVATE" not in keys
    for row in rows(made, schema.authority):
        assert "PRIVATE" not in row["sealed_key"]
        with pytest.raises(ValueError):  # sealed: no key can be read from it
            serialization.load_der_private_key(row["sealed_key"].encode(), None)
    assert isinstance(next(iter(made.machines.values())).key, ec.EllipticCurvePrivateKey)


def test_three_managers_each_prove_it(tmp_path):
    stand = Stand(tmp_path)
    stand.made = stand.cluster(template=stand.template(master_lb_enabled=False), master_count=3)
    stand.converge(stand.made)
    late = machine(stand, nodes(stand, stand.made)["manager-2"])
    late.alive = False
    rotate(stand)
    for _ in range(5):
        stand.pass_once()
        stand.boot()
    assert "waiting for" in stand.get(stand.made)["status_reason"]
    assert nodes(stand, stand.made)["manager-2"]["hostname"] in stand.get(stand.made)["status_reason"]
    late.alive = True
    assert stand.settle(stand.made)["status"] == "UPDATE_COMPLETE"
    assert len({n.served()["trust"] for n in stand.machines.values() if n.role == "master"}) == 1
    stand.tokens = {role: f"SWMTKN-{role}" for role in stand.tokens}
    stand.boot()
    rotate(stand, what="credentials")
    assert stand.settle(stand.made)["status"] == "UPDATE_COMPLETE"
