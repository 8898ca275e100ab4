"""The way of a worker to the API: its connections go to a master that answers, and end as the other side does."""

import contextlib
import socket
import struct
import subprocess
import sys
import threading

import pytest

from magnum_lite import paths
from tests.support.machine import eventually

PROGRAM = paths.heat_templates() / "kubernetes/node/api-proxy.py"


class Master:
    """Answers ``hello``, then says what it hears; ``ended`` once a client was done."""

    def __init__(self, address, port):
        self.ended = threading.Event()
        self._listener = socket.create_server((address, port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=self._listener.accept()[:1], daemon=True).start()

    def _talk(self, line):
        with line, contextlib.suppress(OSError):
            line.sendall(b"hello")
            while data := line.recv(4096):
                line.sendall(data)
            line.sendall(b"bye")
        self.ended.set()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def proxy(tmp_path):
    """(port of the proxy, its file of masters, the master)."""
    master = Master("127.0.0.2", 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "masters"
    file.write_text("127.0.0.2\n")
    process = subprocess.Popen([sys.executable, "-I", PROGRAM, str(file), str(port), str(master.port)])
    try:

        def listens():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return True
            return False

        eventually("it listens", listens, 20)
        yield port, file, master
    finally:
        process.kill()
        process.wait()
        master.close()


def read(line):
    line.settimeout(10)
    got = b""
    while data := line.recv(4096):
        got += data
    return got


def test_an_answer_goes_on_after_the_question(proxy):
    with socket.create_connection(("127.0.0.1", proxy[0]), 10) as line:
        line.sendall(b"question")
        line.shutdown(socket.SHUT_WR)
        assert read(line) == b"helloquestionbye"


def test_a_master_that_is_away_is_passed_over(proxy):
    port, file, _ = proxy
    file.write_text("127.0.0.3\n127.0.0.2\n127.0.0.4\n")
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", port), 10) as line:
            line.shutdown(socket.SHUT_WR)
            assert read(line) == b"hellobye"


def test_without_masters_a_connection_ends(proxy):
    port, file, _ = proxy
    file.unlink()
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        assert read(line) == b""


def test_a_client_that_breaks_off_leaves_nothing_open(proxy):
    port, _, master = proxy
    eventually("the fixture's own connection is over", master.ended.is_set, 10)
    master.ended.clear()
    line = socket.create_connection(("127.0.0.1", port), 10)
    assert line.recv(5) == b"hello"
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset instead of an end
    line.close()
    assert master.ended.wait(10), "the master is left with a connection of nobody"
