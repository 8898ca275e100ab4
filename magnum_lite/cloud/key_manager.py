"""Keys that lie in a key manager (Barbican, Vault), through castellan (an extra of the package)."""

from typing import Any, Protocol

from magnum_lite.errors import Unavailable

KIND = "key-manager"
_BITS = 256


class KeyManager(Protocol):
    """What is needed of one."""

    def fetch(self, ident: str) -> bytes:
        """A key's bytes. Raises Unavailable."""

    def create(self, name: str) -> str:
        """Make a new random key of 256 bits; its id. Raises Unavailable."""


class CastellanKeys:
    """As the service user; which manager it is, and where, say castellan's own sections of the configuration
    (``[key_manager]``, ``[barbican]``, ``[vault]``).
    """

    def __init__(self, conf: Any) -> None:
        try:
            from castellan import key_manager
            from castellan.common import exception
            from castellan.common.credentials import keystone_password
        except ImportError:
            raise Unavailable(KIND) from None
        user = conf.service_user
        self._failures = (exception.CastellanException, exception.KeyManagerError, OSError)
        self._manager = key_manager.API(conf)
        self._context = keystone_password.KeystonePassword(
            user.password,
            auth_url=user.auth_url,
            username=user.username,
            user_domain_name=user.user_domain_name,
            project_name=user.project_name,
            project_domain_name=user.project_domain_name,
        )

    def fetch(self, ident: str) -> bytes:
        """See `KeyManager`."""
        try:
            return bytes(self._manager.get(self._context, ident).get_encoded())
        except self._failures as error:
            raise Unavailable(KIND) from error

    def create(self, name: str) -> str:
        """See `KeyManager`."""
        try:
            return str(self._manager.create_key(self._context, "AES", _BITS, name=name))
        except self._failures as error:
            raise Unavailable(KIND) from error
