"""Secrets at rest: AES-256-GCM under a key-encryption key (KEK) that lies in a file or a key manager.

An envelope is ``v1.<KEK id>.<base64url(nonce ‖ ciphertext ‖ tag)>``. Its associated data are the version,
the KEK's id and the place it belongs to (table, row, purpose), so an envelope that is copied into another
row, or a private key into a field for tokens, does not open there. The id lets old and new KEKs live side
by side: seal with the first, open with any, `Sealer.rewrap` the rest. Where keys come from is asked again in
use, so that a running conductor follows a rotation (``doc/key-rotation.rst``).
"""

import base64
import binascii
import dataclasses
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from magnum_lite.pki.errors import EnvelopeError, KeyFileError
from magnum_lite.pki.keyring import KEY_BYTES, KeyFiles, key_id

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2: random nonces are safe for 2**32 messages a key
_VERSION = "v1"


@dataclasses.dataclass(frozen=True, slots=True)
class SealContext:
    """The one place where an envelope may be opened."""

    table: str
    row_id: str
    purpose: str


def _associated_data(key_id: str, context: SealContext) -> bytes:
    parts = (_VERSION, key_id, context.table, context.row_id, context.purpose)
    encoded = [part.encode() for part in parts]
    # Lengths first, else ("ab", "c") and ("a", "bc") would be one place.
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _split(envelope: str) -> tuple[str, bytes]:
    version, _, rest = envelope.partition(".")
    key_id, _, body = rest.partition(".")
    try:
        sealed = base64.b64decode(body.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        sealed = b""
    if base64.urlsafe_b64encode(sealed).decode() != body:  # base64 has more than one text for some bytes
        sealed = b""
    if version != _VERSION or len(sealed) <= _NONCE_BYTES:
        raise EnvelopeError("envelope-damaged", "A sealed secret is damaged.")
    return key_id, sealed


# Asked with True when a key is wanted that is not known, else with False; gives the keys, the one that seals
# first, or None where nothing has changed. Raises KeyFileError.
KeySource = Callable[[bool], Sequence[bytes] | None]


@dataclasses.dataclass(frozen=True, slots=True)
class _Ring:
    """Keys that belong together, exchanged as one."""

    current: str
    keys: dict[str, AESGCM]


def _ring(keys: Sequence[bytes]) -> _Ring:
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise KeyFileError("key-file", f"At least one key of {KEY_BYTES} bytes is needed.")
    return _Ring(key_id(keys[0]), {key_id(key): AESGCM(key) for key in keys})


class Sealer:
    """Seals with the first key, opens with any. Keeps the keys in memory; thread-safe."""

    def __init__(self, keys: Sequence[bytes], source: KeySource | None = None) -> None:
        self._ring = _ring(keys)
        self._source = source
        self._lock = threading.Lock()

    @classmethod
    def from_files(cls, paths: Sequence[Path | str]) -> "Sealer":
        """Load KEK files, the current one first, and again when one of them changes. Raises `KeyFileError`
        for a file that is missing, that others may read (``mode & 0o077``) or that holds no keys.
        """
        files = KeyFiles([Path(path) for path in paths])
        return cls.from_source(files)

    @classmethod
    def from_source(cls, source: KeySource) -> "Sealer":
        """Raises `KeyFileError` if it gives no keys now."""
        return cls(source(True) or (), source)

    @property
    def current(self) -> str:
        """Id of the key that seals."""
        return self._now().current

    @property
    def known(self) -> tuple[str, ...]:
        """Ids of all keys, the current one first."""
        return tuple(self._now().keys)

    def _now(self, *, wanted: str | None = None) -> _Ring:
        """The keys, asked for again. A source that can't be read now leaves those that we have."""
        if self._source is not None:
            with self._lock:
                try:
                    found = self._source(wanted is not None)
                    if found is not None:
                        self._ring = _ring(found)
                except KeyFileError:
                    if wanted is not None:
                        raise
        return self._ring

    def seal(self, plaintext: bytes, context: SealContext) -> str:
        """Encrypt for one place; the text is ASCII, about 4/3 of the plaintext plus 60 characters."""
        ring, nonce = self._now(), os.urandom(_NONCE_BYTES)
        data = _associated_data(ring.current, context)
        sealed = nonce + ring.keys[ring.current].encrypt(nonce, plaintext, data)
        return f"{_VERSION}.{ring.current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def unseal(self, envelope: str, context: SealContext) -> bytes:
        """Open an envelope in its own place; raises `EnvelopeError` anywhere else."""
        ident, sealed = _split(envelope)
        key = self._ring.keys.get(ident) or self._now(wanted=ident).keys.get(ident)
        if key is None:
            raise EnvelopeError("envelope-key", "A sealed secret's key-encryption key is not loaded.")
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated_data(ident, context))
        except InvalidTag:
            reason = "A sealed secret is damaged or belongs to another record."
            raise EnvelopeError("envelope-damaged", reason) from None

    def rewrap(self, envelope: str, context: SealContext) -> str:
        """The same secret under the current key; the same text if it is already."""
        plaintext = self.unseal(envelope, context)
        return envelope if sealed_by(envelope) == self.current else self.seal(plaintext, context)


def sealed_by(envelope: str) -> str:
    """Id of the key that an envelope needs. Raises `EnvelopeError`."""
    return _split(envelope)[0]
