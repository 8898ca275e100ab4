"""Which public keys may be certified (compare the CA/Browser Forum's baseline requirements, 6.1.5 and
6.1.6). Names are written as OpenSSL and the RFCs write them.
"""

import math

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from magnum_lite.pki.errors import InvalidCSR

CertifiableKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

RSA_BITS = range(2048, 8192 + 1)
CURVES = ("secp256r1", "secp384r1", "secp521r1")
# Larger exponents buy nothing and make each verification slow; OpenSSL has the same limit for long keys.
_MAX_EXPONENT = 2**64
_SMALL_PRIMES = math.prod(p for p in range(2, 752) if all(p % d for d in range(2, math.isqrt(p) + 1)))


def _weak(reason: str) -> InvalidCSR:
    return InvalidCSR("csr-key", f"{reason} Use ECDSA P-256, Ed25519 or RSA of 2048 bits or more.")


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if key.key_size not in RSA_BITS:
        raise _weak(f"The RSA key has {key.key_size} bits; 2048 to 8192 are accepted.")
    if numbers.e % 2 == 0 or not 65537 <= numbers.e < _MAX_EXPONENT:
        raise _weak("The RSA key's public exponent must be odd and at least 65537 (below 2**64).")
    if math.gcd(numbers.n, _SMALL_PRIMES) != 1:
        raise _weak("The RSA key's modulus has a small factor.")


def _check_ec(key: ec.EllipticCurvePublicKey) -> None:
    if key.curve.name not in CURVES:
        raise _weak(f"The curve {key.curve.name} is not accepted.")


def certifiable(key: PublicKeyTypes) -> CertifiableKey:
    """Give ``key`` back if its type is accepted and it is strong enough, else raise `InvalidCSR`
    (``csr-key``).
    """
    match key:
        case rsa.RSAPublicKey():
            _check_rsa(key)
            return key
        case ec.EllipticCurvePublicKey():
            _check_ec(key)
            return key
        case ed25519.Ed25519PublicKey():
            return key
    raise _weak("This type of key is not accepted.")
