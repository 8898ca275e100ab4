"""The real API application on a free port, with a working conductor and simulated nodes behind it."""

import contextlib
import json
import os
import threading
from pathlib import Path

import pytest
import yaml
from cheroot import wsgi
from click.testing import CliRunner

from magnum_lite.db import schema
from magnum_lite.local.cli import cli
from magnum_lite.local.commands import history, watching
from tests.support.stand import Stand, headers


class Service:
    """``who`` are the facts that auth_token would have established about the next requests."""

    def __init__(self, tmp_path):
        self.stand = Stand(tmp_path, url=f"sqlite:///{tmp_path}/service.sqlite", conductor__drain_timeout=0)
        self.who = headers()
        self.broken_worker = None  # (step, message, log) of what workers report
        self.asked = []
        self.state_dir = tmp_path / "state"
        self._stop = threading.Event()
        self._faults = []
        self._server = wsgi.Server(("127.0.0.1", 0), self._application, numthreads=4)
        self._server.prepare()
        self.port = self._server.bind_addr[1]
        self._threads = [
            threading.Thread(target=self._server.serve, daemon=True),
            threading.Thread(target=self._work, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self.write_clouds(f"http://127.0.0.1:{self.port}/v1")

    def write_clouds(self, endpoint):
        self.state_dir.mkdir(exist_ok=True)
        cloud = {"auth_type": "none", "auth": {"endpoint": endpoint}, "region_name": ""}
        (self.state_dir / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"magnum-lite": cloud}}))

    def _application(self, environ, start_response):
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return self.stand.wsgi(environ | self.who, start_response)

    def _work(self):
        """Conductor and machines, until the end of the test."""
        while not self._stop.wait(0.02):
            try:
                self.stand.pass_once()
                self.stand.boot(only=self._may_go_on)
            except Exception as error:
                self._faults.append(error)

    def _may_go_on(self, record):
        machine = next(m for m in self.stand.machines.values() if m.node_id == record["uuid"])
        if record["state"] == "leaving":
            machine.swarm = False  # a manager took it out
            return False
        if self.broken_worker is None or record["role"] != "worker":
            return True
        if machine.identity is None:
            machine.enrol()
        elif record["state"] != "failed":
            step, message, log = self.broken_worker
            machine.report(step, 40, "failed", message=message, log=log)
        return False

    def node_records(self):
        with self.stand.database.read() as connection:
            return [dict(r) for r in connection.execute(schema.node.select()).mappings()]

    def close(self):
        self._stop.set()
        self._server.stop()
        for thread in self._threads:
            thread.join(10)
        assert not self._faults, self._faults


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "INTERVAL", 0.05)
    monkeypatch.setattr(history, "FOLLOW_INTERVAL", 0.05)
    running = Service(tmp_path)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing of the user who runs the tests is read or written."""
    for name in [n for n in os.environ if n.startswith(("OS_", "DOCKER_", "MAGNUM_LITE_"))]:
        monkeypatch.delenv(name)
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "data"))
    monkeypatch.setenv("DOCKER_CONFIG", str(place / "docker"))
    monkeypatch.setenv("SHELL", "/bin/bash")
    return place


@pytest.fixture
def run(tmp_path):
    """The command line in this process: run("list") → result with exit_code, stdout, stderr."""

    def call(*arguments, state_dir: Path | None = None):
        where = state_dir or tmp_path / "state"
        result = CliRunner().invoke(cli, ["--state-dir", str(where), *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def run_json(run):
    def call(*arguments):
        result = run(*arguments, "-o", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


@pytest.fixture
def bay(service, run):
    """A complete bay named b1 with two workers."""
    model = run("template-create", "model", "--image", "fedora-atomic-23", "--label", "published_ports=none")
    assert model.exit_code == 0, model.output
    made = run("create", "b1", "--template", "model", "--node-count", 2)
    assert made.exit_code == 0, made.output
    with contextlib.suppress(StopIteration):
        yield "b1"
