"""Signatures that nodes put on their reports: ECDSA with SHA-256, DER encoded, as ``openssl dgst -sha256
-sign`` makes them.
"""

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from magnum_lite.pki.errors import InvalidFacts
from magnum_lite.pki.keys import CertifiableKey

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def _public_key(pem: str | bytes) -> PublicKeyTypes:
    raw = pem.encode() if isinstance(pem, str) else pem
    if _CERTIFICATE in raw:
        return x509.load_pem_x509_certificate(raw).public_key()
    return serialization.load_pem_public_key(raw)


def verify(pem: str | bytes, message: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` over ``message`` was made with the key of this PEM public key or
    certificate. Every fault, a damaged PEM or a key of another type included, is the same plain False: a
    caller learns nothing but "no". A certificate's dates and issuer are not looked at.
    """
    try:
        key = _public_key(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def public_key_fingerprint(key: str | bytes | CertifiableKey) -> str:
    """SHA-256, in hex, of the key's SubjectPublicKeyInfo (DER); the same for a PEM public key, a PEM
    certificate and a `VerifiedCSR`'s ``public_key``. Raises `InvalidFacts` for anything else.
    """
    try:
        public = _public_key(key) if isinstance(key, str | bytes) else key
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidFacts("public-key", "This is neither a public key nor a certificate.") from None
    return hashlib.sha256(der).hexdigest()
