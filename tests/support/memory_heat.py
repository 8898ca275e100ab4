"""The in-memory Heat as a process of its own, with what a service user has to know to speak to it."""

import contextlib
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.support.processes import Server, free_port

HOST, USER, PASSWORD = "127.0.0.1", "magnum-lite", "not-a-secret"


class MemoryHeat(Server):
    """With ``state`` a file, its stacks are still there when it was killed and is started again. Other
    options are its own (see ``magnum_lite.cmd.memory_heat``).
    """

    def __init__(self, log: Path, **options):
        port = free_port()
        command = [sys.executable, "-W", "ignore", "-m", "magnum_lite.cmd.memory_heat", "--port", port]
        command += ["--username", USER, "--password", PASSWORD]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            command += [flag] if value is True else [flag, value]
        super().__init__(command, log, self._answers, url=f"http://{HOST}:{port}")

    def _answers(self):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.url}/v3", timeout=2).close()
            return True
        return False

    @property
    def auth(self):
        """The service user, as clouds.yaml and ``[service_user]`` name him."""
        domain = "Default"
        return {
            "auth_url": f"{self.url}/v3",
            "username": USER,
            "password": PASSWORD,
            "user_domain_name": domain,
            "project_name": "service",
            "project_domain_name": domain,
        }


@contextlib.contextmanager
def served(**more):
    """A running one."""
    with tempfile.TemporaryDirectory() as place, MemoryHeat(Path(place) / "log", **more) as server:
        yield server
