"""Who asks: the facts that keystonemiddleware established about one request."""

import contextlib
import dataclasses
import re
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Self

_REQUEST: ContextVar[str] = ContextVar("request", default="")
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """``auth`` is the caller's own token as a keystoneauth plug-in. It is used during the request
    for look-ups and never stored, logged or sent over RPC.
    """

    user_id: str
    project_id: str
    roles: frozenset[str] = frozenset()
    user_name: str = ""
    domain_id: str = ""
    request_id: str = ""
    auth: Any = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def is_admin(self) -> bool:
        """Upstream's ``context_is_admin`` rule."""
        return "admin" in self.roles

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Read what auth_token put into a WSGI environ; it strips the same headers from the wire."""
        roles = environ.get("HTTP_X_ROLES", "")
        return cls(
            user_id=environ.get("HTTP_X_USER_ID", ""),
            project_id=environ.get("HTTP_X_PROJECT_ID", ""),
            roles=frozenset(r.strip().lower() for r in roles.split(",") if r.strip()),
            user_name=environ.get("HTTP_X_USER_NAME", ""),
            domain_id=environ.get("HTTP_X_USER_DOMAIN_ID", ""),
            request_id=environ.get("magnum_lite.request_id", ""),
            auth=environ.get("keystone.token_auth"),
        )

    def to_policy(self) -> dict[str, Any]:
        """Credentials in the form that oslo.policy compares."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "roles": sorted(self.roles),
            "is_admin": self.is_admin,
        }

    def to_wire(self) -> dict[str, Any]:
        """What travels over RPC: identity, no token."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "roles": sorted(self.roles),
            "user_name": self.user_name,
            "request_id": self.request_id,
        }

    @classmethod
    def from_wire(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_wire`; unknown keys are of a newer sender and ignored."""
        return cls(
            user_id=values.get("user_id", ""),
            project_id=values.get("project_id", ""),
            roles=frozenset(values.get("roles", ())),
            user_name=values.get("user_name", ""),
            request_id=values.get("request_id", ""),
        )


def request_id(proposed: str | None) -> str:
    """Take over a well-formed id of the caller, else make one."""
    if proposed and _REQUEST_ID.fullmatch(proposed):
        return proposed
    return f"req-{uuid.uuid4()}"


def current_request() -> str:
    """The id of the request that is worked on, or an empty text. It goes along with every call of another
    service, as ``X-OpenStack-Request-ID``.
    """
    return _REQUEST.get()


@contextlib.contextmanager
def in_request(ident: str | None) -> Iterator[None]:
    """Within: work on behalf of this request."""
    token = _REQUEST.set(ident or "")
    try:
        yield
    finally:
        _REQUEST.reset(token)
