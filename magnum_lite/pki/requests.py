"""Making a key and its CSR, for clients of our own: the command line and the conductor."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def private_key() -> str:
    """A new ECDSA P-256 key (PKCS #8, not encrypted), PEM."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def client_request(common_name: str) -> tuple[str, str]:
    """A new ECDSA P-256 key (PKCS #8, not encrypted) and a CSR for it, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return _pem(key), request.public_bytes(serialization.Encoding.PEM).decode()
