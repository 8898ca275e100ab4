"""Both steps of a rotation of all CAs on a real bay: pods run on, both generations of clients are let in between the
steps, and only the new one after them.
"""

import time

import pytest

from tests.kubernetes.test_life import page_of, serve
from tests.kubernetes.visiting import Visitor
from tests.support.machine import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
AWAY = 90  # seconds for which one master's API may be away: etcd and its API server are restarted, not both at once


@pytest.fixture(scope="module")
def home(make_bay):
    return make_bay("rotated", workers=1)


def answers(kubectl):
    """Whether the API lets this client in."""
    return kubectl.tried("--request-timeout=5s", "get", "namespaces")[0] == 0


def pods(kubectl):
    """uid → how often its containers were started again."""
    return {
        pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in kubectl.get("pods", "-l", "app=page")["items"]
    }


def step(tenant, uuid):
    began = time.monotonic()
    tenant.call("PATCH", f"/certificates/{uuid}", expect=202)
    tenant.complete(uuid, 900)
    return time.monotonic() - began


def test_in_two_steps(home, tenant, kubectl_of, images):
    uuid, old = home["uuid"], kubectl_of(home)
    port = serve(old, images["busybox"], replicas=2)
    before = pods(old)
    page, api = Visitor(page_of(tenant, uuid, port)), Visitor(lambda: answers(old), 0.5)
    page.start()
    api.start()
    first = step(tenant, uuid)
    new = kubectl_of(home)
    assert tenant.get(f"/certificates/{uuid}")["pem"].count("BEGIN CERTIFICATE") == 2
    eventually("both are let in", lambda: answers(old) and answers(new), 60)
    said = api.end()
    print(f"first step: {first:.1f} s; API: {said}")
    assert api.visits > 10 and api.longest < AWAY, said
    second = step(tenant, uuid)
    assert tenant.get(f"/certificates/{uuid}")["pem"].count("BEGIN CERTIFICATE") == 1
    eventually("the new one is let in", lambda: answers(new), 60)
    eventually("the old one is refused", lambda: not answers(old), 60)
    new.nodes_ready(2, 120)
    said = page.end()
    print(f"second step: {second:.1f} s; page: {said}")
    assert page.visits > 50 and not page.failed, said
    assert pods(new) == before, "a pod was made anew or restarted"
    # What controllers do still works: their tokens and certificates are good.
    new("delete", "deployment", "page")
    eventually("its pods go", lambda: not pods(new), 120)
