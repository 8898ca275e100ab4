"""Reports that openssl signed, as nodes do; every fault is the same no."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.pki import authority, csr, profiles
from magnum_lite.pki.errors import InvalidFacts
from magnum_lite.pki.signatures import public_key_fingerprint, verify


def _public(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_what_a_node_signs_with_openssl(kit, tmp_path):
    key, body = tmp_path / "key.pem", tmp_path / "body"
    body.write_bytes(b'1772366400.5\n{"step": "ready"}')
    kit.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    kit.openssl("req", "-new", "-key", str(key), "-subj", "/CN=n", "-out", str(tmp_path / "csr"))
    kit.openssl("dgst", "-sha256", "-sign", str(key), "-out", str(tmp_path / "sig"), str(body))
    request = (tmp_path / "csr").read_text()
    ca, _ = kit.authority("node")
    certificate = ca.issue(
        kit.prepared(profiles.NODE_IDENTITY, request, "node-1"), authority.new_serial(), kit.now
    )
    public = kit.openssl("ec", "-in", str(key), "-pubout").removeprefix("read EC key\nwriting EC key\n")
    public = public[public.index("-----BEGIN") : public.index("KEY-----\n", 60) + 9]
    signature = (tmp_path / "sig").read_bytes()
    for pem in (certificate, public):
        assert verify(pem, body.read_bytes(), signature)
        assert not verify(pem, body.read_bytes() + b" ", signature)
        assert not verify(pem, body.read_bytes(), signature[:-1])
    prints = {public_key_fingerprint(key) for key in (certificate, public, csr.verify(request).public_key)}
    assert len(prints) == 1
    assert len(prints.pop()) == 64


@pytest.mark.parametrize(
    "pem", [b"", b"x", "é", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_damaged_key_is_a_plain_no(pem):
    assert verify(pem, b"", b"") is False
    with pytest.raises(InvalidFacts):
        public_key_fingerprint(pem)


def test_keys_of_other_types_are_a_plain_no():
    key = ed25519.Ed25519PrivateKey.generate()
    assert verify(_public(key), b"m", key.sign(b"m")) is False


KEY = _public(ec.generate_private_key(ec.SECP256R1()))


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_noise_never_verifies(message, signature):
    assert verify(KEY, message, signature) is False
