"""A real RabbitMQ that goes, comes back, says nothing and forgets, between a real API worker and real conductors
of both kinds. No Heat is there: what needs the bus are certificates, and what must not need it is everything else.
"""

import configparser
import json
import os
import secrets
import subprocess
import sys
import time

import pytest

from magnum_lite import paths
from magnum_lite.db import migrations
from magnum_lite.db.session import Database
from magnum_lite.pki.requests import client_request
from tests.support import servers
from tests.support.machine import eventually
from tests.support.processes import Server
from tests.support.stand import headers

pytestmark = pytest.mark.timeout(400)
WORKER = """
import io, json, sys, time
from magnum_lite import wsgi
from magnum_lite.api.app import bare_application
from magnum_lite.cloud.memory import MemoryLookups
import dataclasses
application = bare_application(dataclasses.replace(wsgi.deps, lookups=MemoryLookups()))
for line in sys.stdin:
    asked = json.loads(line)
    body = json.dumps(asked["body"]).encode() if asked["body"] is not None else b""
    environ = {"REQUEST_METHOD": asked["method"], "PATH_INFO": asked["path"], "QUERY_STRING": "",
               "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "localhost",
               "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
               **asked["headers"]}
    status, began = [], time.monotonic()
    text = b"".join(application(environ, lambda said, *_: status.append(said))).decode()
    print(json.dumps([int(status[0][:3]), text, time.monotonic() - began]), flush=True)
"""


class Service:
    """An API worker and conductors over ``bus``. ``kind``: how the conductors do many things at once."""

    def __init__(self, where, bus, kind):
        self.bus, self.where = bus, where
        kek = where / "kek"
        kek.write_bytes(secrets.token_bytes(32))
        kek.chmod(0o600)
        url = f"sqlite:///{where}/db.sqlite"
        migrations.upgrade(Database(url))
        shipped = configparser.RawConfigParser()
        shipped.read(paths.settings() / "magnum_lite.conf.example")
        rabbit = "".join(
            f"{k} = {v}\n"
            for k, v in shipped["oslo_messaging_rabbit"].items()
            if k.startswith(("rabbit", "heart"))
        )
        self.config = where / "magnum_lite.conf"
        self.config.write_text(
            f"[DEFAULT]\nlog_file = {where}/log\ntransport_url = {bus.url}\n[database]\nconnection = {url}\n[api]\nrpc_timeout = 8\n"
            f"[conductor]\nconcurrency = {kind}\n[certificates]\nkek_file = {kek}\n[oslo_messaging_rabbit]\n{rabbit}"
            "[service_user]\nauth_url = http://127.0.0.1:9/v3\npassword = none\n"
            "[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9/v3\n"
        )
        self.seen = {**os.environ, "MAGNUM_LITE_CONFIG": str(self.config), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "magnum_lite.cmd.conductor", "--config-file", self.config]
        self.conductors = [
            Server(command, where / f"conductor-{n}.out", lambda: True, url="", env=self.seen)
            for n in range(2)
        ]
        self.worker = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.seen, text=True,
            stderr=(where / "worker.out").open("w"),
        )  # fmt: skip

    def ask(self, method, path, body=None):
        """(status, text, seconds)."""
        asked = {"method": method, "path": path, "body": body, "headers": headers()}
        self.worker.stdin.write(json.dumps(asked) + "\n")
        self.worker.stdin.flush()
        return json.loads(self.worker.stdout.readline())

    def accepted(self):
        """A new cluster's uuid, and how long it took."""
        model = {"name": "m", "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium",
                 "external_network_id": "CERN_NETWORK"}  # fmt: skip
        status, text, _ = self.ask("POST", "/v1/clustertemplates", model)
        assert status == 201, text
        status, text, took = self.ask(
            "POST", "/v1/clusters", {"cluster_template_id": json.loads(text)["uuid"]}
        )
        assert status == 202, text
        return json.loads(text)["uuid"], took

    def sign(self, uuid):
        """The answer to a request for a certificate."""
        return self.ask("POST", "/v1/certificates", {"cluster_uuid": uuid, "csr": client_request("x")[1]})

    def signed(self, uuid, seconds=90):
        eventually("signed", lambda: self.sign(uuid)[0] == 201, seconds)

    def listening(self):
        """Returns when both conductors hear what is asked."""

        def both():
            lines = self.bus.ctl("list_queues", "--no-table-headers", "name", "consumers").splitlines()
            return "magnum-lite-conductor\t2" in lines

        eventually("both conductors listen", both, 90)

    def end(self):
        for conductor in self.conductors:
            conductor.kill()
        self.worker.kill()
        self.worker.wait()


@pytest.fixture(scope="module")
def bus():
    with servers.scratch() as place, servers.rabbitmq(place) as found:
        yield found


@pytest.fixture(scope="module", params=["eventlet", "threading"])
def service(bus, request, tmp_path_factory):
    found = Service(tmp_path_factory.mktemp(request.param), bus, request.param)
    for conductor in found.conductors:
        conductor.start()
    yield found
    found.end()


@pytest.fixture(scope="module")
def cluster(service):
    """One that has its CAs."""
    uuid, _ = service.accepted()
    service.signed(uuid)
    return uuid


def test_the_queues_are_quorum_queues(service, cluster):
    lines = service.bus.ctl("list_queues", "--no-table-headers", "name", "type", "durable").splitlines()
    found = {line.split("\t")[0]: line.split("\t")[1:] for line in lines if "\t" in line}
    assert found["magnum-lite-conductor"] == ["quorum", "true"]
    assert not [n for n, (kind, _) in found.items() if "fanout" not in n and kind != "quorum"], found


def test_one_conductor_after_the_other_is_restarted(service, cluster):
    """Within ten seconds each, and certificates are signed all the time."""
    for conductor in service.conductors:
        service.listening()
        assert conductor.stop(20) < 10
        status, text, _ = service.sign(cluster)
        assert status == 201, text
        conductor.start()
    service.listening()


def test_a_broker_that_is_away_refuses_no_change(service, cluster):
    service.bus.kill()
    try:
        uuid, took = service.accepted()
        assert took < 3, "what is accepted waits for no broker"
        status, text, took = service.sign(cluster)
        assert status == 503, text
        assert "conductor service does not answer" in text and "127.0.0.1" not in text
        assert took < 30, "a call has a time limit"
        made = lambda: service.ask("GET", f"/v1/clusters/{uuid}/events")[1].count("CA for") >= 2  # noqa: E731
        eventually("a conductor found the change by itself", made, 60)
    finally:
        service.bus.start(90)
    service.signed(cluster)
    service.signed(uuid)


def test_a_broker_that_says_nothing(service, cluster):
    """As behind a partition: connections stay, and nothing comes over them."""
    service.bus.freeze()
    try:
        _, took = service.accepted()
        assert took < 3
        status, text, took = service.sign(cluster)
        assert status == 503, text
        assert took < 60, "a call has a time limit"
    finally:
        service.bus.thaw()
    service.signed(cluster)


def test_messages_that_are_lost_cost_time_only(service):
    """Nudges are thrown away: the change is found all the same."""
    service.bus.ctl("purge_queue", "magnum-lite-conductor")
    uuid, _ = service.accepted()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        service.bus.ctl("purge_queue", "magnum-lite-conductor")
    service.signed(uuid)
