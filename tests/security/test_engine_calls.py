"""Where the conductor calls, at whose word. A tenant is root on his managers and may change his stack's
outputs: what answers at "the engine's" address, with the engine's certificate, may be a program of his.
"""

import contextlib
import json
import socket
import ssl
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.conductor import engine as engines
from magnum_lite.conductor import reachable
from magnum_lite.conductor import work as working
from magnum_lite.db import leases, schema
from magnum_lite.native import tls
from magnum_lite.native.docker import SwarmEngine
from magnum_lite.native.engine import EngineRefused, EngineUnreachable
from magnum_lite.pki import profiles
from tests.unit.drivers.test_engine_api import CA

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.24", "Version": "20.10.24"}


class Pretender:
    """Answers TLS with the bay's own server certificate, and says ``answer(path)`` (raw HTTP, or pieces)."""

    def __init__(self, where):
        self.ca = CA(where, "bay")
        certificate, key = self.ca.sign(profiles.DOCKER_SERVER, sans=["127.0.0.1"])
        (where / "server.pem").write_text(certificate + key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(where / "server.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer = lambda _path: b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as wrapped:
            while raw := wrapped.recv(65536):
                path = raw.split(b" ")[1].decode()
                if path == "/version":
                    wrapped.sendall(reply(VERSION))
                    continue
                given = self.answer(path)
                for piece in [given] if isinstance(given, bytes) else given:
                    wrapped.sendall(piece)

    def engine(self):
        certificate, key = self.ca.client()
        address = f"127.0.0.1:{self.port}"
        return SwarmEngine([address], self.ca.pem, certificate, key, time_limit=(2, 2))


def reply(document, status="200 OK", headers=""):
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}"
    return head.encode() + b"\r\n" + body


@pytest.fixture
def pretender(tmp_path):
    found = Pretender(tmp_path)
    yield found
    found.listener.close()


@pytest.fixture
def secret_service():
    """What a tenant may not reach: (port, connections that came)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        came = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    came.append(connection.recv(4096))
                    connection.sendall(reply([{"secret": "metadata"}]))
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], came


def test_an_honest_engine_is_understood(pretender):
    node = {"ID": "n1", "Status": {"State": "ready"}, "Spec": {"Availability": "active", "Role": "worker"}}
    pretender.answer = lambda _path: reply([node])
    with pretender.engine() as engine:
        assert [n.id for n in engine.swarm_nodes()] == ["n1"]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_is_not_led_elsewhere(pretender, secret_service, status, scheme):
    port, came = secret_service
    location = f"Location: {scheme}://127.0.0.1:{port}/latest/meta-data\r\n"
    pretender.answer = lambda _path: reply({}, status, location)
    with pretender.engine() as engine, pytest.raises(EngineUnreachable, match="no engine"):
        engine.swarm_nodes()
    with pretender.engine() as engine, pytest.raises((EngineUnreachable, EngineRefused)):
        engine.remove("n1")
    assert came == []


def test_an_answer_that_does_not_end_is_cut(pretender, monkeypatch):
    monkeypatch.setattr(tls, "MOST_BYTES", 1024 * 1024)
    sent = []

    def endless(_path):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            sent.append(65536)
            yield b"10000\r\n" + b"[" * 65536 + b"\r\n"

    pretender.answer = endless
    with pretender.engine() as engine, pytest.raises(EngineUnreachable, match="no engine"):
        engine.swarm_nodes()
    assert sum(sent) < 32 * 1024 * 1024


def test_an_answer_that_drips_is_cut(pretender, monkeypatch):
    monkeypatch.setattr(tls, "MOST_SECONDS", 1.0)
    over = threading.Event()

    def dripping(_path):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        while not over.wait(0.05):
            yield b"[" * 70_000 if len(dripped) == 0 else b"["
            dripped.append(1)

    dripped = []
    pretender.answer = dripping
    began = time.monotonic()
    try:
        with pretender.engine() as engine, pytest.raises(EngineUnreachable):
            engine.swarm_nodes()
        assert time.monotonic() - began < 10
    finally:
        over.set()


def test_an_answer_that_breaks_off_is_no_engines(pretender):
    def breaking(_path):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[{"
        raise ConnectionError

    pretender.answer = breaking
    with pretender.engine() as engine, pytest.raises(EngineUnreachable):
        engine.swarm_nodes()


@pytest.mark.parametrize(
    "document", [None, 7, "x", {}, {"a": 1}, [1], [None], [{}], [{"ID": 1, "Status": None, "Spec": []}], [[]]]
)
def test_nonsense_is_no_fault_of_ours(pretender, document):
    pretender.answer = lambda _path: reply(document)
    with pretender.engine() as engine, contextlib.suppress(EngineUnreachable):
        assert engine.swarm_nodes() == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "169.254.169.254", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1",
     "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "2002:7f00:1::", "10.9.8.7", "localhost",
     "metadata.internal", "127.1", "0x7f000001", "2130706433", "", "10.0.0.1:22", "10.0.0.1/24", "2001:db8:9::1"],
)  # fmt: skip
def test_places_where_no_engine_is_called(address):
    assert not reachable.is_allowed(address, reachable.networks(("10.9.0.0/16", "2001:db8:9::/48")))


@pytest.mark.parametrize("address", ["10.0.0.5", "137.138.4.5", "192.0.2.7", "fd00::7", "2001:db8::7"])
def test_places_where_engines_are(address):
    assert reachable.is_allowed(address, reachable.networks(("10.9.0.0/16",)))


@given(st.text())
def test_any_text_has_an_answer(text):
    assert reachable.is_allowed(text, ()) in {True, False}


def test_a_masters_address_in_heat_is_the_tenants_word(stand):
    """He points his manager at the conductor's own machine, and at a network that its operator closed."""
    stand.conf.set_override("reach_engines", True, group="conductor")
    stand.conf.set_override("never_reach", ["198.51.100.0/24"], group="conductor")
    uuid = stand.cluster()
    stand.conf.set_override("reach_engines", False, group="conductor")
    stand.converge(uuid)
    stand.conf.set_override("reach_engines", True, group="conductor")
    table = schema.node

    def called(**values):
        with stand.database.write() as connection:
            mine = (table.c.cluster_id == uuid, table.c.role == "master")
            connection.execute(table.update().where(*mine).values(**values))
            connection.execute(schema.cluster.update().values(next_sync=0.0))
        with stand.database.read() as connection:
            [(due, token)] = leases.due(connection, 1)
        held = working.claim(stand.ports, due, token)
        working.release(held, 0.0)
        return engines.addresses(held)

    assert called(address="10.1.2.3", floating_address="192.0.2.9") == ["192.0.2.9:2376", "10.1.2.3:2376"]
    assert called(address="10.1.2.3", floating_address="198.51.100.7") == ["10.1.2.3:2376"]
    assert called(address="127.0.0.1", floating_address="169.254.169.254") == []
