"""Only sound CSRs pass, and nothing but our own errors comes out."""

import base64
import contextlib
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from magnum_lite.pki import csr
from magnum_lite.pki.errors import InvalidCSR
from tests.support.fuzz import examples

KEY = ec.generate_private_key(ec.SECP256R1())


def _der(pem):
    return x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)


def _pem(der):
    return b"-----BEGIN CERTIFICATE REQUEST-----\n%s-----END CERTIFICATE REQUEST-----\n" % base64.encodebytes(
        der
    )


def _code(pem):
    with pytest.raises(InvalidCSR) as caught:
        csr.verify(pem)
    assert caught.value.reason.endswith(".")
    return caught.value.code


def test_reads_what_a_csr_asks_for(kit):
    names = [x509.DNSName("a.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.2.3.4")])
    request = kit.csr(
        x509.SubjectAlternativeName(names),
        usage,
        x509.BasicConstraints(ca=True, path_length=None),
        organization="system:masters",
    )
    verified = csr.verify(request)
    assert verified.common_names == ("Your Name",)
    assert verified.organizations == ("system:masters",)
    assert verified.sans == ("DNS:a.example", "IP:192.0.2.1")
    assert verified.ca
    assert verified.extended_key_usages == {"clientAuth", "1.2.3.4"}
    assert verified.unknown_critical == ()
    assert verified.public_key == kit.key.public_key()


def test_nobody_else_makes_a_verified_csr(kit):
    with pytest.raises(TypeError):
        csr.VerifiedCSR(kit.key.public_key(), (), (), (), False, frozenset(), frozenset(), ())


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa-2048", "p-256", "p-384", "p-521", "ed25519"],
)
def test_accepted_keys(kit, key):
    assert csr.verify(kit.csr(key=key)).public_key == key.public_key()


@pytest.mark.parametrize(
    "curve", [ec.SECP256K1(), ec.SECP192R1(), ec.BrainpoolP256R1()], ids=lambda c: c.name
)
def test_other_curves_are_refused(kit, curve):
    assert _code(kit.csr(key=ec.generate_private_key(curve))) == "csr-key"


def test_weak_and_exotic_keys_are_refused(kit, tmp_path):
    assert _code(kit.csr(key=dsa.generate_private_key(2048))) == "csr-key"
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    other = builder.sign(ed448.Ed448PrivateKey.generate(), None)
    assert _code(other.public_bytes(serialization.Encoding.PEM)) == "csr-key"
    for size, exponent in ((1024, "65537"), (2048, "3")):
        kit.openssl(
            "req", "-new", "-nodes", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "csr"),
            "-subj", "/CN=x", "-newkey", f"rsa:{size}", "-pkeyopt", f"rsa_keygen_pubexp:{exponent}",
        )  # fmt: skip
        assert _code((tmp_path / "csr").read_text()) == "csr-key"


def test_a_csr_with_a_foreign_signature_is_refused(kit):
    other = ec.generate_private_key(ec.SECP256R1())
    mine, theirs = (kit.csr(key=key) for key in (kit.key, other))
    ours = kit.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    their_key = other.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert _code(_pem(_der(mine).replace(ours, their_key))) == "csr-signature"
    assert csr.verify(theirs)


def test_sha1_is_refused(tmp_path, kit):
    kit.openssl(
        "req", "-new", "-nodes", "-sha1", "-newkey", "rsa:2048", "-subj", "/CN=x",
        "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "csr"),
    )  # fmt: skip
    assert _code((tmp_path / "csr").read_text()) == "csr-signature"


def test_forms_that_openssl_writes(kit, tmp_path):
    arguments = (
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    )
    arguments += ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "csr"))
    for extra in ([], ["-newhdr"], ["-text"]):
        kit.openssl(*arguments, *extra)
        text = (tmp_path / "csr").read_text()
        assert csr.verify(text).common_names == ("x",)
        assert csr.verify(text.replace("\n", "\r\n")).common_names == ("x",)


def test_exactly_one_csr(kit, tmp_path):
    request = kit.csr()
    assert _code(request * 2) == "csr-many"
    assert _code("") == _code("hello") == _code(request.replace("REQUEST", "")) == "csr-malformed"
    kit.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(tmp_path / "key"))
    assert _code((tmp_path / "key").read_text() + request) == "csr-private-key"
    assert _code(_pem(_der(request) + b"\0")) == "csr-malformed"


def test_a_thousand_names(kit):
    short = [x509.DNSName(f"n{i}") for i in range(1000)]
    assert len(csr.verify(kit.csr(x509.SubjectAlternativeName(short))).sans) == 1000
    long = [x509.DNSName(f"node-{i}.cluster.example") for i in range(1000)]
    assert _code(kit.csr(x509.SubjectAlternativeName(long))) == "csr-too-large"


def test_unknown_critical_extensions_are_told(kit):
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert csr.verify(kit.csr(unknown, critical=True)).unknown_critical == ("1.3.6.1.4.1.99999.1",)
    assert csr.verify(kit.csr(unknown)).unknown_critical == ()
    constraints = x509.NameConstraints([x509.DNSName("example")], None)
    assert csr.verify(kit.csr(constraints, critical=True)).unknown_critical == ("2.5.29.30",)


_SOUND = _der(
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
    .add_extension(x509.KeyUsage(True, False, True, False, False, False, False, False, False), critical=True)
    .sign(KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.PEM)
    .decode()
)


@given(st.binary(max_size=400) | st.text(max_size=400))
def test_noise_is_refused(noise):
    _code(noise)


@example([(8, 1)])  # another version
@settings(max_examples=examples(600))
@given(st.lists(st.tuples(st.integers(0, len(_SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_der_never_passes(changes):
    damaged = bytearray(_SOUND)
    for position, value in changes:
        damaged[position] = value
    if bytes(damaged) == _SOUND:
        assert csr.verify(_pem(bytes(damaged)))
    else:
        _code(_pem(bytes(damaged)))


@settings(max_examples=examples(300))
@given(st.integers(0, len(_pem(_SOUND)) - 1), st.binary(max_size=8))
def test_damaged_pem_raises_only_our_errors(position, noise):
    sound = _pem(_SOUND)
    for damaged in (sound[:position] + noise + sound[position:], sound[:position]):
        with contextlib.suppress(InvalidCSR):
            csr.verify(damaged)


_NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=64
).filter(lambda text: len(text.encode()) <= 64)


@given(_NAME, _NAME)
def test_any_name_is_read_back(common_name, organization):
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(KEY, hashes.SHA256())
    )
    verified = csr.verify(request.public_bytes(serialization.Encoding.PEM))
    assert (verified.common_names, verified.organizations) == ((common_name,), (organization,))
