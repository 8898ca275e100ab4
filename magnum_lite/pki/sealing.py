"""Secrets at rest: AES-256-GCM under a key-encryption key (KEK) that lies in a file.

An envelope is ``v1.<KEK id>.<base64url(nonce ‖ ciphertext ‖ tag)>``. Its associated data are the version,
the KEK's id and the place it belongs to (table, row, purpose), so an envelope that is copied into another
row, or a private key into a field for tokens, does not open there. The id lets old and new KEKs live side
by side: seal with the first, open with any, `Sealer.rewrap` the rest.
"""

import base64
import binascii
import dataclasses
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from magnum_lite.pki.errors import EnvelopeError, KeyFileError

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2: random nonces are safe for 2**32 messages a key
_VERSION = "v1"


@dataclasses.dataclass(frozen=True, slots=True)
class SealContext:
    """The one place where an envelope may be opened."""

    table: str
    row_id: str
    purpose: str


def write_secret_file(path: Path | str, data: bytes) -> None:
    """Create ``path`` with mode 0600 whatever the umask, and never overwrite: raises FileExistsError, also
    for a dangling link. What could not be written whole is removed.
    """
    path = Path(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def create_key_file(path: Path | str) -> None:
    """Make a new random KEK file (base64 text); raises FileExistsError if there is one."""
    write_secret_file(path, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Of the opened file, not of the path: it can't be exchanged in between.
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(4 * KEY_BYTES)
    except OSError as error:
        raise KeyFileError("key-file", f"The key file {path} can't be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise KeyFileError("key-file", f"The key file {path} must be a file of mode 0600: chmod 600 {path}")
    if len(key) != KEY_BYTES:  # not raw: the text that create_key_file writes
        try:
            key = base64.b64decode(key.strip(), validate=True)
        except binascii.Error:
            key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileError("key-file", f"The key file {path} must hold {KEY_BYTES} bytes, raw or in base64.")
    return key


def _key_id(key: bytes) -> str:
    # A hash of a random 256-bit key tells nothing about it.
    return hashlib.sha256(b"magnum-lite KEK id\0" + key).hexdigest()[:16]


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


class Sealer:
    """Seals with the first key, opens with any. Keeps the keys in memory; thread-safe."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise KeyFileError("key-file", f"At least one key of {KEY_BYTES} bytes is needed.")
        self._keys = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])

    @classmethod
    def from_files(cls, paths: Sequence[Path | str]) -> "Sealer":
        """Load KEK files, the current one first. Raises `KeyFileError` for a file that is missing, that
        others may read (``mode & 0o077``) or that is not 32 bytes long.
        """
        return cls([_read_key(Path(path)) for path in paths])

    def seal(self, plaintext: bytes, context: SealContext) -> str:
        """Encrypt for one place; the text is ASCII, about 4/3 of the plaintext plus 60 characters."""
        nonce = os.urandom(_NONCE_BYTES)
        data = _associated_data(self._current, context)
        sealed = nonce + self._keys[self._current].encrypt(nonce, plaintext, data)
        return f"{_VERSION}.{self._current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def unseal(self, envelope: str, context: SealContext) -> bytes:
        """Open an envelope in its own place; raises `EnvelopeError` anywhere else."""
        key_id, sealed = _split(envelope)
        key = self._keys.get(key_id)
        if key is None:
            raise EnvelopeError("envelope-key", "A sealed secret's key-encryption key is not loaded.")
        try:
            return key.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _associated_data(key_id, context)
            )
        except InvalidTag:
            reason = "A sealed secret is damaged or belongs to another record."
            raise EnvelopeError("envelope-damaged", reason) from None

    def rewrap(self, envelope: str, context: SealContext) -> str:
        """The same secret under the current key; the same text if it is already."""
        plaintext = self.unseal(envelope, context)
        return envelope if _split(envelope)[0] == self._current else self.seal(plaintext, context)
