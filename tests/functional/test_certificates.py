"""The CA of a cluster, and certificates for its users."""

import datetime as dt
import subprocess

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.functional.conftest import errors, fields
from tests.support.stand import OTHER, Stand

KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def csr(*extensions, key=KEY, critical=False, algorithm=None, **names):
    """A CSR; ``names`` are attributes of its subject."""
    wanted = names or {"COMMON_NAME": "Your Name"}
    subject = x509.Name([x509.NameAttribute(getattr(NameOID, n), v) for n, v in wanted.items()])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=critical)
    no_hash = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    signed = builder.sign(key, None if no_hash else (algorithm or hashes.SHA256()))
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A stand with one complete cluster."""
    stand = Stand(tmp_path_factory.mktemp("home"))
    stand.made = stand.cluster(name="prod")
    stand.converge(stand.made)
    return stand


def sign(stand, request=None, api=None, field="cluster_uuid", ident=None, **more):
    body = {field: ident or stand.made, "csr": request or csr()} | more
    return (api or stand.api).post_json("/v1/certificates", body, expect_errors=True)


def read(answer):
    assert answer.status_int == 201, answer.text
    return x509.load_pem_x509_certificate(answer.json["pem"].encode())


def test_the_ca(home):
    for ident in (home.made, "prod"):
        found = home.api.get(f"/v1/certificates/{ident}").json
        assert found["cluster_uuid"] == found["bay_uuid"] == home.made
        assert found["links"][0]["href"] == f"http://localhost/v1/certificates/{home.made}"
        ca = x509.load_pem_x509_certificate(found["pem"].encode())
        assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert "csr" not in found
    for kind in ("kubernetes", "kubelet", "nonsense", ""):
        again = home.api.get(f"/v1/certificates/{home.made}?ca_cert_type={kind}").json
        assert again["pem"] == found["pem"]
    for kind in ("etcd", "front-proxy"):  # a swarm has none: another CA must not stand in for it
        errors(home.api.get(f"/v1/certificates/{home.made}?ca_cert_type={kind}", expect_errors=True), 404)


def test_every_cluster_has_its_own(home):
    other = home.cluster()
    answer = home.api.get(f"/v1/certificates/{other}", expect_errors=True)
    errors(answer, 409)  # it is being made
    errors(sign(home, ident=other), 409)
    home.converge(other)
    mine, theirs = (home.api.get(f"/v1/certificates/{u}").json["pem"] for u in (home.made, other))
    assert mine != theirs
    with pytest.raises((InvalidSignature, ValueError)):
        read(sign(home)).verify_directly_issued_by(x509.load_pem_x509_certificate(theirs.encode()))


@pytest.mark.parametrize("field", ["cluster_uuid", "bay_uuid"])
def test_sign(home, field, tmp_path):
    answer = sign(home, field=field)
    assert answer.json["cluster_uuid"] == answer.json["bay_uuid"] == home.made
    assert answer.json["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    certificate = read(answer)
    assert certificate.public_key() == KEY.public_key()
    assert certificate.subject.rfc4514_string() == "CN=ana"  # the caller, not "Your Name"
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert dt.timedelta(days=30) <= lifetime < dt.timedelta(days=31)
    (tmp_path / "ca.pem").write_text(home.api.get(f"/v1/certificates/{home.made}").json["pem"])
    (tmp_path / "cert.pem").write_text(answer.json["pem"])
    checked = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", "cert.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.stdout == "cert.pem: OK\n", checked.stderr


def test_sign_by_name_and_what_clients_send_besides(home):
    assert sign(home, ident="prod").status_int == 201
    assert sign(home, field="bay_uuid", ident="prod", pem=None, ca_cert_type="kubernetes").status_int == 201


def test_harmless_wishes_are_replaced(home):
    for request in (
        csr(COMMON_NAME="admin", ORGANIZATION_NAME="system:masters"),  # python-magnumclient
        csr(CLIENT, COMMON_NAME="x"),
        csr(x509.KeyUsage(True, False, False, False, False, False, False, False, False)),
        csr(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        csr(COUNTRY_NAME="CH", ORGANIZATION_NAME="CERN", COMMON_NAME="ünïcode"),
        csr(key=rsa.generate_private_key(65537, 2048)),
    ):
        assert read(sign(home, request)).subject.rfc4514_string() == "CN=ana"


def test_wishes_for_more_power_are_refused_with_the_reason(home):
    with_server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    host = home.api.get(f"/v1/clusters/{home.made}/nodes").json["nodes"][0]["hostname"]
    for request, word in (
        (csr(x509.BasicConstraints(ca=True, path_length=None)), "CA"),
        (csr(x509.KeyUsage(True, False, False, False, False, True, True, False, False)), "key usage"),
        (csr(with_server), "serverAuth"),
        (csr(x509.SubjectAlternativeName([x509.DNSName("manager")])), "alternative names"),
        (csr(COMMON_NAME="system:node:x"), "identity"),
        (csr(COMMON_NAME=host), "belongs to the cluster"),
        (csr(COMMON_NAME=host.upper()), "belongs to the cluster"),
        (csr(COMMON_NAME="x", ORGANIZATION_NAME="system:nodes"), "group"),
        (
            csr(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical=True),
            "critical",
        ),
    ):
        (entry,) = errors(sign(home, request), 403)
        assert word in entry["detail"], entry


@pytest.fixture(scope="module")
def neighbour(home):
    """Another bay of the same project, and one of its nodes."""
    uuid = home.cluster(name="neighbour")
    home.converge(uuid)
    return uuid, home.api.get(f"/v1/clusters/{uuid}/nodes").json["nodes"][0]["uuid"]


def test_other_bays_are_no_names_for_people(home, neighbour):
    for name in (*neighbour, neighbour[0].upper(), f" {neighbour[0]}. ", home.made):
        (entry,) = errors(sign(home, csr(COMMON_NAME=name)), 403)
        assert "names a cluster or a node" in entry["detail"]
    alternative = x509.SubjectAlternativeName([x509.DNSName(f"{neighbour[0]}.example")])
    assert "alternative names" in errors(sign(home, csr(alternative)), 403)[0]["detail"]


def test_a_certificate_of_one_bay_is_none_of_another(home, neighbour):
    mine = read(sign(home))
    theirs = home.api.get(f"/v1/certificates/{neighbour[0]}").json["pem"]
    with pytest.raises((InvalidSignature, ValueError)):
        mine.verify_directly_issued_by(x509.load_pem_x509_certificate(theirs.encode()))


def test_a_thousand_names(home):
    names = x509.SubjectAlternativeName([x509.DNSName(f"n{i}.example") for i in range(1000)])
    answer = sign(home, csr(names))
    assert answer.status_int in {400, 403}
    (entry,) = errors(answer, answer.status_int)
    assert any(word in entry["detail"] for word in ("1000 subject alternative names", "larger than"))


EXOTIC = {
    "P-192": ec.SECP192R1, "P-224": ec.SECP224R1, "secp256k1": ec.SECP256K1, "brainpool": ec.BrainpoolP256R1,
}  # fmt: skip


@pytest.mark.parametrize("curve", EXOTIC)
def test_exotic_curves(home, curve):
    found = fields(sign(home, csr(key=ec.generate_private_key(EXOTIC[curve]()))))
    assert list(found) == ["csr"]
    assert "P-256" in found["csr"]


def test_keys_that_are_refused_with_what_is_taken(home):
    for key, word in (
        (rsa.generate_private_key(65537, 1024), "2048"), (rsa.generate_private_key(3, 2048), "exponent"),
        (dsa.generate_private_key(2048), "2048"), (ed448.Ed448PrivateKey.generate(), "2048"),
    ):  # fmt: skip
        found = fields(sign(home, csr(key=key)))
        assert word in found["csr"], found


def test_wishes_of_every_strength_together(home):
    """The first refusal is said; none of the others slips through."""
    ca = x509.BasicConstraints(ca=True, path_length=0)
    names = x509.SubjectAlternativeName([x509.DNSName("manager")])
    for extensions, subject in (
        ((ca, names), {"COMMON_NAME": "admin", "ORGANIZATION_NAME": "system:masters"}),
        ((names,), {"COMMON_NAME": "admin", "ORGANIZATION_NAME": "system:masters"}),
        ((), {"COMMON_NAME": "SYSTEM:admin"}), ((), {"COMMON_NAME": "x", "ORGANIZATION_NAME": " System:Nodes"}),
    ):  # fmt: skip
        errors(sign(home, csr(*extensions, **subject)), 403)


@pytest.mark.parametrize("roles", ["reader", "", "billing"])
def test_nobody_gets_more_than_his_role(home, roles):
    """Whatever the CSR says, and through either name of the field."""
    api = home.as_caller(roles=roles, user="u3")
    for request in (csr(), csr(COMMON_NAME="admin", ORGANIZATION_NAME="system:masters")):
        for field in ("cluster_uuid", "bay_uuid"):
            errors(sign(home, request, api=api, field=field), 403)


def test_nothing_was_recorded_as_issued_that_was_refused(stand):
    uuid = stand.made = stand.cluster()
    stand.converge(uuid)
    before = stand.api.get(f"/v1/certificates/{uuid}/issued").json
    for request in (csr(COMMON_NAME="system:x"), csr(x509.BasicConstraints(ca=True, path_length=None)), "x",
                    csr(key=rsa.generate_private_key(65537, 1024))):  # fmt: skip
        assert sign(stand, request).status_int in {400, 403}
    assert stand.api.get(f"/v1/certificates/{uuid}/issued").json == before


def test_what_is_no_sound_csr(home):
    der = bytearray(x509.load_pem_x509_csr(csr().encode()).public_bytes(serialization.Encoding.DER))
    der[-3] ^= 1
    import base64

    frame = "-----BEGIN CERTIFICATE REQUEST-----\n{}-----END CERTIFICATE REQUEST-----\n"
    forged = frame.format(base64.encodebytes(bytes(der)).decode())
    for request in ("x", "é", "\u0000", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", forged,
                    frame.format("AAAA\n"), "x" * 100_000, csr(key=ed25519.Ed25519PrivateKey.generate()) + csr(),
                    csr(key=rsa.generate_private_key(65537, 1024))):  # fmt: skip
        found = fields(sign(home, request))
        assert list(found) == ["csr"]


def test_bodies(home):
    for body, field in (({}, "cluster_uuid"), ({"cluster_uuid": home.made}, "csr"), ({"csr": csr()}, "cluster_uuid"),
                        ({"cluster_uuid": home.made, "bay_uuid": home.made, "csr": csr()}, "cluster_uuid"),
                        ({"cluster_uuid": 5, "csr": csr()}, "cluster_uuid"),
                        ({"cluster_uuid": [home.made], "csr": csr()}, "cluster_uuid"),
                        ({"cluster_uuid": home.made, "csr": None}, "csr"), ({"cluster_uuid": home.made, "csr": 5}, "csr"),
                        ({"cluster_uuid": home.made, "csr": csr(), "x": 1}, "x")):  # fmt: skip
        assert field in fields(home.api.post_json("/v1/certificates", body, expect_errors=True)), body


@pytest.mark.parametrize("ttl", [0, -1, 59, True, "3600", 1.5, [], 10**12, 31 * 86400])
def test_lifetimes_that_are_refused(home, ttl):
    assert list(fields(sign(home, ttl=ttl))) == ["ttl"]


@pytest.mark.parametrize("ttl", [60, 3600, 30 * 86400, None])
def test_lifetimes(home, ttl):
    certificate = read(sign(home, ttl=ttl))
    seconds = (certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)).total_seconds()
    assert abs(seconds - (ttl or 30 * 86400)) < 60


def test_readers_read_the_ca_and_get_no_certificate(home):
    reader = home.as_caller(roles="reader", user="u3")
    assert reader.get(f"/v1/certificates/{home.made}").status_int == 200
    (entry,) = errors(sign(home, api=reader), 403)
    assert "can't tell readers from members" in entry["detail"]


def test_mates_and_admins_get_their_own_name(home):
    mate = home.as_caller(user="u9", name="bob")
    assert read(sign(home, api=mate)).subject.rfc4514_string() == "CN=bob"
    admin = home.as_caller(project=OTHER, user="root", name="root", roles="admin")
    assert read(sign(home, api=admin)).subject.rfc4514_string() == "CN=root"
    for name in ("x" * 200, "é" * 64, "😀" * 30, "a,b=c+d", "  ", "tab\there"):
        odd = home.as_caller(name=name.encode().decode("latin-1"))
        answer = sign(home, api=odd)
        assert answer.status_int in {201, 400, 403}, answer.text


def test_other_projects_learn_nothing(home):
    other = home.as_caller(project=OTHER, user="u2")
    nowhere = "00000000-0000-4000-8000-000000000000"
    mine, theirs = sign(home, api=other, ident=nowhere), sign(home, api=other)
    for answer, ident in ((mine, nowhere), (theirs, home.made)):
        (entry,) = errors(answer, 400)
        assert entry["field"] == "cluster_uuid"
        assert entry["detail"] == f"cluster_uuid: Cluster {ident} could not be found."
    for path in ("", "/issued"):
        errors(other.get(f"/v1/certificates/{home.made}{path}", expect_errors=True), 404)


def test_what_was_issued_is_listed(stand):
    uuid = stand.made = stand.cluster()
    stand.converge(uuid)
    before = stand.api.get(f"/v1/certificates/{uuid}/issued").json["certificates"]
    assert {c["profile"] for c in before} == {"node-identity", "docker-server"}
    certificate = read(sign(stand, ttl=3600))
    errors(sign(stand, csr(COMMON_NAME="system:x")), 403)
    found = stand.api.get(f"/v1/certificates/{uuid}/issued").json["certificates"]
    assert found[1:] == before
    newest = found[0]
    assert newest["serial"] == f"{certificate.serial_number:x}"
    assert (newest["requester_user"], newest["requester_project"]) == ("u1", "a" * 32)
    assert (newest["purpose"], newest["profile"], newest["subject"]) == ("cluster", "docker-client", "CN=ana")
    assert abs(newest["not_after"] - certificate.not_valid_after_utc.timestamp()) < 5
    assert not any("pem" in c or "sealed_key" in c for c in found)
    events = stand.api.get(f"/v1/clusters/{uuid}/events").json["events"]
    assert "A client certificate was issued to ana." in [e["message"] for e in events]


def test_serials_are_unpredictable_and_unique(home):
    serials = [read(sign(home)).serial_number for _ in range(5)]
    assert len(set(serials)) == 5
    assert all(s.bit_length() > 100 for s in serials)


def test_a_conductor_that_does_not_answer(stand, monkeypatch):
    from magnum_lite.errors import Unavailable

    uuid = stand.made = stand.cluster()
    stand.converge(uuid)

    def away(*_args, **_more):
        raise Unavailable("conductor")

    monkeypatch.setattr(stand.conductors, "sign", away)
    answer = sign(stand)
    assert "conductor" in errors(answer, 503)[0]["detail"]
    assert answer.headers["Retry-After"]
    assert stand.api.get(f"/v1/certificates/{uuid}").status_int == 200
