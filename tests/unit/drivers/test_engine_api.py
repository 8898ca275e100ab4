"""The TLS front of a manager's Docker API: who comes in, that every byte comes through, and that new files
hold at once while connections go on. The program runs as on a node; behind it is a socket of the test's.
"""

import contextlib
import datetime as dt
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from magnum_lite import paths
from magnum_lite.pki import authority, csr, profiles
from magnum_lite.pki.requests import client_request

PROGRAM = paths.heat_templates() / "swarm/node/engine-api.py"
NOW, YEAR = dt.datetime.now(dt.UTC), dt.timedelta(days=365)
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


class CA:
    """One authority, and files of what it signs."""

    def __init__(self, where, name):
        self.where, self.name = where, name
        self.pem, key = authority.create_authority(name, "cluster", NOW, YEAR)
        self.signer = authority.Authority.load("cluster", self.pem, key)

    def sign(self, profile, **more):
        """(certificate, key)"""
        key, request = client_request("x")
        facts = profiles.SubjectFacts("someone")
        prepared = profiles.prepare(profile, csr.verify(request), subject_facts=facts, **more)
        return self.signer.issue(prepared, authority.new_serial(), NOW), key

    def server(self):
        return self.sign(profiles.DOCKER_SERVER, sans=["localhost"])

    def client(self):
        return self.sign(profiles.DOCKER_CLIENT)


class Front:
    """The program, and the engine behind it: it sends back what it gets until the client is done."""

    def __init__(self, where):
        self.where = where
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.engine = socket.socket(socket.AF_UNIX)
        self.engine.bind(str(where / "engine.sock"))
        self.engine.listen(64)
        self.files = where / "docker"
        self.files.mkdir()
        self.process = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                found, _ = self.engine.accept()
                threading.Thread(target=self._echo, args=(found,), daemon=True).start()

    def _echo(self, found):
        with found, contextlib.suppress(OSError):
            while data := found.recv(65536):
                found.sendall(data)
            found.sendall(b"END")

    def install(self, server, *cas):
        """As the agent does it: each file is replaced in one go."""
        certificate, key = server
        for name, text in (
            ("ca.pem", "".join(c.pem for c in cas)), ("server.pem", certificate), ("server-key.pem", key),
        ):  # fmt: skip
            (self.files / f"{name}.new").write_text(text)
            (self.files / f"{name}.new").replace(self.files / name)

    def start(self):
        command = [sys.executable, "-I", PROGRAM, self.files, str(self.port), str(self.where / "engine.sock")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 5).close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                assert self.process.poll() is None

    def connect(self, trust, credentials=None, version=None):
        context = ssl.create_default_context(cadata=trust)
        if version is not None:
            context.maximum_version = context.minimum_version = version
        if credentials:
            pair = self.where / f"client-{secrets.token_hex(4)}.pem"
            pair.write_text("".join(credentials))
            context.load_cert_chain(pair)
        raw = socket.create_connection(("127.0.0.1", self.port), 10)
        try:
            return context.wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise

    def says(self, text, trust, credentials=None, version=None):
        """What comes back for ``text``; raises what a client would see."""
        with self.connect(trust, credentials, version) as found:
            found.sendall(text)
            got = found.recv(65536)
            if not got:
                raise EOFError
            return got

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        self.engine.close()


@pytest.fixture
def ca(tmp_path):
    return CA(tmp_path, "old")


@pytest.fixture
def front(tmp_path, ca):
    """Running, with certificates of ``ca``."""
    made = Front(tmp_path)
    made.install(ca.server(), ca)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_comes_in(tmp_path, front, ca, version):
    assert front.says(b"hello", ca.pem, ca.client(), version) == b"hello"
    stranger = CA(tmp_path, "stranger")
    for wrong in (None, stranger.client(), ca.server()):
        with pytest.raises(REFUSED):
            front.says(b"hello", ca.pem, wrong, version)


def test_no_old_tls(front, ca):
    with pytest.warns(DeprecationWarning), pytest.raises(REFUSED):
        front.says(b"hello", ca.pem, ca.client(), ssl.TLSVersion.TLSv1_1)


def test_every_byte_comes_through_both_ways_at_once(front, ca):
    sent = os.urandom(8 * 2**20 + 12345)
    with front.connect(ca.pem, ca.client()) as found:
        # one SSL object is not for two threads: what is sent waits in the kernel's and the front's buffers
        found.setblocking(False)
        got, offset = bytearray(), 0
        deadline = time.monotonic() + 60
        while len(got) < len(sent):
            assert time.monotonic() < deadline
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                offset += found.send(sent[offset : offset + 65536]) if offset < len(sent) else 0
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                got += found.recv(65536)
    assert bytes(got) == sent


def test_a_client_may_be_done_before_the_engine_is(front, ca):
    """`echo … | docker run -i`: its end is passed on, and what the engine says after it still arrives."""
    memory_in, memory_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=ca.pem)
    pair = front.where / "pair.pem"
    pair.write_text("".join(ca.client()))
    context.load_cert_chain(pair)
    tls = context.wrap_bio(memory_in, memory_out, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", front.port), 10) as raw:

        def drive(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    raw.sendall(memory_out.read())
                    data = raw.recv(65536)
                    memory_in.write(data) if data else memory_in.write_eof()
                finally:
                    raw.sendall(memory_out.read())

        drive(tls.do_handshake)
        drive(lambda: tls.write(b"input"))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()  # sends "I am done", and can't be finished yet
        raw.sendall(memory_out.read())
        while data := raw.recv(65536):
            memory_in.write(data)
    got = b""
    with contextlib.suppress(ssl.SSLZeroReturnError, ssl.SSLWantReadError):
        while data := tls.read(65536):
            got += data
    assert got == b"inputEND"


def test_new_files_hold_from_the_next_connection_on(tmp_path, front, ca):
    new = CA(tmp_path, "new")
    mine, theirs = ca.client(), new.client()
    with front.connect(ca.pem, mine) as going_on:
        going_on.sendall(b"before")
        assert going_on.recv(100) == b"before"
        front.install(ca.server(), ca, new)
        for credentials in (mine, theirs):
            assert front.says(b"x", ca.pem, credentials) == b"x"
        going_on.sendall(b"after")
        assert going_on.recv(100) == b"after", "who is connected notices nothing"
        front.install(new.server(), new)
        assert front.says(b"x", ca.pem + new.pem, theirs) == b"x"
        with pytest.raises(REFUSED):
            front.says(b"x", ca.pem + new.pem, mine)
        with pytest.raises(ssl.SSLCertVerificationError):
            front.says(b"x", ca.pem, theirs)
        going_on.sendall(b"?")
        going_on.settimeout(30)
        with contextlib.suppress(ConnectionError):
            assert going_on.recv(100) == b"", "a connection of the old CA is ended, too"


def test_files_that_do_not_belong_together_change_nothing(front, ca):
    mine = ca.client()
    (front.files / "server.pem").write_text(ca.server()[0])  # another key's
    assert front.says(b"x", ca.pem, mine) == b"x"
    (front.files / "ca.pem").unlink()
    assert front.says(b"x", ca.pem, mine) == b"x"
    front.install(ca.server(), ca)
    assert front.says(b"x", ca.pem, mine) == b"x"


def test_those_who_say_nothing_keep_nobody_out(front, ca):
    idle = [socket.create_connection(("127.0.0.1", front.port), 10) for _ in range(50)]
    try:
        assert front.says(b"x", ca.pem, ca.client()) == b"x"
    finally:
        for one in idle:
            one.close()


def test_an_engine_that_is_away_is_no_end(front, ca):
    (front.where / "engine.sock").unlink()
    with pytest.raises(REFUSED):
        front.says(b"x", ca.pem, ca.client())
    assert front.process.poll() is None
