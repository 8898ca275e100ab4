"""What must be refused: each is tried with what an adversary in that place has."""

import pytest
import requests

from magnum_lite.pki.requests import client_request
from tests.kubernetes.kubectl import Kubectl, write_config

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def as_user(kubectl, bay, tenant, tmp_path):
    """``as_user(key, certificate)``: kubectl of the shared bay with another client certificate, or none."""
    authority = tenant.get(f"/certificates/{bay['uuid']}")["pem"]

    def make(key=None, certificate=None):
        file = write_config(tmp_path / "config", bay["api_address"], authority, key, certificate)
        return Kubectl(kubectl.program, file)

    return make


@pytest.fixture
def secret(kubectl):
    """A secret of somebody."""
    with kubectl.namespace("private") as inside:
        inside("create", "secret", "generic", "password", "--from-literal=it=hunter2")
        yield inside


@pytest.fixture
def worker(bay, tenant):
    """The REST view of one worker."""
    return next(n for n in tenant.nodes(bay["uuid"]) if n["role"] == "worker")


def read(machine, node, path):
    code, text = machine.inside(node["server_id"], "cat", path)
    assert code == 0, text
    return text


def test_nobody(bay, tenant, tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text(tenant.get(f"/certificates/{bay['uuid']}")["pem"])
    for path in ("/api", "/api/v1/secrets", "/healthz", "/version", "/metrics"):
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(bay["api_address"] + path, verify=str(authority), timeout=10)
        assert answer.status_code == 401, (path, answer.text)


@pytest.mark.long
def test_another_bays_certificate(as_user, make_bay, tenant):
    other = make_bay("kube-other", workers=1)
    key, certificate, _ = tenant.sign(other["uuid"])
    code, said = as_user(key, certificate).tried("get", "nodes")
    assert code != 0
    assert "logged in" in said or "nauthorized" in said or "certificate" in said


def test_a_workers_kubelet_reads_no_others_secrets(as_user, machine, worker, secret):
    key, certificate = (read(machine, worker, f"/etc/kubernetes/pki/kubelet.{x}") for x in ("key", "pem"))
    kubelet = as_user(key, certificate)
    assert kubelet("get", "node", worker["hostname"], "--output", "name")
    for words in (
        ("get", "secret", "password", "--namespace", "private"),
        ("get", "secrets", "--all-namespaces"),
        ("get", "configmaps", "--all-namespaces"),
        ("delete", "pod", "--all", "--namespace", "kube-system"),
    ):
        code, said = kubelet.tried(*words)
        assert code != 0, words
        assert "orbidden" in said, said
    assert secret.get("secret", "password")["data"]


def test_a_workers_kubelet_changes_no_other_node(as_user, machine, bay, tenant, worker):
    key, certificate = (read(machine, worker, f"/etc/kubernetes/pki/kubelet.{x}") for x in ("key", "pem"))
    other = next(n for n in tenant.nodes(bay["uuid"]) if n["hostname"] != worker["hostname"])
    for words in (
        ("label", "node", other["hostname"], "mine=yes"),
        ("label", "node", worker["hostname"], "node-role.kubernetes.io/control-plane="),
        ("taint", "node", worker["hostname"], "mine=yes:NoSchedule"),
    ):
        code, said = as_user(key, certificate).tried(*words)
        assert code != 0, words
        assert "orbidden" in said, said


def test_a_viewer_views(as_user, bay, machine, secret):
    key, csr = client_request("Your Name")
    body = {"bay_uuid": bay["uuid"], "csr": csr}
    signed = machine.tenant("magnum-lite-reader").call("POST", "/certificates", body, 201).json()
    viewer = as_user(key, signed["pem"])
    assert "kube-dns" in viewer("get", "services", "--namespace", "kube-system")
    for words in (
        ("get", "secret", "password", "--namespace", "private"),
        ("get", "secrets", "--all-namespaces"),
        ("create", "configmap", "mine", "--namespace", "private"),
        ("delete", "namespace", "private"),
        ("auth", "can-i", "*", "*"),
    ):
        code, said = viewer.tried(*words)
        assert code != 0, words
        assert "orbidden" in said or said.strip().endswith("no"), said
    assert secret.get("secret", "password")["data"]


def test_etcd_is_closed_to_all_but_the_api(bay, machine, tenant, worker):
    master = next(n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master")
    address = f"https://{master['address']}:2379/version"
    pki = "/etc/kubernetes/pki"
    for own in ((), ("--cert", f"{pki}/kubelet.pem", "--key", f"{pki}/kubelet.key")):
        code, said = machine.inside(worker["server_id"], "curl", "-sSk", "-m", "5", *own, address)
        # A handshake that fails; or, as TLS 1.3 has it, a connection that is cut off right after.
        assert code in {35, 55, 56}, (code, said)
    own = ("--cert", f"{pki}/etcd-client.pem", "--key", f"{pki}/etcd-client.key")
    trust = ("--cacert", f"{pki}/ca-etcd.pem")
    code, said = machine.inside(
        master["server_id"], "curl", "-sS", "-m", "5", *own, *trust, "https://127.0.0.1:2379/version"
    )
    assert code == 0, said  # so that what is refused is the certificate, not the call
    # A member's certificate, the mightiest that a tenant gets, is of another authority.
    key, certificate, _ = tenant.sign(bay["uuid"])
    script = f"umask 77; printf %s '{key}' > /run/k; printf %s '{certificate}' > /run/c; "
    script += f"curl -sSk -m 5 --cert /run/c --key /run/k {address}; code=$?; rm /run/k /run/c; exit $code"
    code, said = machine.inside(worker["server_id"], "sh", "-c", script)
    assert code != 0, said


def test_a_secret_is_not_readable_in_etcd(bay, machine, tenant, secret):
    assert secret.get("secret", "password")["data"]
    master = next(n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master")
    pki = "/etc/kubernetes/pki"
    words = (
        "/opt/kubernetes/bin/etcdctl", "--endpoints=https://127.0.0.1:2379",
        f"--cacert={pki}/ca-etcd.pem", f"--cert={pki}/etcd-client.pem", f"--key={pki}/etcd-client.key",
        "get", "/registry/secrets/private/password", "--print-value-only",
    )  # fmt: skip
    code, said = machine.inside(master["server_id"], *words)
    assert code == 0, said
    assert said.startswith("k8s:enc:"), said[:200]
    assert "hunter2" not in said


def test_a_kubelet_is_closed_to_strangers(bay, machine, tenant, worker):
    master = next(n for n in tenant.nodes(bay["uuid"]) if n["role"] == "master")
    for path in ("pods", "runningpods/", "metrics", "configz"):
        code, said = machine.inside(
            worker["server_id"], "curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}",
            f"https://{master['address']}:10250/{path}",
        )  # fmt: skip
        assert (code, said) == (0, "401"), path
    code, _ = machine.inside(
        worker["server_id"], "curl", "-s", "-m", "3", f"http://{master['address']}:10255/pods"
    )
    assert code != 0, "the read-only port is open"
