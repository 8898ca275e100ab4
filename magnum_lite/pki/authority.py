"""The certificate authority itself: making one, loading one, signing with it.

Randomness of serials and the time come from outside, so that serial and intent can be stored before the
signature exists.
"""

import dataclasses
import datetime as dt
import secrets

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from magnum_lite.pki.errors import AuthorityError, InvalidFacts
from magnum_lite.pki.profiles import PreparedCertificate, subject_name

BACKDATE = dt.timedelta(minutes=5)  # for clocks that are behind ours
SERIAL_BITS = 159  # positive and at most 20 octets, RFC 5280 section 4.1.2.2
_MIN_SERIAL_BITS = 128

_USAGE_OIDS = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}

_ALL_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_serial() -> int:
    """A random serial of exactly 159 bits (158 of them random), to be stored before signing."""
    return 1 << (SERIAL_BITS - 1) | secrets.randbits(SERIAL_BITS - 1)


def _utc(now: dt.datetime) -> dt.datetime:
    if now.tzinfo is None:
        raise InvalidFacts("time", "The time of signing has no time zone.")
    return now.astimezone(dt.UTC).replace(microsecond=0)


def _key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _ALL_USAGES})


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _new_key(key_type: str) -> SigningKey:
    match key_type:
        case "ecdsa-p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "rsa-2048" | "rsa-4096":
            return rsa.generate_private_key(
                public_exponent=65537, key_size=int(key_type.removeprefix("rsa-"))
            )
    raise InvalidFacts("key-type", f"{key_type!r} is not one of ecdsa-p256, rsa-2048, rsa-4096.")


def create_authority(
    common_name: str,
    purpose: str,
    now: dt.datetime,
    lifetime: dt.timedelta,
    key_type: str = "ecdsa-p256",
) -> tuple[str, bytes]:
    """Make a self-signed CA: its certificate (PEM) and its private key (PKCS #8 DER, not encrypted: seal
    it at once). ``purpose`` becomes the subject's O, so that a bundle's reader sees which is which. Raises
    `InvalidFacts` for a CN over 64 characters or an unknown key type.
    """
    now = _utc(now)
    name = subject_name(common_name, (f"magnum-lite {purpose} CA",))
    key = _new_key(key_type)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(new_serial())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private


def adopt(certificate_pem: str, key_pem: str, passphrase: str | None) -> bytes:
    """The key of a CA that others made, as `create_authority` gives one. Raises `AuthorityError` if it does
    not open, is not this certificate's, or the certificate is no CA's.
    """
    try:
        secret = passphrase.encode() if passphrase else None
        key = serialization.load_pem_private_key(key_pem.encode(), password=secret)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        reason = "The authority's key is damaged, or its passphrase is not this one."
        raise AuthorityError("authority-damaged", reason) from None
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    Authority.load("adopted", certificate_pem, private)
    return private


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """A CA in memory, its key unsealed once. ``purpose`` is the only one whose profiles it signs."""

    purpose: str
    certificate: x509.Certificate
    key: SigningKey

    @classmethod
    def load(cls, purpose: str, certificate_pem: str, private_key_der: bytes) -> "Authority":
        """Read what `create_authority` made. Raises `AuthorityError` if key and certificate don't match."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
            key = serialization.load_der_private_key(private_key_der, password=None)
        except (ValueError, TypeError):
            raise AuthorityError(
                "authority-damaged", "The authority's certificate or key is damaged."
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise AuthorityError("authority-damaged", "The authority's key is of an unknown type.")
        if key.public_key() != certificate.public_key():
            raise AuthorityError("authority-damaged", "The authority's key is not its certificate's.")
        if not _is_ca(certificate):
            raise AuthorityError("authority-damaged", "The authority's certificate is not a CA's.")
        return cls(purpose, certificate, key)

    @property
    def ends(self) -> dt.datetime:
        """When the CA's own life is over; nothing that it signs is valid for longer."""
        return self.certificate.not_valid_after_utc

    def issue(self, prepared: PreparedCertificate, serial: int, now: dt.datetime) -> str:
        """Sign, and give the certificate as PEM. It is valid from 5 minutes before ``now``, never beyond
        the CA's own life. Raises `AuthorityError` when the CA is not valid now or the profile belongs to
        an authority of another purpose.
        """
        if not isinstance(prepared, PreparedCertificate):
            raise TypeError("issue() signs a PreparedCertificate only")
        if prepared.profile.purpose != self.purpose:
            reason = f"A {prepared.profile.name} certificate is not this authority's to sign."
            raise AuthorityError("authority-purpose", reason)
        if not _MIN_SERIAL_BITS <= serial.bit_length() <= SERIAL_BITS or serial < 0:
            raise InvalidFacts("serial", "A serial is a positive number of 128 to 159 bits; see new_serial.")
        now = _utc(now)
        ca_ends = self.certificate.not_valid_after_utc
        if not self.certificate.not_valid_before_utc <= now < ca_ends:
            raise AuthorityError("authority-expired", "The cluster's CA is not valid now; rotate it.")
        builder = (
            self._builder(prepared)
            .serial_number(serial)
            .not_valid_before(max(now - BACKDATE, self.certificate.not_valid_before_utc))
            .not_valid_after(min(now + prepared.lifetime, ca_ends))
        )
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """A CA that was adopted may have none of its own: then RFC 5280's first method, 4.2.1.2."""
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)

    def _builder(self, prepared: PreparedCertificate) -> x509.CertificateBuilder:
        usages = ["digital_signature"]
        if isinstance(prepared.public_key, rsa.RSAPublicKey):
            usages.append("key_encipherment")  # TLS 1.2 with RSA key exchange
        builder = (
            x509.CertificateBuilder()
            .subject_name(prepared.subject)
            .issuer_name(self.certificate.subject)
            .public_key(prepared.public_key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(*usages), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([_USAGE_OIDS[name] for name in prepared.profile.extended_key_usages]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(prepared.public_key), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        if prepared.sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(prepared.sans), critical=False)
        return builder
