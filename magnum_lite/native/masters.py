"""What every engine's client keeps of a bay: where its masters are, and the TLS by which they are asked."""

import abc
from collections.abc import Sequence
from typing import Self

from magnum_lite.native.tls import client_context

CONNECT_SECONDS = 5
READ_SECONDS = 20


class Masters(abc.ABC):
    """The masters of one bay. ``addresses`` are ``host:port``, tried in this order from the one that answered
    last; keys and certificates are PEM texts and stay in memory. Not for sharing between threads. Raises
    `EngineUnreachable` if a PEM can't be used.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        ca_pem: str,
        cert_pem: str,
        key_pem: str,
        *,
        time_limit: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        self._context = client_context(ca_pem, cert_pem, key_pem)
        self._addresses = list(addresses)
        self._time_limit = time_limit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Close all connections."""

    def _answered(self, address: str) -> None:
        self._addresses.remove(address)
        self._addresses.insert(0, address)
