"""Files of key-encryption keys: one key a line, in base64; the first one seals, all open.

A file is replaced as a whole, so a conductor that reads it meanwhile sees the old keys or the new. A key
that is taken out is kept beside it: backups of before need it.
"""

import base64
import binascii
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from magnum_lite.pki.errors import KeyFileError

KEY_BYTES = 32
_MOST_BYTES = 64 * 1024
_Signature = tuple[tuple[int, int, int], ...]


def key_id(key: bytes) -> str:
    """What names a key: 16 hexadecimal digits. A hash of a random 256-bit key tells nothing about it."""
    return hashlib.sha256(b"magnum-lite KEK id\0" + key).hexdigest()[:16]


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
    write_secret_file(path, _text([os.urandom(KEY_BYTES)]))


def read(path: Path) -> list[bytes]:
    """A file's keys. Raises `KeyFileError` for one that is missing, that others may read, or without keys."""
    try:
        with path.open("rb") as file:
            # Of the opened file, not of the path: it can't be exchanged in between.
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES)
    except OSError as error:
        raise KeyFileError("key-file", f"The key file {path} can't be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise KeyFileError("key-file", f"The key file {path} must be a file of mode 0600: chmod 600 {path}")
    if len(data) == KEY_BYTES:  # raw: not the text that we write
        return [data]
    keys = [_decoded(line) for line in data.split(b"\n") if line.strip()]
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        wanted = f"{KEY_BYTES} bytes, raw or in base64, or several in base64, one a line"
        raise KeyFileError("key-file", f"The key file {path} must hold {wanted}.")
    return keys


def _decoded(line: bytes) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except binascii.Error:
        return b""


def _text(keys: Sequence[bytes]) -> bytes:
    return b"".join(base64.b64encode(key) + b"\n" for key in keys)


def _change(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Read, change, replace; one at a time on this machine. Owner and group stay."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        keys = change(read(path))
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        write_secret_file(draft, _text(keys))
        owner = path.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
        os.fsync(directory)
    finally:
        os.close(directory)


def _position(path: Path, keys: Sequence[bytes], ident: str) -> int:
    for position, key in enumerate(keys):
        if key_id(key) == ident:
            return position
    raise KeyFileError("key-file", f"The key file {path} holds no key {ident}.")


def add(path: Path) -> str:
    """Put a new random key last: it opens, and does not seal yet. Gives its id."""
    new = os.urandom(KEY_BYTES)
    _change(path, lambda keys: [*keys, new])
    return key_id(new)


def promote(path: Path, ident: str) -> None:
    """Let the key with this id seal from now on. Raises `KeyFileError` if it is not there."""

    def first(keys: list[bytes]) -> list[bytes]:
        key = keys.pop(_position(path, keys, ident))
        return [key, *keys]

    _change(path, first)


def retire(path: Path, ident: str) -> Path:
    """Take a key that does not seal out; it is kept in the file that this gives, for old backups."""
    kept = path.with_name(f"{path.name}.retired-{ident}")

    def without(keys: list[bytes]) -> list[bytes]:
        position = _position(path, keys, ident)
        if position == 0:
            raise KeyFileError("key-file", f"Key {ident} is the one that seals: promote another one first.")
        if not kept.exists():
            write_secret_file(kept, _text([keys[position]]))
        return keys[:position] + keys[position + 1 :]

    _change(path, without)
    return kept


class KeyFiles:
    """Several files as one source of keys for `Sealer`: read when one of them has changed."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._seen: _Signature | None = None

    def __call__(self, wanted: bool) -> list[bytes] | None:  # noqa: FBT001  see KeySource
        """The keys, those of the first file first; None if no file has changed since the last call."""
        try:
            now = tuple((s.st_ino, s.st_mtime_ns, s.st_size) for s in (p.stat() for p in self._paths))
        except OSError as error:
            raise KeyFileError("key-file", f"A key file can't be read: {error.strerror}.") from None
        if now == self._seen and not wanted:
            return None
        keys = [key for path in self._paths for key in read(path)]
        self._seen = now
        return keys
