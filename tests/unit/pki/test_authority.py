"""Certificates that the real openssl accepts for what they are for, and for nothing else."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from magnum_lite.pki import authority, facts, profiles
from magnum_lite.pki.errors import AuthorityError, InvalidFacts

DAY = dt.timedelta(days=1)


def _verify(kit, tmp_path, ca, leaf, purpose, *, check=True):
    for name, text in (("ca.pem", ca), ("leaf.pem", leaf)):
        (tmp_path / name).write_text(text)
    at = str(int(kit.now.timestamp()))
    arguments = [
        "verify",
        "-x509_strict",
        "-attime",
        at,
        "-purpose",
        purpose,
        "-CAfile",
        str(tmp_path / "ca.pem"),
    ]
    return kit.openssl(*arguments, str(tmp_path / "leaf.pem"), check=check)


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "rsa-2048"])
@pytest.mark.parametrize("leaf_key", [None, "rsa", "ed25519"])
def test_openssl_accepts_a_client_as_a_client_only(kit, tmp_path, key_type, leaf_key):
    keys = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    ca, ca_pem = kit.authority(key_type=key_type)
    request = kit.csr(key=keys[leaf_key]() if leaf_key else kit.key)
    leaf = ca.issue(kit.prepared(pem=request), authority.new_serial(), kit.now)
    assert "OK" in _verify(kit, tmp_path, ca_pem, leaf, "sslclient")
    assert "unsuitable certificate purpose" in _verify(kit, tmp_path, ca_pem, leaf, "sslserver", check=False)
    assert facts.describe(leaf).key_usages == (
        {"digitalSignature", "keyEncipherment"} if leaf_key == "rsa" else {"digitalSignature"}
    )


def test_openssl_accepts_a_server_for_its_names_only(kit, tmp_path):
    ca, ca_pem = kit.authority()
    leaf = ca.issue(kit.prepared(profiles.DOCKER_SERVER, common_name="m0"), authority.new_serial(), kit.now)
    assert "OK" in _verify(kit, tmp_path, ca_pem, leaf, "sslserver")
    assert "unsuitable certificate purpose" in _verify(kit, tmp_path, ca_pem, leaf, "sslclient", check=False)
    told = facts.describe(leaf)
    assert (told.common_name, told.sans, told.ca) == ("m0", ("IP:10.0.0.5", "DNS:localhost"), False)
    assert "does match" in kit.openssl(
        "x509", "-noout", "-checkip", "10.0.0.5", "-in", str(tmp_path / "leaf.pem")
    )


def test_another_authority_does_not_vouch(kit, tmp_path):
    ca, _ = kit.authority()
    _, other_pem = kit.authority()
    leaf = ca.issue(kit.prepared(), authority.new_serial(), kit.now)
    assert "OK" not in _verify(kit, tmp_path, other_pem, leaf, "sslclient", check=False)


def test_a_leaf_can_not_sign(kit, tmp_path):
    """A client's key and certificate used as a CA: openssl must refuse the chain."""
    ca, ca_pem = kit.authority()
    leaf = ca.issue(kit.prepared(), authority.new_serial(), kit.now)
    der = kit.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(AuthorityError):
        authority.Authority.load("cluster", leaf, der)
    rogue = authority.Authority("cluster", x509.load_pem_x509_certificate(leaf.encode()), kit.key)
    request = kit.csr(key=rsa.generate_private_key(65537, 2048))
    forged = rogue.issue(kit.prepared(pem=request, common_name="eve"), authority.new_serial(), kit.now)
    (tmp_path / "chain.pem").write_text(leaf)
    (tmp_path / "ca.pem").write_text(ca_pem)
    (tmp_path / "forged.pem").write_text(forged)
    at = str(int(kit.now.timestamp()))
    said = kit.openssl(
        "verify", "-attime", at, "-CAfile", str(tmp_path / "ca.pem"),
        "-untrusted", str(tmp_path / "chain.pem"), str(tmp_path / "forged.pem"), check=False,
    )  # fmt: skip
    assert "invalid CA certificate" in said


def test_extensions_and_dates(kit):
    ca, ca_pem = kit.authority()
    serial = authority.new_serial()
    leaf = x509.load_pem_x509_certificate(ca.issue(kit.prepared(lifetime=30 * DAY), serial, kit.now).encode())
    assert leaf.serial_number == serial
    assert leaf.not_valid_before_utc == kit.now - dt.timedelta(minutes=5)
    assert leaf.not_valid_after_utc == kit.now + 30 * DAY
    critical = {e.oid._name for e in leaf.extensions if e.critical}
    assert critical == {"basicConstraints", "keyUsage"}
    root = x509.load_pem_x509_certificate(ca_pem.encode())
    ski = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == ski
    told = facts.describe(ca_pem)
    assert (told.ca, told.key_usages) == (True, {"keyCertSign", "cRLSign"})
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_never_longer_than_the_ca(kit):
    ca, ca_pem = kit.authority(years=1)
    late = kit.now + 300 * DAY
    leaf = ca.issue(kit.prepared(), authority.new_serial(), late)
    assert facts.describe(leaf).not_after == facts.describe(ca_pem).not_after
    for bad in (kit.now + 366 * DAY, kit.now - DAY):
        with pytest.raises(AuthorityError, match="rotate"):
            ca.issue(kit.prepared(), authority.new_serial(), bad)


def test_an_authority_signs_its_own_purpose_only(kit):
    ca, _ = kit.authority("node")
    assert ca.issue(kit.prepared(profiles.NODE_IDENTITY), authority.new_serial(), kit.now)
    for profile in (profiles.DOCKER_CLIENT, profiles.DOCKER_SERVER):
        with pytest.raises(AuthorityError):
            ca.issue(kit.prepared(profile), authority.new_serial(), kit.now)


def test_only_prepared_certificates_are_signed(kit):
    ca, _ = kit.authority()
    with pytest.raises(TypeError):
        ca.issue(kit.csr(), authority.new_serial(), kit.now)


def test_serials():
    many = {authority.new_serial() for _ in range(1000)}
    assert len(many) == 1000
    assert {serial.bit_length() for serial in many} == {159}


@pytest.mark.parametrize("serial", [0, 1, -(2**140), 2**64, 2**159])
def test_weak_serials_are_refused(kit, serial):
    ca, _ = kit.authority()
    with pytest.raises(InvalidFacts):
        ca.issue(kit.prepared(), serial, kit.now)


def test_damaged_authorities(kit):
    pem, key = authority.create_authority("a", "cluster", kit.now, DAY)
    _, other = authority.create_authority("b", "cluster", kit.now, DAY)
    for bad in ((pem, other), ("x", key), (pem, b"x"), (pem, b"")):
        with pytest.raises(AuthorityError):
            authority.Authority.load("cluster", *bad)
    for name, kind, time in (
        ("x" * 65, "rsa-2048", kit.now),
        ("x", "dsa", kit.now),
        ("x", "rsa-2048", kit.now.replace(tzinfo=None)),
    ):
        with pytest.raises(InvalidFacts):
            authority.create_authority(name, "cluster", time, DAY, kind)
    assert "key" not in repr(authority.Authority.load("cluster", pem, key)).lower()


def test_describe_refuses_other_texts(kit):
    for bad in ("", "x", kit.csr()):
        with pytest.raises(InvalidFacts):
            facts.describe(bad)
