"""The in-memory Heat as a process of its own, with what a service user has to know to speak to it."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HOST, USER, PASSWORD = "127.0.0.1", "magnum-lite", "not-a-secret"
_START = 20


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class MemoryHeat:
    """``start``, ``kill`` (-9) and ``start`` again: with ``state`` a file its stacks are still there."""

    def __init__(self, state: Path | None = None, *, log: Path | None = None, **options):
        self.port, self.process, self._log = free_port(), None, log
        self.base = f"http://{HOST}:{self.port}"
        self._arguments = ["--port", str(self.port), "--username", USER, "--password", PASSWORD]
        if state:
            self._arguments += ["--state", str(state)]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            self._arguments += [flag] if value is True else [flag, str(value)]

    @property
    def auth(self):
        """The service user, as clouds.yaml and ``[service_user]`` name him."""
        domain = "Default"
        return {
            "auth_url": f"{self.base}/v3",
            "username": USER,
            "password": PASSWORD,
            "user_domain_name": domain,
            "project_name": "service",
            "project_domain_name": domain,
        }

    def start(self):
        """Returns once it answers."""
        log = self._log.open("ab") if self._log else subprocess.DEVNULL
        command = [sys.executable, "-W", "ignore", "-m", "magnum_lite.cmd.memory_heat", *self._arguments]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START
        while True:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.base}/v3", timeout=2).close()
                return self
            assert time.monotonic() < deadline, f"no answer within {_START} s"
            time.sleep(0.02)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()


@contextlib.contextmanager
def served(**more):
    """A running one; gives its ``auth``."""
    server = MemoryHeat(**more).start()
    try:
        yield server.auth
    finally:
        server.kill(signal.SIGTERM)
