"""Mutual TLS for the docker SDK without key files on a disk.

OpenSSL, as Python binds it, reads a client's key from a path only; a memfd has one and no disk behind it.
The context is the whole of what is trusted: requests would otherwise add the machine's public CAs to it.
"""

import os
import ssl
from typing import Any

from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter


def client_context(ca_pem: str, cert_pem: str, key_pem: str) -> ssl.SSLContext:
    """A TLS 1.2+ client context that trusts this CA only and shows this certificate. Raises ssl.SSLError if
    a PEM is damaged or the key is another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    memory = os.memfd_create("client", os.MFD_CLOEXEC)
    with os.fdopen(memory, "wb") as file:
        file.write(f"{cert_pem.strip()}\n{key_pem.strip()}\n".encode())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


class _ContextAdapter(HTTPAdapter):
    """Connections that use one SSL context, whatever the session or the environment says of trust."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:  # noqa: ARG002
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the pool alone: its context decides."""


class ContextTLS(TLSConfig):
    """The docker SDK's hook for TLS settings, used to mount our adapter before its first request."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=True)
        self._context = context

    def configure_client(self, client: Any) -> None:
        """Called by the SDK's client while it is being made."""
        client.trust_env = False  # no proxy, no CA bundle, no .netrc of the conductor's own machine
        client.proxies = {}
        client.mount("https://", _ContextAdapter(self._context))
