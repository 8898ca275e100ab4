"""What others than the machine itself may try: with a token that was used, with a message that was seen, with
a signal to Heat.
"""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from magnum_lite.db import schema
from tests.functional.test_conductor import told
from tests.functional.test_door import _booted, _one, _records
from tests.support.stand import PROJECT, SimulatedNode


@pytest.fixture
def booted(stand):
    return _booted(stand)


def test_a_second_machine_with_a_nodes_token_is_told(stand, booted):
    uuid, machines = booted
    worker = _one(machines, "worker-0")
    assert worker.enrol().status_int == 200
    for _ in range(3):
        thief = SimulatedNode(stand.door, f"{worker.node_id}:{worker.token}", "worker")
        assert thief.enrol().status_int == 403
    warnings = [e for e in told(stand, uuid) if e["step"] == "refused"]
    assert len(warnings) == 1, "once, however often he tries"
    assert warnings[0]["level"] == "warning"
    assert "second machine" in warnings[0]["message"]
    stand.offset = 3600
    SimulatedNode(stand.door, f"{worker.node_id}:{worker.token}", "worker").enrol()
    assert len([e for e in told(stand, uuid) if e["step"] == "refused"]) == 2
    assert worker.token not in stand.api.get(f"/v1/clusters/{uuid}/events").text


def test_who_is_faster_than_the_node_is_seen(stand, booted):
    """A reader who reads user data before the machine boots wins its token. The machine then fails aloud."""
    uuid, machines = booted
    worker = _one(machines, "worker-0")
    thief = SimulatedNode(stand.door, f"{worker.node_id}:{worker.token}", "worker")
    assert thief.enrol().status_int == 200
    assert worker.enrol().status_int == 403
    assert [e for e in told(stand, uuid) if e["step"] == "refused"]


def test_a_guess_is_no_event(stand, booted):
    uuid, machines = booted
    worker = _one(machines, "worker-0")
    assert worker.enrol(token="0" * 64).status_int == 403
    assert worker.enrol().status_int == 200
    assert worker.enrol(token="f" * 64).status_int == 403
    assert [e for e in told(stand, uuid) if e["step"] == "refused"] == []


def test_a_renewal_is_not_repeated_by_others(stand, booted):
    _, machines = booted
    worker = _one(machines, "worker-0")
    worker.enrol()
    new = ec.generate_private_key(ec.SECP256R1())
    raw, sent = worker.signed({"node_id": worker.node_id, "identity_csr": worker.csr(new)})

    def send():
        return worker.door.post("/v1/enrol", raw, headers=sent, expect_errors=True)

    assert send().status_int == 200
    again = send()
    assert again.status_int == 401
    assert "cert" not in again.text
    late, sent_late = worker.signed({"node_id": worker.node_id, "identity_csr": worker.csr(new)})
    stand.offset = 901
    assert worker.door.post("/v1/enrol", late, headers=sent_late, expect_errors=True).status_int == 401


def test_a_report_is_no_renewal_and_none_is_another_nodes(stand, booted):
    _, machines = booted
    one, two = _one(machines, "worker-0"), _one(machines, "worker-1")
    one.enrol(), two.enrol()
    raw, sent = one.signed({"node_id": two.node_id, "identity_csr": one.csr()})
    assert one.door.post("/v1/enrol", raw, headers=sent, expect_errors=True).status_int == 401
    raw, sent = one.signed({"step": "engine", "percent": 40, "state": "running"})
    assert one.door.post("/v1/enrol", raw, headers=sent, expect_errors=True).status_int in {400, 401}


@pytest.mark.parametrize(
    "claim", [{"role": "master"}, {"role": "manager", "purpose": "cluster"}, {"profile": "docker-client"}]
)
def test_a_worker_does_not_become_a_manager_by_saying_so(stand, booted, claim):
    uuid, machines = booted
    worker = _one(machines, "worker-0")
    server = worker.csr(ec.generate_private_key(ec.SECP256R1()))
    answer = worker.enrol(server_csr=server, **claim)
    assert answer.status_int == 200
    assert "server_cert" not in answer.json and "cluster_ca" not in answer.json
    raw, sent = worker.signed(
        {"node_id": worker.node_id, "identity_csr": worker.csr(), "server_csr": server} | claim
    )
    renewed = worker.door.post("/v1/enrol", raw, headers=sent, expect_errors=True)
    assert renewed.status_int == 200
    assert "server_cert" not in renewed.json and "cluster_ca" not in renewed.json
    assert {r["role"] for r in _records(stand, uuid) if r["uuid"] == worker.node_id} == {"worker"}


def test_a_masters_token_in_a_workers_hands(stand, booted):
    _, machines = booted
    worker, master = _one(machines, "worker-0"), _one(machines, "manager")
    assert worker.enrol(token=master.token).status_int == 403
    server = worker.csr(ec.generate_private_key(ec.SECP256R1()))
    assert worker.enrol(node_id=master.node_id, server_csr=server).status_int == 403
    assert worker.enrol(node_id=master.node_id, token=master.token, server_csr=None).status_int == 400


def _signal_all(stand, uuid, status):
    """As a reader of the project can: to every wait condition of the stack."""
    for record in _records(stand, uuid):
        if record["stack_id"]:
            data = {"status": status, "reason": "done", "id": "x", "data": ""}
            stand.stacks.signal(PROJECT, record["stack_id"], "ready_handle", data)


def test_a_strangers_signal_proves_nothing(stand, booted):
    """Heat believes it and is complete; the cluster is not before its nodes have come themselves."""
    uuid, _machines = booted
    for _ in range(5):
        stand.pass_once()
        _signal_all(stand, uuid, "SUCCESS")
    assert stand.stacks.get(PROJECT, stand.stacks.requests[0].name).status == "COMPLETE"
    for _ in range(5):
        stand.pass_once()
    assert stand.get(uuid)["status"] == "CREATE_IN_PROGRESS"
    assert all(r["state"] != "ready" for r in _records(stand, uuid))
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"


def test_a_strangers_failure_is_a_fault_with_its_name(stand, booted):
    uuid, _machines = booted
    stand.pass_once()
    _signal_all(stand, uuid, "FAILURE")
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert found["faults"]


def test_a_signal_reaches_no_other_project(stand, booted):
    uuid, _machines = booted
    stand.pass_once()
    record = next(r for r in _records(stand, uuid) if r["stack_id"])
    with pytest.raises(Exception, match=record["stack_id"]):
        stand.stacks.signal("b" * 32, record["stack_id"], "ready_handle", {"status": "SUCCESS"})


def test_a_node_of_one_cluster_knows_nothing_of_another(stand):
    one, machines = _booted(stand)
    two, others = _booted(stand)
    stand.converge(one)
    worker = _one(machines, "worker-0")
    mine = stand.machines[worker.node_id]
    stand.tokens = {"worker": "SWMTKN-second-w", "manager": "SWMTKN-second-m"}
    stand.converge(two)
    answer = mine.report("swarm", 70, healthy=True)
    assert "second" not in answer.text
    with stand.database.read() as connection:
        query = schema.node.select().where(schema.node.c.cluster_id == two)
        theirs = {row["uuid"]: dict(row) for row in connection.execute(query).mappings()}
    for ident, before in theirs.items():
        raw, sent = mine.signed({"step": "ready", "percent": 100, "state": "failed", "message": "no"})
        sent["X-Node-Id"] = ident
        refused = mine.door.post("/v1/report", raw, headers=sent, expect_errors=True)
        assert refused.status_int == 401
        assert before["state"] == "ready"
    assert others
