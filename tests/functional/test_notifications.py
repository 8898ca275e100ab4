"""Who else is told what happens to a cluster, and on whose behalf it does."""

import json
import logging
import subprocess
import sys

import pytest

from magnum_lite.conductor import notifications
from magnum_lite.context import current_request
from magnum_lite.pki.requests import client_request
from tests.support.stand import Stand

ASKED = "req-11111111-2222-3333-4444-555555555555"


@pytest.fixture
def told(tmp_path):
    """A stand whose notifications are kept as (type, outcome, payload)."""
    stand = Stand(tmp_path)
    stand.kept = []

    def keep(resource, action, outcome, cluster, **more):
        found = notifications.payload(resource, action, outcome, cluster, more)
        stand.kept.append((f"magnum.{resource}.{action}", outcome, json.loads(json.dumps(found))))

    object.__setattr__(stand.ports, "notify", keep)
    return stand


def of_cluster(stand):
    return [(kind, outcome) for kind, outcome, _ in stand.kept if kind.startswith("magnum.cluster")]


def test_each_change_of_state_is_told_once(told):
    uuid = told.cluster()
    told.converge(uuid)
    told.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 3}])
    told.converge(uuid)
    told.api.delete(f"/v1/clusters/{uuid}")
    assert told.converge(uuid) is None
    assert of_cluster(told) == [
        ("magnum.cluster.create", "pending"),
        ("magnum.cluster.create", "success"),
        ("magnum.cluster.update", "pending"),
        ("magnum.cluster.update", "success"),
        ("magnum.cluster.delete", "pending"),
        ("magnum.cluster.delete", "success"),
    ]
    _, _, last = told.kept[-1]
    assert last["target"]["id"] == uuid
    assert last["initiator"]["user_id"] == "u1"
    assert last["eventType"] == "activity"


def test_a_failure_is_told_with_its_reason(told):
    uuid = told.cluster(create_timeout=1)
    told.pass_once()
    told.pass_once()
    told.offset += 10
    with told.database.write() as connection:
        connection.exec_driver_sql("UPDATE cluster SET accepted_at = accepted_at - 100, next_sync = 0")
    told.converge(uuid)
    kind, outcome, found = told.kept[-1]
    assert (kind, outcome) == ("magnum.cluster.create", "failure")
    assert "Not ready within 1 minutes" in found["attachments"][0]["content"]["reason"]


def test_certificates_leave_an_audit_record(told, caplog):
    uuid = told.cluster()
    told.converge(uuid)
    _, csr = client_request("Your Name")
    with caplog.at_level(logging.INFO, "magnum_lite.conductor.authorities"):
        told.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr})
    kind, outcome, found = told.kept[-1]
    assert (kind, outcome) == ("magnum.certificate.create", "success")
    facts = found["attachments"][0]["content"]
    (line,) = [r.getMessage() for r in caplog.records if "certificate issued" in r.getMessage()]
    assert facts["serial"] in line and "user=u1" in line and uuid in line
    assert found["initiator"]["user_id"] == "u1"
    assert "PRIVATE KEY" not in json.dumps(told.kept) and csr not in json.dumps(told.kept)


def test_a_request_is_known_where_its_work_is_done(told):
    seen = []
    kept = told.stacks.create
    told.stacks.create = lambda *more: (seen.append(current_request()), kept(*more))[1]
    template = told.template()
    body = {"name": "x", "cluster_template_id": template["uuid"]}
    answer = told.api.post_json("/v1/clusters", body, headers={"X-OpenStack-Request-ID": ASKED})
    assert answer.headers["x-openstack-request-id"] == ASKED
    with told.database.read() as connection:
        found = connection.exec_driver_sql("SELECT request_id FROM cluster").scalar_one()
    assert found == ASKED
    told.converge(answer.json["uuid"])
    assert seen == [ASKED]


BUS = """
import queue, sys, time
from magnum_lite import config, concurrency
conf = config.load(["--config-file", sys.argv[1]])
concurrency.choose("threading")
import oslo_messaging
from magnum_lite.conductor.notifications import Notifications
got = queue.Queue()
class Listener:
    def info(self, ctxt, publisher, kind, payload, metadata): got.put((kind, payload["outcome"]))
    def error(self, ctxt, publisher, kind, payload, metadata): got.put((kind, payload["outcome"]))
transport = oslo_messaging.get_notification_transport(conf)
listener = oslo_messaging.get_notification_listener(
    transport, [oslo_messaging.Target(topic="notifications")], [Listener()], executor="threading")
listener.start()
tell = Notifications(conf)
cluster = {"uuid": "u", "name": "n", "project_id": "p", "user_id": "x", "status": "s"}
tell("cluster", "create", "pending", cluster)
tell("cluster", "create", "failure", cluster, reason="r")
print(got.get(timeout=30), got.get(timeout=30), sep="\\n")
slow = []
tell._notifier.info = lambda context, kind, told: (time.sleep(0.1), slow.append(kind))
for _ in range(5):
    tell("cluster", "create", "pending", cluster)
tell.finish(30)
print("before the end:", len(slow))
import os; sys.stdout.flush(); os._exit(0)
"""


def test_they_come_over_the_bus(tmp_path):
    settings = tmp_path / "magnum_lite.conf"
    settings.write_text(
        "[DEFAULT]\ntransport_url = fake://\n[oslo_messaging_notifications]\ndriver = messagingv2\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUS, settings],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = set(done.stdout.splitlines())
    of_bus = {"('magnum.cluster.create', 'pending')", "('magnum.cluster.create', 'failure')"}
    assert said == of_bus | {"before the end: 5"}
