"""What a certificate signing request proves and asks for.

`verify` is the only way from bytes off the wire to a `VerifiedCSR`: exactly one CSR, small, well formed,
its self-signature valid (the requester holds the key, RFC 2986 section 3) and its key strong. What it
*asks* for is only read here; whether it may have it is the profile's business.
"""

import base64
import binascii
import dataclasses
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from magnum_lite.pki.errors import InvalidCSR
from magnum_lite.pki.keys import CertifiableKey, certifiable

MAX_BYTES = 16 * 1024

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_BLOCK = re.compile(
    rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[ \t]*\r?\n"
    rb"([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----"
)
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    }
)
# RFC 5280 section 4.2.1.3, and the property names of cryptography's KeyUsage.
_KEY_USAGES = {
    "digitalSignature": "digital_signature",
    "contentCommitment": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}
_EXTENDED_KEY_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
_WITNESS = object()


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedCSR:
    """A CSR whose signature and key were checked; only `verify` makes one.

    ``sans`` are ``TYPE:value`` (``DNS:a.example``, ``IP:192.0.2.1``). Usages carry their RFC 5280 names,
    unknown extended ones their dotted OID, as do ``unknown_critical`` extensions.
    """

    public_key: CertifiableKey
    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    sans: tuple[str, ...]
    ca: bool
    key_usages: frozenset[str]
    extended_key_usages: frozenset[str]
    unknown_critical: tuple[str, ...]
    witness: dataclasses.InitVar[object] = None

    def __post_init__(self, witness: object) -> None:
        """Refuse any maker but `verify`."""
        if witness is not _WITNESS:
            raise TypeError("a VerifiedCSR is made by magnum_lite.pki.csr.verify only")


def key_usage_names(usage: x509.KeyUsage) -> frozenset[str]:
    """RFC 5280 names of the bits that are set."""
    return frozenset(name for name, attribute in _KEY_USAGES.items() if getattr(usage, attribute))


def extended_key_usage_names(usage: x509.ExtendedKeyUsage) -> frozenset[str]:
    """Names (``serverAuth``), or dotted OIDs where we know none."""
    return frozenset(_EXTENDED_KEY_USAGES.get(oid, oid.dotted_string) for oid in usage)


def san_texts(names: x509.SubjectAlternativeName) -> tuple[str, ...]:
    """``TYPE:value`` of each name, in order."""
    kinds: dict[type[x509.GeneralName], str] = {
        x509.DNSName: "DNS",
        x509.IPAddress: "IP",
        x509.RFC822Name: "email",
        x509.UniformResourceIdentifier: "URI",
    }
    return tuple(f"{kinds.get(type(name), 'other')}:{name.value}" for name in names)


def _decode(pem: str | bytes) -> bytes:
    raw = pem.encode("utf-8", "surrogateescape") if isinstance(pem, str) else pem
    if len(raw) > MAX_BYTES:
        raise InvalidCSR("csr-too-large", f"The CSR is larger than {MAX_BYTES} bytes.")
    labels = _BEGIN.findall(raw)
    if any(b"PRIVATE KEY" in label for label in labels):
        raise InvalidCSR(
            "csr-private-key",
            "The request contains a private key. Send the CSR only, and make a new key; this one is exposed.",
        )
    if len(labels) > 1:
        raise InvalidCSR("csr-many", "The request must contain exactly one CSR and nothing else.")
    block = _BLOCK.search(raw)
    if block is None:
        raise InvalidCSR("csr-malformed", "The request is not a PEM encoded CSR (BEGIN CERTIFICATE REQUEST).")
    try:
        return base64.b64decode(b"".join(block[1].split()), validate=True)
    except binascii.Error:
        raise InvalidCSR("csr-malformed", "The CSR is not valid base64.") from None


def _texts(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = (attribute.value for attribute in name.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.decode("latin-1") for value in values)


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    algorithm = request.signature_hash_algorithm
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        raise InvalidCSR("csr-signature", "The CSR is signed with MD5 or SHA-1; make it again with SHA-256.")
    if not request.is_signature_valid:
        raise InvalidCSR("csr-signature", "The CSR's signature does not match its public key.")


def _read(request: x509.CertificateSigningRequest) -> VerifiedCSR:
    key = certifiable(request.public_key())
    _check_signature(request)
    sans: tuple[str, ...] = ()
    ca = False
    usages: frozenset[str] = frozenset()
    extended: frozenset[str] = frozenset()
    unknown: list[str] = []
    for extension in request.extensions:
        match extension.value:
            case x509.SubjectAlternativeName() as names:
                sans = san_texts(names)
            case x509.BasicConstraints() as constraints:
                ca = constraints.ca
            case x509.KeyUsage() as usage:
                usages = key_usage_names(usage)
            case x509.ExtendedKeyUsage() as usage:
                extended = extended_key_usage_names(usage)
        if extension.critical and extension.oid not in _UNDERSTOOD:
            unknown.append(extension.oid.dotted_string)
    return VerifiedCSR(
        public_key=key,
        common_names=_texts(request.subject, NameOID.COMMON_NAME),
        organizations=_texts(request.subject, NameOID.ORGANIZATION_NAME),
        sans=sans,
        ca=ca,
        key_usages=usages,
        extended_key_usages=extended,
        unknown_critical=tuple(unknown),
        witness=_WITNESS,
    )


def verify(pem: str | bytes) -> VerifiedCSR:
    """Check one PEM encoded CSR (at most 16 KiB; text around it, as ``openssl req -text`` writes, is
    ignored) and read what it asks for. Raises `InvalidCSR`, and nothing else, for any input.
    """
    der = _decode(pem)
    try:
        return _read(x509.load_der_x509_csr(der))
    except UnsupportedAlgorithm:
        reason = "The CSR's key or signature is of a type that is not accepted. Use ECDSA P-256 or RSA 2048."
        raise InvalidCSR("csr-key", reason) from None
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        # The library's texts speak of ASN.1 offsets; a tenant can do nothing with them.
        raise InvalidCSR("csr-malformed", "The CSR's content is malformed.") from None
