"""The service as a cloud runs it, on one machine: a database server, RabbitMQ, Keystone, Heat with several
engines, API workers behind gunicorn and uWSGI behind HAProxy, three conductors, two node doors. The local cloud
stands for Nova, Neutron, Glance and Cinder. Everything shipped in etc/ that can be used here is.
"""

import concurrent.futures
import contextlib
import csv
import socket
import ssl
import sys
import time
from pathlib import Path

from magnum_lite import paths
from magnum_lite.local import catalog, claims, http_probe, runtime, service_settings
from tests.support import openstack, packages, servers
from tests.support.machine import Machine, eventually
from tests.support.openstack import PROGRAMS, change, command, environment, sections
from tests.support.processes import Server, free_port

#: Units of the one-machine cloud that are run here in another way.
REPLACED = frozenset({"keystone", "catalog", "heat", "magnum-lite"})


class CloudMode(Machine):
    """``database`` and ``bus`` are running servers. Every process is a `Server`: it may be killed or frozen, and
    started again. ``conductors`` is the concurrency of each.
    """

    def __init__(self, where: Path, database: Server, bus: Server, conductors=("eventlet",) * 3):
        super().__init__(where / "state")
        self.where, self.database, self.bus = where, database, bus
        self._concurrency = conductors
        self._exit = contextlib.ExitStack()
        self.apis, self.conductors, self.doors, self.openstack = {}, [], [], {}
        self.proxy = None

    def up(self):
        """Returns when a plain user can work. On an error everything is down again."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.purge)
            self.settings = claims.choose(self.state_dir)
            self.settings.log_dir.mkdir(mode=0o700)
            self._up_openstack()
            self._up_service()
            stack.pop_all()

    def purge(self):
        """Ends every process, and removes the local cloud with all it made."""
        self._exit.close()
        super().purge()

    def _begin(self, *found: Server):
        """Start them side by side, as imports are most of it."""
        began = time.monotonic()
        for server in found:
            self._exit.callback(server.stop)
            server.launch()
        for server in found:
            server.wait_ready(120)
            print(f"{server.log.stem} ({time.monotonic() - began:.1f} s)")

    def _up_openstack(self):
        url = {n: self.new_database(n) for n in ("keystone", "heat", "magnum_lite")}
        self.url = url["magnum_lite"]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            heat = pool.submit(openstack.make_heat, self.settings, url["heat"], self.bus.url)
            local = pool.submit(runtime.up, self.state_dir, progress=print, without=REPLACED)
            own = pool.submit(self._settings)
            keystone = openstack.make_keystone(self.settings, url["keystone"])
            self._begin(keystone)
            catalog.ensure(self.settings)
            self.openstack = {"keystone": keystone, **heat.result()}
            local.result()
            own.result()

    def new_database(self, name):
        """The URL of an empty one."""
        return servers.create_database(Path(sys.executable), self.database.url, name)

    def _settings(self):
        """The service's settings and tables."""
        service_settings.write(self.settings)
        self.config = service_settings.config_file(self.settings)
        shipped = sections(paths.settings() / "magnum_lite.conf.example")
        change(
            self.config,
            DEFAULT={"transport_url": self.bus.url},
            database={"connection": self.url},
            conductor={"concurrency": None, "lease_seconds": "15", "idle_interval": "5"},
            oslo_messaging_rabbit=shipped["oslo_messaging_rabbit"],
            api=shipped["api"],
            metrics={"directory": str(self.where / "metrics"), "port": str(free_port())},
        )
        command(self.where, PROGRAMS / "magnum-lite-manage", "--config-file", self.config, "db", "upgrade")

    def _up_service(self):
        self.draining = {name: self.where / f"drain-{name}" for name in ("gunicorn", "uwsgi")}
        self.apis = {"gunicorn": self._gunicorn(), "uwsgi": self._uwsgi()}
        self.doors = [self._door(n) for n in range(2)]
        self.conductors = [self._conductor(n, kind) for n, kind in enumerate(self._concurrency)]
        self.proxy = self._haproxy()
        heat = [server for name, server in self.openstack.items() if name != "keystone"]
        self._begin(*heat, *self.apis.values(), *self.doors, *self.conductors, self.proxy)
        eventually("conductors", self._conductors_beat, 60)

    def _conductors_beat(self):
        admin = self.tenant("magnum-lite-admin")
        found = admin.call("GET", "/mservices").json().get("mservices", ())
        return [s for s in found if s["state"] == "up"]

    def _own_config(self, name, **sections):
        """The service's configuration for one process, as it would be on a host of its own."""
        where = self.where / f"{name}.conf"
        where.write_text(self.config.read_text())
        where.chmod(0o600)
        change(where, DEFAULT={"log_file": str(self.settings.log_dir / f"{name}.log")}, **sections)
        return where

    def _api(self, name, words):
        port = free_port()
        config = self._own_config(
            f"api-{name}", healthcheck={"disable_by_file_path": str(self.draining[name])}
        )
        seen = environment(MAGNUM_LITE_CONFIG=config, MAGNUM_LITE_BIND=f"127.0.0.1:{port}")
        url = f"http://127.0.0.1:{port}"
        log = self.where / f"api-{name}.out"
        return Server(words, log, lambda: http_probe.answers(url), url=url, env=seen, cwd=self.where)

    def _gunicorn(self):
        config = paths.settings() / "gunicorn.conf.py"
        return self._api("gunicorn", [sys.executable, "-m", "gunicorn", "--config", config])

    def _uwsgi(self):
        config = paths.settings() / "uwsgi.ini"
        return self._api("uwsgi", [sys.executable, PROGRAMS / "uwsgi", "--ini", config])

    def _conductor(self, number, kind):
        config = self._own_config(f"conductor-{number}", conductor={"concurrency": kind})
        words = [PROGRAMS / "magnum-lite-conductor", "--config-file", config]
        log = self.where / f"conductor-{number}.out"
        return Server(words, log, lambda: True, url="", env=environment(), cwd=self.where)

    def _door(self, number):
        port = free_port()
        config = self._own_config(f"door-{number}", node_door={"host": "127.0.0.1", "port": str(port)})
        words = [PROGRAMS / "magnum-lite-node-door", "--config-file", config]
        log, url = self.where / f"door-{number}.out", f"127.0.0.1:{port}"
        return Server(words, log, lambda: _listens(port), url=url, env=environment(), cwd=self.where)

    def proxy_state(self, server):
        """What HAProxy thinks of an API host: ``UP``, ``DOWN`` and more words."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(self.where / "haproxy.sock"))
            plain.sendall(b"show stat\n")
            text = b"".join(iter(lambda: plain.recv(65536), b"")).decode()
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return next(r["status"] for r in rows if (r["pxname"], r["svname"]) == ("api", server))

    def _haproxy(self):
        """The shipped file with these addresses."""
        text = (paths.settings() / "haproxy.cfg").read_text()
        found = {
            "192.0.2.1:9511": f"127.0.0.1:{self.settings.api_port}",
            "192.0.2.11:9511": self.apis["gunicorn"].url.removeprefix("http://"),
            "192.0.2.12:9511": self.apis["uwsgi"].url.removeprefix("http://"),
            "192.0.2.1:9512": f"{self.settings.transit_address}:{self.settings.door_port}",
            "192.0.2.11:9512": self.doors[0].url,
            "192.0.2.12:9512": self.doors[1].url,
        }
        for shipped, here in found.items():
            assert f" {shipped}" in text, shipped
            text = text.replace(f" {shipped}", f" {here}")
        text = text.replace("/run/haproxy/admin.sock", str(self.where / "haproxy.sock"))
        plain, tls, rest = text.partition(" ssl crt /etc/haproxy/magnum-lite.pem")
        assert tls, "the shipped file ends TLS"
        self.tls_port, self.tls_ca = free_port(), self.where / "api.pem"
        _own_certificate(self.tls_ca)
        # Without, for the rest of the one-machine cloud; and as shipped.
        text = f"{plain}\n    bind 127.0.0.1:{self.tls_port} ssl crt {self.tls_ca}{rest}"
        config = self.where / "haproxy.cfg"
        config.write_text(text)
        root = packages.haproxy()
        seen = environment(LD_LIBRARY_PATH=root / "usr/lib/x86_64-linux-gnu")
        return Server(
            [root / "usr/sbin/haproxy", "-W", "-db", "-f", config], self.where / "haproxy.out",
            lambda: http_probe.answers(self.settings.api_url), url=self.settings.api_url, env=seen, cwd=self.where,
        )  # fmt: skip


def _own_certificate(path):
    """A certificate of this address, and its key, in one file."""
    key = path.with_suffix(".key")
    names = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1"]
    command(
        path.parent, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", *names, "-keyout", key, "-out", path,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())


def _listens(port):
    """Whether the door shakes hands there."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), 1) as plain,
        tls.wrap_socket(plain),
    ):
        return True
    return False
