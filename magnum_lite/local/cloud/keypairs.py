"""SSH key pairs, per user as in Nova: imported, or made here and shown once."""

import base64
import hashlib
import re
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import bad_request, conflict, not_found
from magnum_lite.local.cloud.stamps import new_id, now
from magnum_lite.local.cloud.store import Record, Store

_NAME = re.compile(r"[\w@. -]{1,255}")


class KeyPairs:
    """The key pairs of all users. A record's project is its user."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, user: str) -> list[Record]:
        """A user's key pairs."""
        return self._store.list("keypair", user)

    def find(self, user: str, name: str) -> Record:
        """A user's key pair. Raises Fault 404."""
        for record in self.list(user):
            if record["name"] == name:
                return record
        raise not_found("keypair", name)

    def create(self, call: Call, body: dict[str, Any]) -> tuple[Record, str | None]:
        """A new key pair, and its private key (PEM) when no public key was given.
        Raises Fault 400, 409.
        """
        name = reading.needed(body, "name")
        if not _NAME.fullmatch(name) or name != name.strip():
            raise bad_request("Keypair data is invalid: Keypair name contains unsafe characters")
        if body.get("type") not in (None, "ssh"):
            raise bad_request("Keypair data is invalid: only type ssh is supported")
        public, private = reading.text(body, "public_key", limit=16384), None
        if not public:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            encoding = serialization.Encoding
            private = key.private_bytes(
                encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            ).decode()
            public = (
                key.public_key().public_bytes(encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
            )
        record = {
            "id": new_id(),
            "project_id": call.user,
            "name": name,
            "public_key": public,
            "fingerprint": _fingerprint(public),
            "created_at": now(),
        }
        with self._store.transaction():
            if any(known["name"] == name for known in self.list(call.user)):
                raise conflict(f"Key pair '{name}' already exists.")
            self._store.put("keypair", record)
        return record, private

    def delete(self, user: str, name: str) -> None:
        """Forget a key pair. Raises Fault 404."""
        self._store.delete("keypair", self.find(user, name)["id"])


def _fingerprint(public: str) -> str:
    """The MD5 of the key's blob, as Nova shows it. Raises Fault 400 for what is no public key."""
    try:
        serialization.load_ssh_public_key(public.strip().encode())
        digest = hashlib.md5(base64.b64decode(public.split()[1]), usedforsecurity=False).hexdigest()
    except (ValueError, IndexError, UnsupportedAlgorithm) as error:
        raise bad_request("Keypair data is invalid: failed to generate fingerprint") from error
    return ":".join(re.findall("..", digest))
