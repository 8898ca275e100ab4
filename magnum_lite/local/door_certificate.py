"""The node door's TLS identity: a CA of this instance and one server certificate for the address
that nodes call. Nodes get the CA with their user data; nothing else is signed by it.
"""

import dataclasses
import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from magnum_lite.local import passwords

DIRECTORY = "door"
LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class DoorFiles:
    """PEM files; ``key`` is 0600."""

    ca: Path
    cert: Path
    key: Path


def ensure(state_dir: Path, address: str) -> DoorFiles:
    """The door's files, made on the first call for this address.

    CA, certificate and key are born together in one file, as they only fit one another; the three
    files are cut from it each time.
    """
    directory = state_dir / DIRECTORY
    bundle = passwords.once(directory / f"bundle-{address}.pem", lambda: _make(address))
    key, cert, ca = _cut(bundle)
    files = DoorFiles(ca=directory / "ca.pem", cert=directory / "cert.pem", key=directory / "key.pem")
    for path, text in ((files.ca, ca), (files.cert, cert), (files.key, key)):
        if not path.exists() or path.read_text() != text:
            path.unlink(missing_ok=True)
            passwords.once(path, lambda text=text: text.rstrip("\n"))  # type: ignore[misc]
    return files


def _make(address: str) -> str:
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name("magnum-lite node door CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    cert = (
        _builder(_name("magnum-lite node door"), ca_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    # The CA's own key is dropped here: it never signs again.
    key_pem = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    return b"".join((key_pem, cert.public_bytes(pem), ca.public_bytes(pem))).decode().strip()


def _cut(bundle: str) -> tuple[str, str, str]:
    end = "-----END"
    parts: list[str] = []
    lines: list[str] = []
    for line in bundle.splitlines():
        if line:
            lines.append(line)
        if line.startswith(end):
            parts.append("\n".join(lines) + "\n")
            lines = []
    key, cert, ca = parts
    return key, cert, ca


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
