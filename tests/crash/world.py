"""Everything as in a cloud, on this machine: a real database and message bus, API workers under gunicorn, a
node door on TLS, several conductors (of both kinds of concurrency), the in-memory Heat, simulated machines.
"""

import base64
import contextlib
import os
import secrets
import socket
import sys
import time
import urllib.request
from pathlib import Path

from oslo_config import cfg

from magnum_lite import config
from magnum_lite.db import migrations
from magnum_lite.db.session import Database
from magnum_lite.local import door_certificate
from tests.crash import mines
from tests.support import servers
from tests.support.fleet import Door, Fleet
from tests.support.memory_heat import MemoryHeat
from tests.support.processes import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
LEASE = 5
KINDS = ("threading", "eventlet")
DATABASES = {"mariadb": servers.mariadb, "postgresql": servers.postgresql}


def _conf(sections):
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in options.items()]
    return "\n".join(lines) + "\n"


class World:
    """``options`` are configuration, as ``group__option``; ``idle``: seconds between the reports of machines
    that are ready.
    """

    def __init__(self, place, database, broker, *, conductors=3, heat_options=None, options=None, idle=5.0):
        self.place, self.database_server, self.broker = place, database, broker
        self.mines = place / "mines"
        self.mines.mkdir()
        python = Path(sys.executable)
        self.database_url = servers.create_database(python, database.url, f"crash_{secrets.token_hex(4)}")
        self.database = Database(self.database_url)
        migrations.upgrade(self.database)
        self.heat = MemoryHeat(place / "heat.log", state=place / "heat.sqlite", **(heat_options or {}))
        self.api_port, self.door_port = free_port(), free_port()
        self.door_files = door_certificate.ensure(place, "127.0.0.1")
        self._write_configuration(options or {})
        self.service_conf = config.load([*map(str, self._files())], cfg.ConfigOpts())
        self.api = self._api()
        self.door = self._server(
            "door", ["-m", "magnum_lite.cmd.node_door", *self._files()], lambda: self._listens(self.door_port)
        )
        self.conductors = [self._conductor(n) for n in range(conductors)]
        door = Door(f"https://127.0.0.1:{self.door_port}", self.door_files.ca)
        self.fleet = Fleet(f"{self.heat.url}/servers", door, idle=idle)

    def _write_configuration(self, options):
        kek = self.place / "kek"
        kek.write_bytes(base64.b64encode(secrets.token_bytes(32)))
        kek.chmod(0o600)
        sections = {
            "DEFAULT": {"transport_url": self.broker.url},
            "database": {"connection": self.database_url},
            "api": {"rpc_timeout": 8},
            "service_user": self.heat.auth,
            "certificates": {"kek_file": kek},
            "cluster": {"max_clusters_per_project": -1},
            "node_door": {
                "port": self.door_port,
                "url": f"https://127.0.0.1:{self.door_port}",
                "cert_file": self.door_files.cert,
                "key_file": self.door_files.key,
                "ca_file": self.door_files.ca,
                "report_interval": 4,
            },
            "conductor": {
                "lease_seconds": LEASE,
                "poll_interval": 0.5,
                "busy_interval": 0.5,
                "idle_interval": 5,
                "sweep_interval": 5,
                "drain_timeout": 5,
                "silent_after": 60,
                "workers": 6,
                "reach_engines": "false",
                "global_stack_list": "true",
            },
        }
        for name, value in options.items():
            group, _, option = name.partition("__")
            sections[group][option] = value
        (self.place / "magnum_lite.conf").write_text(_conf(sections))
        for kind in KINDS:
            (self.place / f"{kind}.conf").write_text(_conf({"conductor": {"concurrency": kind}}))

    def _files(self, kind=None):
        names = ["magnum_lite.conf", *([f"{kind}.conf"] if kind else [])]
        return [part for name in names for part in ("--config-file", self.place / name)]

    def _server(self, name, arguments, ready, program=(sys.executable, "-W", "ignore")):
        environment = os.environ | {
            mines.PLACE: str(self.mines),
            "MAGNUM_LITE_CONFIG": str(self.place / "magnum_lite.conf"),
            "PYTHONWARNINGS": "ignore",
        }
        command = [*program, *arguments]
        return Server(command, self.place / f"{name}.log", ready, url="", env=environment, cwd=ROOT)

    def _listens(self, port):

        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def _api(self):
        arguments = ["--workers", 2, "--threads", 4, "--timeout", 60, "--bind", f"127.0.0.1:{self.api_port}"]
        gunicorn = Path(sys.executable).parent / "gunicorn"
        return self._server(
            "api", [*arguments, "tests.crash.api:application"], self._api_answers, program=(gunicorn,)
        )

    def _api_answers(self):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/", timeout=5).close()
            return True
        return False

    def _conductor(self, number):
        kind = KINDS[number % len(KINDS)]
        return self._server(
            f"conductor-{number}", ["-m", "tests.crash.conductor", *self._files(kind)], lambda: True
        )

    @contextlib.contextmanager
    def running(self):
        """All of it, until the end of the block."""
        with contextlib.ExitStack() as stack:
            started = [self.heat, self.api, self.door, *self.conductors]
            for server in started:
                stack.callback(server.kill)
                server.launch()
            for server in started:
                server.wait_ready(90)
            stack.enter_context(self.fleet)
            yield self

    def log(self, text):
        with (self.place / "kills.log").open("a") as out:
            out.write(f"{time.strftime('%H:%M:%S')} {text}\n")


@contextlib.contextmanager
def world(database, **options):
    """A `World` on a database and a broker of its own, running."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(servers.scratch("magnum-lite-crash-"))
        store = stack.enter_context(DATABASES[database](place))
        broker = stack.enter_context(servers.rabbitmq(place))
        yield stack.enter_context(World(place, store, broker, **options).running())
