"""Errors and results over the real wire: oslo.messaging's fake:// transport, a real server in threads.

oslo.messaging insists on the global configuration, so this file sets it and puts it back.
"""

import inspect
import threading

import oslo_messaging
import pytest

from magnum_lite import errors, rpc
from magnum_lite.conductor.endpoint import Endpoint
from magnum_lite.context import Context
from tests.support import global_configuration
from tests.support.stand import Stand

ERRORS = [
    errors.InvalidInput(errors.Problem("csr", "is none"), errors.Problem("", "and more")),
    errors.NotFound("Cluster", "prod"),
    errors.Conflict("The CA is being made."),
    errors.Forbidden("A reader gets none."),
    errors.Unsupported("This engine can't."),
    errors.Unavailable("orchestration", retry_after=9),
]


@pytest.fixture(scope="module")
def bus(tmp_path_factory):
    with global_configuration.bus(tmp_path_factory.mktemp("bus")) as made:
        yield made


@pytest.fixture
def served(bus):
    """``served(endpoint)`` starts a server for it and gives a client."""
    servers = []

    def serve(endpoint, timeout=10, name="one"):
        target = oslo_messaging.Target(topic=rpc.TOPIC, server=name)
        server = oslo_messaging.get_rpc_server(bus, target, [endpoint], executor="threading")
        server.start()
        servers.append(server)
        return rpc.Conductors(lambda: bus, timeout=timeout)

    yield serve
    for server in servers:
        server.stop()
        server.wait()


class Failing:
    """An endpoint whose answers are given."""

    target = oslo_messaging.Target(namespace=rpc.NAMESPACE, version=rpc.VERSION)

    def __init__(self, answer):
        self._answer = answer

    def sign(self, _ctxt, **_arguments):
        return self._answer()


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.code)
def test_errors_survive_the_wire(served, error):
    client = served(Failing(lambda: rpc.failure(error)))
    with pytest.raises(type(error)) as caught:
        client.sign(Context("u", "p"), "uuid", "csr", None)
    assert caught.value.code == error.code
    assert caught.value.message == error.message
    if isinstance(error, errors.InvalidInput):
        assert caught.value.problems == error.problems
    if isinstance(error, errors.Unavailable):
        assert (caught.value.service, caught.value.retry_after) == ("orchestration", 9)


@pytest.mark.parametrize(
    "answer", [{"error": {}}, {"error": {"code": "invented"}}, {"error": {"code": "error"}}]
)
def test_errors_that_nobody_knows(served, answer):
    client = served(Failing(lambda: answer))
    with pytest.raises(errors.MagnumLiteError) as caught:
        client.sign(Context("u", "p"), "uuid", "csr", None)
    assert type(caught.value) is errors.MagnumLiteError


def test_a_conductor_that_is_silent(served):
    release = threading.Event()
    client = served(Failing(lambda: release.wait(30) or {"result": "late"}), timeout=1)
    with pytest.raises(errors.Unavailable) as caught:
        client.sign(Context("u", "p"), "uuid", "csr", None)
    assert caught.value.service == "conductor"
    release.set()


def test_no_conductor_at_all(bus):
    client = rpc.Conductors(lambda: bus, timeout=1)
    client.look("uuid")  # nobody hears it, nobody minds
    with pytest.raises(errors.Unavailable):
        client.join_token("node")


def test_a_conductor_that_breaks(served):
    def broken():
        raise RuntimeError("a secret detail")

    client = served(Failing(broken))
    with pytest.raises(errors.MagnumLiteError) as caught:
        client.sign(Context("u", "p"), "uuid", "csr", None)
    assert "secret detail" not in caught.value.message


def test_the_real_endpoint(served, tmp_path):
    stand = Stand(tmp_path)
    uuid = stand.cluster()
    stand.converge(uuid)
    woken = threading.Event()
    client = served(Endpoint(stand.ports, woken.set))
    machine = next(iter(stand.machines.values()))
    member = Context("u1", "a" * 32, roles=frozenset({"member"}), user_name="ana")
    assert client.sign(member, uuid, machine.csr(name="me"), 3600).startswith("-----BEGIN CERTIFICATE-----")
    with pytest.raises(errors.Forbidden):
        client.sign(Context("u", "p", roles=frozenset({"reader"})), uuid, machine.csr(), None)
    with pytest.raises(errors.InvalidInput):
        client.sign(member, uuid, "nonsense", None)
    with pytest.raises(errors.NotFound):
        client.sign(member, "00000000-0000-4000-8000-000000000000", machine.csr(), None)
    workers = [m for m in stand.machines.values() if m.role == "worker"]
    assert client.join_token(workers[0].node_id) == "SWMTKN-w"
    client.keep_join_tokens(next(m for m in stand.machines.values() if m.role == "master").node_id,
                            {"worker": "SWMTKN-new"})  # fmt: skip
    assert client.join_token(workers[0].node_id) == "SWMTKN-new"
    with pytest.raises(errors.Forbidden):
        client.keep_join_tokens(workers[0].node_id, {"worker": "SWMTKN-evil"})
    with pytest.raises(errors.Forbidden):
        client.enrol({"node_id": workers[0].node_id, "token": "x", "identity_csr": workers[0].csr()})
    client.look(uuid)
    assert woken.wait(10)


# Version 1.0, for good: what is added must have a default, and goes only to conductors of a version that knows it.
WIRE = {
    "look": {"cluster_uuid"},
    "sign": {"context", "cluster_uuid", "csr", "ttl"},
    "plan": {"cluster", "groups", "action"},
    "enrol": {"request"},
    "keep_join_tokens": {"node_id", "tokens"},
    "join_token": {"node_id"},
}


@pytest.mark.parametrize("method", WIRE)
def test_calls_of_the_version_before_are_understood(method):
    signature = inspect.signature(getattr(Endpoint, method))
    signature.bind(None, **({"_ctxt": {}} if method == "look" else {}), **dict.fromkeys(WIRE[method]))
    assert rpc.VERSION.partition(".")[0] == "1"


class Recording:
    """An endpoint as a conductor of version 1.0 has it: it takes nothing that it does not know."""

    target = oslo_messaging.Target(namespace=rpc.NAMESPACE, version="1.0")

    def __init__(self):
        self.asked, self.looked = {}, threading.Event()

    def __getattr__(self, method):
        if method not in WIRE:
            raise AttributeError(method)

        def answer(_ctxt, **arguments):
            self.asked[method] = set(arguments)
            if method == "look":
                self.looked.set()
            return {"result": {} if method in {"plan", "enrol"} else ""}

        return answer


def test_a_conductor_of_the_version_before_understands_our_calls(served):
    old = Recording()
    client = served(old)
    client.sign(Context("u", "p"), "uuid", "csr", None)
    client.plan({}, [], "CREATE")
    client.enrol({})
    client.keep_join_tokens("node", {})
    client.join_token("node")
    client.look("uuid")
    assert old.looked.wait(10)
    assert old.asked == WIRE


def test_what_an_older_conductor_cannot_do_is_to_be_tried_again(served, monkeypatch):
    """While conductors are upgraded, after the API or before it."""
    monkeypatch.setattr(rpc, "VERSION", "1.7")
    client = served(Recording())
    with pytest.raises(errors.Unavailable) as caught:
        client.join_token("node")
    assert caught.value.retry_after


def test_no_token_of_a_caller_travels():
    context = Context("u", "p", roles=frozenset({"member"}), auth=object())
    wire = context.to_wire()
    assert set(wire) == {"user_id", "project_id", "roles", "user_name", "request_id"}
    again = Context.from_wire(wire | {"of_a_newer_sender": 1})
    assert again == context
    assert again.auth is None
