"""Application credentials, by a real Keystone and by the in-memory twin; and what one of a cluster may do at
services that a real keystonemiddleware guards.
"""

import secrets

import keystoneauth1.exceptions as ka
import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3

from magnum_lite.cloud.credentials import CloudCredentials, CredentialExists, CredentialRefused
from magnum_lite.cloud.memory import MemoryCredentials
from magnum_lite.drivers.contract import CloudSpec
from magnum_lite.drivers.kubernetes_cloud import access
from magnum_lite.local import catalog
from magnum_lite.models.access import Rule, cluster_of, credential_name
from tests.support import bay_spec
from tests.support import keystone as keystones

RULES = access(
    bay_spec.spec(cloud=CloudSpec(auth_url="http://192.0.2.1/v3"), labels={"cloud_provider_enabled": "true"})
)


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    """A real one, with the users of the one-machine cloud."""
    with keystones.running(tmp_path_factory.mktemp("keystone")) as settings:
        yield settings


@pytest.fixture(params=["memory", pytest.param("keystone", marks=pytest.mark.local)])
def port(request):
    """(credentials, the id of a project that the service user may act in)."""
    if request.param == "memory":
        return MemoryCredentials(), "a" * 32
    settings = request.getfixturevalue("keystone")
    project = catalog.user_session(settings, "demo", "demo").get_project_id()
    return CloudCredentials(keystones.sessions(settings).session_for, "public", None), project


@pytest.fixture
def name():
    digits = secrets.token_hex(16)
    return credential_name(f"{digits[:8]}-{digits[:4]}-{digits[:4]}-{digits[:4]}-{digits[:12]}", 1)


def test_made_found_and_removed(port, name):
    credentials, project = port
    assert credentials.named(name) == []
    made = credentials.make(project, name, ["member"], RULES)
    assert made.secret and made.secret not in repr(made)
    (found,) = credentials.named(name)
    assert (found.id, found.name, found.project_id) == (made.id, name, project)
    assert found in credentials.all()
    with pytest.raises(CredentialExists):
        credentials.make(project, name, ["member"], RULES)
    for _ in range(2):
        credentials.remove(made.id)
    assert credentials.named(name) == []
    assert made.id not in {thing.id for thing in credentials.all()}


def test_one_without_limits_is_never_made(port, name):
    credentials, project = port
    with pytest.raises(CredentialRefused):
        credentials.make(project, name, ["member"], ())
    assert credentials.named(name) == []


@pytest.mark.parametrize("role", ["load-balancer_member", "admin"])  # of which Keystone has the second
def test_a_role_that_the_service_user_has_not(port, name, role):
    credentials, project = port
    with pytest.raises(CredentialRefused) as caught:
        credentials.make(project, name, ["member", role], RULES)
    assert "role" in caught.value.reason.lower()
    assert credentials.named(name) == []


def test_names_lead_back_to_their_cluster(name):
    assert credential_name(cluster_of(name), 1) == name
    for other in ("magnum-lite-robot", "robot", name.removesuffix("-1"), f"x{name}", f"{name}x"):
        assert cluster_of(other) == ""


def test_rules_are_within_keystones_limits():
    assert len(RULES) == len(set(RULES)) > 20
    assert {rule.service for rule in RULES} == {
        "compute",
        "network",
        "load-balancer",
        "volumev3",
        "block-storage",
    }
    assert all(rule.path.startswith("/") and len(rule.path) <= 128 for rule in RULES)
    assert not [
        r for r in RULES if r.service == "compute" and r.method == "DELETE" and "attach" not in r.path
    ]


@pytest.fixture
def own(keystone, name):
    """``own(rules)``: a session of a credential as a cluster has it."""
    credentials = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
    made = []

    def make(rules=RULES):
        project = catalog.user_session(keystone, "demo", "demo").get_project_id()
        found = credentials.make(project, f"{name}{len(made)}", ["member"], rules)
        made.append(found.id)
        auth = v3.ApplicationCredential(
            keystone.keystone_url,
            application_credential_id=found.id,
            application_credential_secret=found.secret,
        )
        return session.Session(auth=auth)

    yield make
    for ident in made:
        credentials.remove(ident)


def asked(who, kind, method, path, **more):
    """The code of an answer."""
    filters = {"service_type": kind, "interface": "public"}
    return who.request(path, method, endpoint_filter=filters, raise_exc=False, **more).status_code


@pytest.mark.local
def test_what_a_clusters_credential_may_do(keystone, own, tmp_path):
    """Each service that it uses, as its access rules allow; and nothing else, not in its own project either."""
    with keystones.cloud(keystone, tmp_path) as local:
        tenant = catalog.user_session(keystone, "demo", "demo")
        user = local.user(tenant.get_project_id())
        server = user.server(user.network()[0], name="not-of-the-bay")["id"]
        mine = own()
        assert asked(mine, "compute", "GET", "/servers/detail") == 200
        assert asked(mine, "compute", "GET", f"/servers/{server}") == 200
        assert asked(mine, "network", "GET", "/v2.0/ports") == 200
        volume = {"volume": {"size": 1, "name": "pvc-1"}}
        assert asked(mine, "volumev3", "POST", "/volumes", json=volume) == 202
        assert asked(mine, "block-storage", "GET", "/volumes/detail") == 200
        # the same calls, of somebody without rules, do work here
        refused = (
            ("compute", "DELETE", f"/servers/{server}", {}),
            ("compute", "POST", f"/servers/{server}/action", {"json": {"os-stop": None}}),
            ("compute", "POST", "/servers", {"json": {"server": {"name": "x"}}}),
            ("compute", "GET", "/os-keypairs", {}),
            ("compute", "GET", f"/servers/{server}/os-volume_attachments", {}),
            ("network", "POST", "/v2.0/networks", {"json": {"network": {"name": "x"}}}),
            ("network", "POST", "/v2.0/security-groups", {"json": {"security_group": {"name": "x"}}}),
            ("image", "GET", "/v2/images", {}),
        )
        for kind, method, path, more in refused:
            assert asked(mine, kind, method, path, **more) == 401, (kind, method, path)
        assert user("GET", f"/compute/v2.1/servers/{server}").json["server"]["status"] == "ACTIVE"
        everything = own(
            [Rule("compute", m, "/**") for m in ("GET", "DELETE")] + [Rule("image", "GET", "/**")]
        )
        assert asked(everything, "image", "GET", "/v2/images") == 200
        assert asked(everything, "compute", "DELETE", f"/servers/{server}") == 204


@pytest.mark.local
def test_keystone_itself_is_closed_to_it(keystone, own):
    mine = own()
    me = mine.get_user_id()
    another = {"application_credential": {"name": "more", "unrestricted": True}}
    for method, path, more in (
        ("GET", "/v3/users", {}),
        ("GET", f"/v3/users/{me}/application_credentials", {}),
        ("POST", f"/v3/users/{me}/application_credentials", {"json": another}),
        ("GET", "/v3/auth/projects", {}),
        ("POST", "/v3/OS-TRUST/trusts", {"json": {"trust": {}}}),
    ):
        url = keystone.keystone_url.removesuffix("/v3") + path
        answer = mine.request(url, method, raise_exc=False, **more)
        assert answer.status_code in {401, 403}, (method, path, answer.text)


@pytest.mark.local
def test_its_tokens_end_with_it(keystone, name):
    credentials = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
    project = catalog.user_session(keystone, "demo", "demo").get_project_id()
    made = credentials.make(project, name, ["member"], RULES)
    auth = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    token = session.Session(auth=v3.ApplicationCredential(keystone.keystone_url, **auth)).get_token()
    credentials.remove(made.id)
    with pytest.raises((ka.NotFound, ka.Unauthorized)):  # as its caches have it
        session.Session(auth=v3.Token(keystone.keystone_url, token=token)).get_token()
    with pytest.raises((ka.NotFound, ka.Unauthorized)):
        session.Session(auth=v3.ApplicationCredential(keystone.keystone_url, **auth)).get_token()
