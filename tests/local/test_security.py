"""Those who are in the project but may only read, and those who only claim to be somebody: on the real Keystone,
the real Heat, the real node door.
"""

import contextlib
import json
import re
import sqlite3

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from magnum_lite.local import door_certificate, passwords, state
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]
CREDENTIAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{64}")
REGISTRY = "hunter2-of-the-registry"
PROXY = "swordfish-of-the-proxy"


@pytest.fixture(scope="module")
def settings(machine):
    return state.load(machine.state_dir)


@pytest.fixture(scope="module")
def reader(machine):
    return machine.tenant("magnum-lite-reader")


@pytest.fixture(scope="module")
def bay(machine, tenant):
    labels = {"registry_auth": f"registry.example=robot:{REGISTRY}"}
    model = tenant.model("watched", keypair_id="my-key", labels=labels)
    uuid = tenant.bay("watched", model, node_count=1)
    yield tenant.complete(uuid)
    tenant.delete(uuid)


def csr():
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = built.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def everything_in_heat(who, stack_id):
    """Every text about a stack, and the stacks in it, that Heat gives to somebody."""
    heat, texts, seen, todo = who.cloud.orchestration, [], set(), [stack_id]

    def get(path):
        answer = heat.get(path, raise_exc=False)
        texts.append(answer.text)
        return answer

    while todo:
        ident = todo.pop()
        if ident in seen:
            continue
        seen.add(ident)
        shown = heat.get(f"/stacks/{ident}", raise_exc=False)
        if shown.status_code != 200:
            continue
        texts.append(shown.text)
        found = shown.json()["stack"]
        path = f"/stacks/{found['stack_name']}/{found['id']}"
        for part in ("/template", "/environment", "/files", "/outputs"):
            get(path + part)
        events = get(f"{path}/events?nested_depth=3")
        with contextlib.suppress(ValueError, KeyError):
            for event in events.json()["events"]:
                get(next(link["href"] for link in event["links"] if link["rel"] == "self"))
        resources = get(f"{path}/resources?nested_depth=3&with_detail=true")
        for resource in resources.json().get("resources", ()):
            mine = next(link["href"] for link in resource["links"] if link["rel"] == "self")
            for more in ("", "/metadata", "?with_attr=user_data&with_attr=attributes&with_attr=show"):
                get(mine + more)
            if resource["resource_type"].startswith(("OS::Heat::ResourceGroup", "file:")):
                todo.append(resource["physical_resource_id"])
            if resource["resource_type"].endswith(".yaml"):
                todo.append(resource["physical_resource_id"])
    configs = get("/software_configs")
    with contextlib.suppress(ValueError, KeyError):
        for config in configs.json()["software_configs"]:
            get(f"/software_configs/{config['id']}")
    return texts


@pytest.fixture(scope="module")
def read(reader, bay):
    """What a reader can read."""
    texts = everything_in_heat(reader, bay["stack_id"])
    assert len(texts) > 40, len(texts)
    return "\n".join(texts)


def test_tokens_that_a_reader_finds_are_spent(settings, bay, read):
    """Heat does show them: that is why each works once, for one node."""
    found = set(CREDENTIAL.findall(read.replace("\\\\n", "\n")))
    assert found, "the walk must find what is known to be there"
    with requests.Session() as session:
        session.trust_env = False  # REQUESTS_CA_BUNDLE would take the door's CA's place
        session.verify = str(door_certificate.ensure(settings.state_dir, settings.transit_address).ca)
        for credential in found:
            node, token = credential.split(":")
            for more in ({}, {"server_csr": csr()}):
                body = {"node_id": node, "token": token, "identity_csr": csr()} | more
                answer = session.post(f"{settings.door_url}/v1/enrol", json=body, timeout=20)
                assert answer.status_code in {400, 403}, answer.text
                assert "CERTIFICATE" not in answer.text


def test_a_second_machine_is_told_to_the_owner(tenant, bay, read):
    """By the attempts of the test before."""
    events = tenant.get(f"/bays/{bay['uuid']}/events")["events"]
    assert any(e["step"] == "refused" and e["level"] == "warning" for e in events), events


def test_heat_holds_no_other_secret(machine, tenant, bay, read):
    worker, manager = join_tokens(machine, tenant, bay)
    for secret in (REGISTRY, worker, manager, "SWMTKN", "PRIVATE KEY", *passwords_of(machine)):
        assert secret not in read


def test_a_reader_writes_nothing(reader, bay):
    for method, path, body in (
        ("POST", "/bays", {"name": "x", "baymodel_id": bay["baymodel_id"]}),
        ("PATCH", f"/bays/{bay['uuid']}", [{"op": "replace", "path": "/node_count", "value": 3}]),
        ("DELETE", f"/bays/{bay['uuid']}", None),
        ("POST", f"/clusters/{bay['uuid']}/actions/resize", {"node_count": 3}),
        ("POST", f"/clusters/{bay['uuid']}/nodegroups", {"name": "g", "node_count": 1}),
        ("POST", "/certificates", {"bay_uuid": bay["uuid"], "csr": csr()}),
        ("PATCH", f"/certificates/{bay['uuid']}", None),
        ("PATCH", f"/credentials/{bay['uuid']}", None),
    ):
        assert reader.call(method, path, body).status_code == 403, (method, path)


def test_a_readers_signal_makes_no_bay_complete(tenant, reader):
    """Heat lets a reader signal; his word moves Heat's stack, not the bay."""
    model = tenant.model("signalled", keypair_id="my-key")
    uuid = tenant.bay("signalled", model, node_count=0)
    heat = reader.cloud.orchestration
    try:
        stack = eventually("its stack", lambda: tenant.get(f"/bays/{uuid}")["stack_id"], 60)

        def handle():
            found = heat.get(f"/stacks/{stack}", raise_exc=False).json().get("stack")
            path = f"/stacks/{found['stack_name']}/{found['id']}/resources?nested_depth=3"
            there = heat.get(path, raise_exc=False).json().get("resources", ())
            return next(
                (
                    next(link["href"] for link in r["links"] if link["rel"] == "self")
                    for r in there
                    if r["resource_name"] == "ready_handle" and r["resource_status"] == "CREATE_COMPLETE"
                ),
                None,
            )

        where = eventually("the wait condition's handle", handle, 240)
        sent = heat.post(f"{where}/signal", json={"status": "SUCCESS", "id": "me", "data": "", "reason": ""})
        assert sent.status_code == 200, (
            "Heat is known to allow this; if it does not any more, say so in the docs"
        )
        made = tenant.complete(uuid)
        [node] = tenant.nodes(uuid)
        assert node["state"] == "ready"
        steps = [(e["kind"], e["step"]) for e in tenant.get(f"/bays/{uuid}/events")["events"]]
        assert ("node", "enrol") in steps and ("node", "ready") in steps
        assert made["status"] == "CREATE_COMPLETE"
    finally:
        tenant.delete(uuid)


FORGED = {
    "X-Identity-Status": "Confirmed",
    "X-Service-Identity-Status": "Confirmed",
    "X-User-Id": "0" * 32,
    "X-User-Name": "admin",
    "X-User-Domain-Id": "default",
    "X-Roles": "admin,member,service",
    "X-Role": "admin",
    "X-Service-Roles": "admin,service",
    "X-Service-User-Id": "0" * 32,
    "X-Is-Admin-Project": "True",
    "X-System-Scope": "all",
    "OpenStack-System-Scope": "all",
}


def forged(project):
    ids = {
        "X-Project-Id": project,
        "X-Tenant-Id": project,
        "X-Tenant": project,
        "X-Project-Domain-Id": "default",
    }
    return FORGED | ids


def spellings(headers):
    """As sent by those who know that servers fold names."""
    yield headers
    yield {name.lower(): value for name, value in headers.items()}
    yield {name.replace("-", "_"): value for name, value in headers.items()}
    yield {f"HTTP-{name}": value for name, value in headers.items()}


def test_identity_headers_without_a_token_are_nobody(settings, tenant, bay):
    project = tenant.cloud.current_project_id
    for headers in spellings(forged(project)):
        for extra in ({}, {"X-Auth-Token": ""}, {"X-Auth-Token": "x"}, {"X-Service-Token": "x"}):
            for path in ("clusters", f"clusters/{bay['uuid']}", "mservices", "quotas"):
                answer = requests.get(f"{settings.api_url}/v1/{path}", headers=headers | extra, timeout=20)
                assert answer.status_code == 401, (path, headers, answer.text)
                assert bay["uuid"] not in answer.text


def test_identity_headers_with_a_token_change_nobody(machine, settings, tenant, reader, bay):
    stranger = machine.tenant("magnum-lite-demo2")
    project = tenant.cloud.current_project_id
    for headers in spellings(forged(project)):
        mine = {"X-Auth-Token": reader.cloud.session.get_token()} | headers
        url = f"{settings.api_url}/v1/clusters/{bay['uuid']}"
        assert requests.delete(url, headers=mine, timeout=20).status_code == 403
        assert requests.get(f"{settings.api_url}/v1/mservices", headers=mine, timeout=20).status_code == 403
        theirs = {"X-Auth-Token": stranger.cloud.session.get_token()} | headers
        assert requests.get(url, headers=theirs, timeout=20).status_code == 404
        shown = requests.get(f"{settings.api_url}/v1/clusters", headers=theirs, timeout=20)
        assert shown.status_code == 200
        assert bay["uuid"] not in shown.text


def test_a_token_of_nobody_any_more(settings, tenant):
    """Revoked in Keystone: the middleware has no cache that outlives that for long."""
    session = tenant.cloud.session
    token = session.auth.get_access(session).auth_token
    fresh = requests.post(
        f"{settings.keystone_url}/auth/tokens",
        json={"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}},
        timeout=20,
    ).headers["X-Subject-Token"]
    url = f"{settings.api_url}/v1/clusters"
    requests.delete(
        f"{settings.keystone_url}/auth/tokens",
        headers={"X-Auth-Token": token, "X-Subject-Token": fresh},
        timeout=20,
    ).raise_for_status()
    assert requests.get(url, headers={"X-Auth-Token": fresh}, timeout=20).status_code == 401


def join_tokens(machine, tenant, bay):
    manager = next(n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master")
    out = []
    for role in ("worker", "manager"):
        code, text = machine.inside(manager["server_id"], "docker", "swarm", "join-token", "-q", role)
        assert code == 0, text
        out.append(text.strip())
    return out


def passwords_of(machine):
    """Every password and key of the instance."""
    found = [p for p in (machine.state_dir / passwords.DIRECTORY).iterdir() if p.is_file()]
    assert len(found) > 4
    return [p.read_text().strip() for p in found]


def test_no_log_holds_a_secret(machine, settings, tenant, bay, read):
    """Our service logs at DEBUG here. A life goes on before: sign, grow, shrink, rotate, fail."""
    uuid = bay["uuid"]
    tenant.sign(uuid)
    tenant.call("POST", f"/clusters/{uuid}/actions/resize", {"node_count": 2}, 202)
    tenant.complete(uuid)
    tenant.call("PATCH", f"/credentials/{uuid}", None, 202)
    tenant.complete(uuid)
    tenant.call("POST", f"/clusters/{uuid}/actions/resize", {"node_count": 1}, 202)
    tenant.complete(uuid)
    manager = next(n for n in tenant.nodes(uuid) if n["role"] == "master")
    _, key = machine.inside(manager["server_id"], "cat", "/etc/docker/server-key.pem")
    body = [line for line in key.splitlines() if "-" not in line]
    assert body
    secrets = {
        *passwords_of(machine),
        *join_tokens(machine, tenant, bay),
        *(c.split(":")[1] for c in CREDENTIAL.findall(read)),
        tenant.cloud.session.get_token(),
        REGISTRY,
        body[0],
        "-PRIVATE KEY-",
        "SWMTKN-",
    }
    ours = settings.log_dir / "magnum-lite.log"
    assert "DEBUG" in ours.read_text(errors="replace"), "it must say much for this to mean something"
    logs = [p for p in settings.log_dir.iterdir() if p.is_file()]
    for path in logs:
        text = path.read_text(errors="replace")
        for secret in secrets:
            assert secret not in text, (path.name, secret[:4])
    shown = json.dumps([tenant.get(f"/bays/{uuid}{p}") for p in ("", "/events", "/nodes", "/logs")])
    for secret in secrets:
        assert secret not in shown, secret[:4]
    console = "".join(
        machine.inside(n["server_id"], "cat", "/var/log/cloud-init-output.log")[1] for n in tenant.nodes(uuid)
    )
    for secret in secrets - {tenant.cloud.session.get_token()}:
        assert secret not in console, secret[:4]


def test_what_lies_in_the_database_opens_nothing(machine, settings, tenant, bay, read):
    """A copy of the database, without the key-encryption key."""
    with contextlib.closing(sqlite3.connect(settings.state_dir / "magnum_lite.sqlite")) as copy:
        dump = "\n".join(copy.iterdump())
    assert bay["uuid"] in dump
    for secret in (*join_tokens(machine, tenant, bay), "PRIVATE KEY", *passwords_of(machine)):
        assert secret not in dump
    for credential in CREDENTIAL.findall(read):
        assert credential.split(":")[1] not in dump
