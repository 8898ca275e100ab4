"""The program of a load balancer's container, with members on this machine."""

import collections
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from magnum_lite.local.cloud import balancer_proxy
from tests.support.waiting import eventually

LOOK = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 2}


class Member:
    """Says its name, then what it hears."""

    def __init__(self, name, port=0):
        self.name, self.lines = name, []
        self._listener = socket.create_server((f"127.0.0.{name}", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                line = self._listener.accept()[0]
                self.lines.append(line)
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line):
        with contextlib.suppress(OSError):
            line.sendall(self.name.encode())
            while data := line.recv(1 << 16):
                line.sendall(data)
            line.sendall(b"bye")
            line.close()

    def close(self):
        """As a machine that is switched off, but for the packets."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Proxy:
    """The program, and its configuration."""

    def __init__(self, home, members):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._home = home
        self.listener = {"host": "127.0.0.1", "port": self.port, "pool": "p", "allowed": [], "limit": -1}
        self.listener |= {"patience": 2}
        self.pool = {"algorithm": "ROUND_ROBIN", "by_source": False, "monitor": None, "members": {}}
        for member in members:
            address = f"127.0.0.{member.name}"
            told = {"address": address, "port": member.port, "look": [address, member.port]}
            self.pool["members"][member.name] = told | {"weight": 1, "backup": False}
        self.write()
        self.process = subprocess.Popen([sys.executable, "-I", balancer_proxy.__file__, str(home)])
        eventually(lambda: self.status() and self.status()["listeners"]["l"]["listens"], 20)

    def write(self, listeners=True):
        told = {"listeners": {"l": self.listener} if listeners else {}, "pools": {"p": self.pool}}
        (self._home / "config.new").write_text(json.dumps(told))
        (self._home / "config.new").replace(self._home / "config.json")

    def status(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self._home / "status.json").read_text())
        return None

    def connect(self):
        line = socket.create_connection(("127.0.0.1", self.port), 5)
        line.settimeout(5)
        return line

    def asked(self):
        """Who answers; None if nobody does."""
        with contextlib.suppress(OSError), self.connect() as line:
            return line.recv(1).decode() or None
        return None

    def who(self, times):
        return collections.Counter(self.asked() for _ in range(times))


@pytest.fixture
def members():
    first = Member("2")
    made = [first, Member("3", first.port), Member("4", first.port)]
    yield made
    for member in made:
        with contextlib.suppress(OSError):
            member.close()


@pytest.fixture
def proxy(tmp_path, members):
    made = Proxy(tmp_path, members)
    yield made
    made.process.terminate()
    assert made.process.wait(5) == 0  # PID 1 of its container ends when it is told to


def test_each_in_turn_and_by_weight(proxy):
    assert proxy.who(9) == {"2": 3, "3": 3, "4": 3}
    proxy.pool["members"]["4"]["weight"] = 0
    proxy.pool["members"]["2"]["weight"] = 3
    proxy.write()
    eventually(lambda: "4" not in proxy.who(5), 10)
    assert proxy.who(8) == {"2": 6, "3": 2}


def test_a_client_stays_where_it_was(proxy):
    proxy.pool["by_source"] = True
    proxy.write()
    eventually(lambda: len(proxy.who(5)) == 1, 10)
    first = proxy.asked()
    del proxy.pool["members"][first]
    proxy.write()
    eventually(lambda: first not in proxy.who(5) and len(proxy.who(5)) == 1, 10)


def test_the_one_with_the_fewest(proxy):
    proxy.pool["algorithm"] = "LEAST_CONNECTIONS"
    proxy.write()
    eventually(lambda: proxy.status() is not None, 5)
    time.sleep(0.6)  # it is read every quarter of a second
    with contextlib.ExitStack() as held:
        names = []
        for _ in range(6):
            line = held.enter_context(proxy.connect())
            names.append(line.recv(1).decode())
    assert collections.Counter(names) == {"2": 2, "3": 2, "4": 2}


def test_who_is_gone_is_left_out_at_once(proxy, members):
    members[1].close()
    assert "3" not in proxy.who(9)
    assert None not in proxy.who(9), "no client sees it, though nobody looks at members"


def test_looks(proxy, members):
    proxy.pool["monitor"] = LOOK
    proxy.write()
    # a connection to a member that goes down ends, so that its client comes again
    held = proxy.connect()
    down = held.recv(1).decode()
    member = next(m for m in members if m.name == down)
    member.close()
    eventually(lambda: proxy.status()["members"][down] is False, 15)
    with contextlib.suppress(ConnectionResetError):
        assert held.recv(1) == b""
    assert set(proxy.who(6)) == {m.name for m in members} - {down}
    again = Member(down, member.port)
    eventually(lambda: proxy.status()["members"][down] is True, 15)
    eventually(lambda: down in proxy.who(6), 20)
    again.close()


def test_nobody_is_left(proxy, members):
    for member in members:
        member.close()
    assert proxy.asked() is None


def test_from_where(proxy):
    proxy.listener["allowed"] = ["192.0.2.0/24", "2001:db8::/32"]
    proxy.write()
    eventually(lambda: proxy.asked() is None, 10)
    proxy.listener["allowed"].append("127.0.0.0/8")
    proxy.write()
    eventually(proxy.asked, 10)


def test_no_more_than_the_limit(proxy):
    proxy.listener["limit"] = 1
    proxy.write()

    def full():
        with proxy.connect() as one:
            return one.recv(1) and proxy.asked() is None

    eventually(full, 10)
    eventually(proxy.asked, 5)


def test_what_goes_through_is_what_arrives(proxy):
    data = b"x" * 1_000_000
    with proxy.connect() as line:
        name = line.recv(1)
        sender = threading.Thread(target=lambda: (line.sendall(data), line.shutdown(socket.SHUT_WR)))
        sender.start()
        got = b""
        while part := line.recv(1 << 16):
            got += part
        sender.join()
    assert name and got == data + b"bye"

    def counted():
        told = proxy.status()["listeners"]["l"]
        return told["active"] == 0 and told["in"] >= len(data) and told["out"] >= len(data)

    eventually(counted, 5)


def test_a_change_leaves_connections_alone(proxy):
    with proxy.connect() as line:
        name = line.recv(1).decode()
        proxy.pool["members"] = {n: m for n, m in proxy.pool["members"].items() if n != name}
        proxy.write(listeners=False)
        eventually(lambda: proxy.status()["listeners"] == {}, 10)
        line.sendall(b"on")
        assert line.recv(2) == b"on"
    assert proxy.asked() is None
    proxy.write()
    eventually(proxy.asked, 10)


def test_a_broken_configuration_changes_nothing(proxy, tmp_path):
    (tmp_path / "config.json").write_text("{")
    time.sleep(0.6)
    assert proxy.asked()
