"""Passwords and keys of one instance: random, made once, each in a file of its own that only root reads.

A file appears with its whole content or not at all: it is written under another name with O_EXCL
and linked into place, so that neither a kill nor a second process leaves half a secret.
"""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

DIRECTORY = "secrets"
PASSWORD_BYTES = 24


def password(state_dir: Path, name: str) -> str:
    """The password called ``name``: 32 characters, safe in URLs, INI and YAML."""
    return once(state_dir / DIRECTORY / name, _new_password).strip()


def key_file(state_dir: Path, name: str) -> Path:
    """A file with 32 random bytes in base64, for a key-encryption key."""
    path = state_dir / DIRECTORY / name
    once(path, lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    return path


def once(path: Path, make: Callable[[], str]) -> str:
    """The text of a 0600 file, made on the first call; of two makers at once, one wins."""
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(make() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()


def _new_password() -> str:
    # A leading "-" would read as an option, a leading "$" is expanded by oslo.config.
    while (candidate := secrets.token_urlsafe(PASSWORD_BYTES)).startswith(("-", "_")):
        pass
    return candidate
