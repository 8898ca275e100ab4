"""The two services under measurement: how each is configured, filled, and run."""

import contextlib
import dataclasses
import json
import os
import re
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import environments
from tests.support.processes import family, free_port, running, wait

_HERE = environments.CHECKOUT / "benchmarks"
PASTE = """\
[pipeline:main]
pipeline = cors http_proxy_to_wsgi request_id osprofiler api_v1
[app:api_v1]
paste.app_factory = magnum.api.app:app_factory
[filter:osprofiler]
paste.filter_factory = magnum.common.profiler:WsgiMiddleware.factory
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = magnum
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory
oslo_config_project = magnum
"""


@dataclasses.dataclass(frozen=True)
class Side:
    """``name`` is its application's module. ``config`` is its configuration file for one database."""

    name: str
    python: Path
    scratch: Path
    config: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What its processes see."""
        found = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return {
            **found,
            "BENCH_CONFIG": str(self.config),
            "BENCH_APPLICATIONS": str(_HERE / "applications"),
            "MAGNUM_LITE_CONFIG": str(self.config),
            "PYTHONWARNINGS": "ignore",
        }

    @property
    def _log(self) -> Path:
        return self.scratch / f"{self.name}.log"

    def fill(self, clusters: int) -> None:
        """Make its tables and the data in them."""
        script = _HERE / "scripts" / f"fill_{self.name}.py"
        command = [self.python, script, self.config, str(clusters)]
        done = subprocess.run(
            command, env=self.environment, cwd=self.scratch, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{script.name}:\n{done.stderr[-3000:]}")

    @contextlib.contextmanager
    def in_process(self) -> Iterator["InProcess"]:
        """Its application without a server (``scripts/in_process.py``)."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self.python, _HERE / "scripts" / "in_process.py", self.name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env=self.environment, cwd=self.scratch, text=True,
            )  # fmt: skip
        try:
            yield InProcess(process, self._log)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def driven_by(self, driver: str) -> "Side":
        """The same with another driver of MariaDB."""
        config = self.config.with_name(f"config-{driver}")
        config.write_text(re.sub(r"mysql\+\w+:", f"mysql+{driver}:", self.config.read_text()))
        return dataclasses.replace(self, config=config)

    @contextlib.contextmanager
    def served(self, workers: int, server: str = "uwsgi") -> Iterator["Served"]:
        """Its application behind uWSGI or gunicorn, one request of a worker at a time."""
        port = free_port()
        command = {
            "gunicorn": [
                self.python, "-m", "gunicorn", "--workers", workers, "--bind", f"127.0.0.1:{port}",
                "--pythonpath", _HERE / "applications", "--timeout", "120", f"{self.name}:application",
            ],
            "uwsgi": [
                self.python.parent / "uwsgi", "--master", "--processes", workers, "--http-socket", f"127.0.0.1:{port}",
                "--pythonpath", _HERE / "applications", "--module", f"{self.name}:application",
                "--enable-threads", "--lazy-apps", "--need-app", "--die-on-term", "--disable-logging",
            ],
        }[server]  # fmt: skip
        with running(command, self._log, env=self.environment, cwd=self.scratch) as process:
            served = Served(process.pid, port)
            wait(served.is_up, process, self._log)
            yield served

    @contextlib.contextmanager
    def conductor(self) -> Iterator[int]:
        """Its conductor; gives the process id."""
        program = {"ours": "magnum-lite-conductor", "upstream": "magnum-conductor"}[self.name]
        command = [self.python.parent / program, "--config-file", self.config]
        with running(command, self._log, env=self.environment, cwd=self.scratch) as process:
            yield process.pid


@dataclasses.dataclass(frozen=True)
class InProcess:
    """One process that answers questions about its application."""

    process: subprocess.Popen
    log: Path

    def _answer(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
        return json.loads(line)

    def ready(self) -> dict[str, float]:
        """Once, first: CPU seconds of importing the application, and modules."""
        return self._answer()

    def measure(self, path: str, count: int, body: object = None) -> dict[str, float]:
        """``cpu`` in seconds (the least of ``count``), ``sql``, ``bytes``. With a body it is a POST, and a
        conductor runs in the same process.
        """
        asked = {"path": path, "count": count}
        asked |= {"method": "POST", "body": body} if body is not None else {}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self._answer()


@dataclasses.dataclass(frozen=True)
class Served:
    """A running server."""

    pid: int
    port: int

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self.ask("/")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def ask(self, path: str, body: object = None) -> bytes:
        """One request. Raises for an error."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"OpenStack-API-Version": "container-infra latest", "Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return [pid for pid in family(self.pid) if pid != self.pid]


def ours(scratch: Path, database: str, bus: str, *, kek: bool = True) -> Side:
    """This service on a database."""
    where = _place(scratch, "ours", database)
    (where / "kek").write_bytes(secrets.token_bytes(32))
    (where / "kek").chmod(0o600)
    (where / "config").write_text(
        f"[DEFAULT]\ntransport_url = {bus}\n[database]\nconnection = {database}\n[cluster]\n"
        "max_clusters_per_project = -1\n[api]\nrpc_timeout = 5\n[service_user]\nauth_url = http://127.0.0.1:9/v3\npassword = none\n"
        "[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9/v3\n"
        + (f"[certificates]\nkek_file = {where}/kek\n" if kek else "")
    )
    return Side("ours", environments.ours(), where, where / "config")


def upstream(scratch: Path, database: str, bus: str) -> Side:
    """Upstream on a database, with its certificates in the database, as ours are."""
    where = _place(scratch, "upstream", database)
    (where / "paste.ini").write_text(PASTE)
    (where / "config").write_text(
        f"[DEFAULT]\ntransport_url = {bus}\nstate_path = {where}\nrpc_response_timeout = 5\n[database]\nconnection = {database}\n"
        f"[api]\napi_paste_config = {where}/paste.ini\n[certificates]\ncert_manager_type = x509keypair\n"
        "[DEFAULT]\nperiodic_enable = false\n[conductor]\nworkers = 1\n[oslo_concurrency]\n"
        f"lock_path = {where}\n"
    )
    return Side("upstream", environments.upstream(), where, where / "config")


def _place(scratch: Path, name: str, database: str) -> Path:
    where = scratch / f"{name}-{database.split(':', maxsplit=1)[0].split('+', maxsplit=1)[0]}"
    where.mkdir()
    return where
