"""Keystone's tokens at a master's API: the webhook as the API server asks it, and a real Keystone."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3

from magnum_lite import paths
from magnum_lite.cloud.credentials import CloudCredentials
from magnum_lite.local import catalog, door_certificate
from magnum_lite.models.access import Rule
from tests.support import keystone as keystones
from tests.support.processes import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.local
PROGRAM = paths.heat_templates() / "kubernetes/node/keystone-webhook.py"


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    with keystones.running(tmp_path_factory.mktemp("keystone")) as settings:
        yield settings


@contextlib.contextmanager
def webhook(tmp_path, keystone, url=None):
    """``ask(token)``: (HTTP code, status of the review); the process is the second value."""
    made = door_certificate.ensure(tmp_path, "127.0.0.1")
    (tmp_path / "keystone-auth.pem").write_text(made.cert.read_text())
    (tmp_path / "keystone-auth.key").write_text(made.key.read_text())
    port = free_port()
    project = catalog.user_session(keystone, "demo", "demo").get_project_id()
    told = {"KEYSTONE_URL": url or keystone.keystone_url, "KEYSTONE_PROJECT": project}
    process = subprocess.Popen(
        [sys.executable, "-I", PROGRAM, tmp_path, str(port)], env=told, stderr=subprocess.PIPE, text=True
    )
    trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(made.ca)))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)

    def ask(token):
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        asked = urllib.request.Request(f"https://127.0.0.1:{port}/", data=json.dumps(review).encode())
        try:
            with opener.open(asked, timeout=30) as answer:
                return answer.status, json.load(answer)["status"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["status"]

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return True
        return False

    try:
        eventually(listens, 30, what="the webhook listens")
        yield ask, process
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture
def ask(tmp_path, keystone):
    with webhook(tmp_path, keystone) as (asked, _):
        yield asked


def who(keystone, user, project):
    return catalog.user_session(keystone, user, project)


@pytest.mark.parametrize(("name", "roles"), [("demo", {"member", "reader"}), ("demo-reader", {"reader"})])
def test_a_token_of_the_project(ask, keystone, name, roles):
    found = who(keystone, name, "demo")
    code, status = ask(found.get_token())
    assert code == 200 and status["authenticated"]
    user = status["user"]
    assert user["username"] == f"keystone:{found.get_user_id()}"
    assert set(user["groups"]) == {f"keystone:{role}" for role in roles}
    assert user["extra"]["magnum.openstack.org/user-name"] == [name]


def test_nobody_elses(ask, keystone):
    for token in (
        who(keystone, "demo2", "demo2").get_token(),
        "gAAAAnonsense",
        "",
        "x" * 20000,
        "a\r\nX-Evil: 1",
    ):
        assert ask(token) == (200, {"authenticated": False}), token[:20]


def test_a_strangers_names_are_not_kubernetes_own(ask, keystone):
    """An administrator of another domain calls things as he likes, and even a user of this project."""
    admin = catalog.administrator(keystone)
    base = keystone.keystone_url

    def made(kind, **values):
        return admin.post(f"{base}/{kind}s", json={kind: values}).json()[kind]["id"]

    project = who(keystone, "demo", "demo").get_project_id()
    domain = made("domain", name="stranger")
    user = made("user", name="system:kube-controller-manager", domain_id=domain, password="not-a-secret")
    group = made("group", name="system:masters", domain_id=domain)
    other = made("project", name=project, domain_id=domain)  # called as this one's id
    admin.put(f"{base}/groups/{group}/users/{user}")
    roles = {role["name"]: role["id"] for role in admin.get(f"{base}/roles").json()["roles"]}
    for place, role in ((other, "member"), (project, "reader")):
        admin.put(f"{base}/projects/{place}/users/{user}/roles/{roles[role]}")

    def token(place):
        auth = v3.Password(base, user_id=user, password="not-a-secret", project_id=place)
        return session.Session(auth=auth).get_token()

    assert ask(token(other)) == (200, {"authenticated": False})
    _, status = ask(token(project))
    assert (status["user"]["username"], status["user"]["groups"]) == (f"keystone:{user}", ["keystone:reader"])


def test_a_bays_own_credential_opens_no_api(ask, keystone):
    """It is of a member of the project; its access rules say nothing of bays."""
    credentials = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
    project = who(keystone, "demo", "demo").get_project_id()
    made = credentials.make(project, "robot", ["member"], [Rule("compute", "GET", "/**")])
    auth = v3.ApplicationCredential(
        keystone.keystone_url, application_credential_id=made.id, application_credential_secret=made.secret
    )
    assert ask(session.Session(auth=auth).get_token()) == (200, {"authenticated": False})
    credentials.remove(made.id)


def test_a_users_own_credential_is_himself(ask, keystone):
    """One without access rules may all that he may."""
    user = who(keystone, "demo", "demo")
    url = f"{keystone.keystone_url}/users/{user.get_user_id()}/application_credentials"
    made = user.post(url, json={"application_credential": {"name": "laptop"}}).json()[
        "application_credential"
    ]
    auth = v3.ApplicationCredential(
        keystone.keystone_url,
        application_credential_id=made["id"],
        application_credential_secret=made["secret"],
    )
    _, status = ask(session.Session(auth=auth).get_token())
    assert status["user"]["uid"] == user.get_user_id()
    user.delete(f"{url}/{made['id']}")


def test_a_service_accounts_token_goes_to_nobody(tmp_path, keystone):
    """Kubernetes' own, which it refused: Keystone, or whoever is in its place, must not see it."""
    text = "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMiLCJzdWIiOiJ4In0.c2ln"
    with socket.create_server(("127.0.0.1", 0)) as place:
        url = f"http://127.0.0.1:{place.getsockname()[1]}/v3"
        place.settimeout(1)
        with webhook(tmp_path, keystone, url) as (ask, _):
            assert ask(text) == (200, {"authenticated": False})
            with pytest.raises(TimeoutError):
                place.accept()


def test_keystone_that_is_away_is_no_verdict(tmp_path, keystone):
    token = who(keystone, "demo", "demo").get_token()
    with webhook(tmp_path, keystone, f"http://127.0.0.1:{free_port()}/v3") as (ask, process):
        assert ask(token) == (500, {"authenticated": False})
        process.terminate()
        assert token not in process.communicate(timeout=10)[1]
