"""What a certificate says, as plain values: for records, lists and tests."""

import dataclasses
import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from magnum_lite.pki.csr import extended_key_usage_names, key_usage_names, san_texts
from magnum_lite.pki.errors import InvalidFacts


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateFacts:
    """``subject`` and ``issuer`` as RFC 4514 writes them, times in UTC, ``sans`` as ``TYPE:value``,
    ``fingerprint`` the SHA-256 of the whole certificate in hex.
    """

    subject: str
    common_name: str
    organizations: tuple[str, ...]
    issuer: str
    serial: int
    not_before: dt.datetime
    not_after: dt.datetime
    sans: tuple[str, ...]
    ca: bool
    key_usages: frozenset[str]
    extended_key_usages: frozenset[str]
    fingerprint: str


def describe(pem: str | bytes) -> CertificateFacts:
    """Read one PEM certificate; raises `InvalidFacts` if it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        extensions = [extension.value for extension in certificate.extensions]
    except ValueError:
        raise InvalidFacts("certificate", "This is not a PEM encoded certificate.") from None
    names = certificate.subject
    return CertificateFacts(
        subject=names.rfc4514_string(),
        common_name=next((str(a.value) for a in names.get_attributes_for_oid(NameOID.COMMON_NAME)), ""),
        organizations=tuple(str(a.value) for a in names.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
        issuer=certificate.issuer.rfc4514_string(),
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sans=next((san_texts(e) for e in extensions if isinstance(e, x509.SubjectAlternativeName)), ()),
        ca=any(e.ca for e in extensions if isinstance(e, x509.BasicConstraints)),
        key_usages=frozenset().union(
            *(key_usage_names(e) for e in extensions if isinstance(e, x509.KeyUsage))
        ),
        extended_key_usages=frozenset().union(
            *(extended_key_usage_names(e) for e in extensions if isinstance(e, x509.ExtendedKeyUsage))
        ),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )
