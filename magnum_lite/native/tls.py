"""Mutual TLS for requests and the docker SDK, which is built on it, without key files on a disk.

OpenSSL, as Python binds it, reads a client's key from a path only; a memfd has one and no disk behind it.
The context is the whole of what is trusted: requests would otherwise add the machine's public CAs to it.

Who is root on a manager answers in the engine's place, with the engine's certificate. So a client here goes
where it was sent and nowhere else (no redirect, no plain HTTP), and reads no more than an engine would say.
"""

import os
import ssl
import time
from typing import Any

import requests
from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from magnum_lite.native.engine import EngineUnreachable

# A swarm of 1,000 nodes lists itself in about 3 MB.
MOST_BYTES = 32 * 1024 * 1024
MOST_SECONDS = 60.0


class TooMuch(requests.exceptions.RequestException):
    """An answer that does not end."""


def client_context(ca_pem: str, cert_pem: str, key_pem: str) -> ssl.SSLContext:
    """A TLS 1.2+ client context that trusts this CA only and shows this certificate. Raises EngineUnreachable
    if a PEM is damaged or the key is another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    memory = os.memfd_create("client", os.MFD_CLOEXEC)
    with os.fdopen(memory, "wb") as file:
        file.write(f"{cert_pem.strip()}\n{key_pem.strip()}\n".encode())
        file.flush()
        try:
            context.load_verify_locations(cadata=ca_pem)
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except (ssl.SSLError, ValueError):  # ValueError: an empty CA
            raise EngineUnreachable("The bay's certificate or key can't be used.") from None
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

    def send(self, request: Any, *arguments: Any, **more: Any) -> Any:
        """The whole answer, within limits. Raises `TooMuch`."""
        request.headers["Accept-Encoding"] = "identity"  # what is packed may be endless when unpacked
        response = super().send(request, *arguments, **{**more, "stream": True})
        until, read = time.monotonic() + MOST_SECONDS, bytearray()
        try:
            while piece := response.raw.read1(65536, decode_content=False):
                read += piece
                if len(read) > MOST_BYTES or time.monotonic() > until:
                    raise TooMuch("The answer is too long.", request=request)
        except HTTPError as error:  # urllib3's own, which only requests' way of reading would translate
            raise requests.exceptions.ConnectionError(error, request=request) from error
        finally:
            if not response.raw.closed:
                response.close()  # not at its end: nobody else may use this connection
        response._content = bytes(read)  # noqa: SLF001  where requests itself keeps what it has read
        return response


class _Nowhere(HTTPAdapter):
    """Plain HTTP."""

    def send(self, request: Any, *_arguments: Any, **_more: Any) -> Any:
        raise requests.exceptions.InvalidSchema("An engine is asked over TLS only.", request=request)


def client_session(context: ssl.SSLContext) -> requests.Session:
    """HTTPS by this context and nothing else."""
    session = requests.Session()
    _confine(session, context)
    return session


def _confine(session: requests.Session, context: ssl.SSLContext) -> None:
    session.trust_env = False  # no proxy, no CA bundle, no .netrc of the conductor's own machine
    session.proxies = {}
    session.max_redirects = 0
    session.mount("http://", _Nowhere())
    session.mount("https://", _ContextAdapter(context))


class ContextTLS(TLSConfig):
    """The docker SDK's hook for TLS settings, used to mount our adapter before its first request."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=True)
        self._context = context

    def configure_client(self, client: Any) -> None:
        """Called by the SDK's client while it is being made."""
        _confine(client, self._context)
