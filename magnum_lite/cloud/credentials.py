"""Application credentials of the service user, each for one project: made, found, removed. Keystone tells a
secret once, to whoever makes the credential.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from keystoneauth1 import exceptions as ka

from magnum_lite.cloud.inventory import Thing
from magnum_lite.errors import Unavailable
from magnum_lite.models.access import Rule

_SECONDS = 60


class CredentialRefused(Exception):
    """Keystone does not make it, as it is asked for; ``reason`` in its words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CredentialExists(CredentialRefused):
    """There is one of this name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A new one."""

    id: str
    secret: str = dataclasses.field(repr=False)


class Credentials(Protocol):
    """The port; `cloud.memory.MemoryCredentials` is its twin. All raise Unavailable."""

    def all(self) -> list[Thing]:
        """Of the service user, for whatever project."""

    def named(self, name: str) -> list[Thing]:
        """Those of this name: one at most."""

    def make(self, project_id: str, name: str, roles: Sequence[str], access: Sequence[Rule]) -> Made:
        """One that can make no other. Raises CredentialRefused, and CredentialExists."""

    def remove(self, ident: str) -> None:
        """One that is gone is fine. Its tokens end with it."""


class CloudCredentials:
    """The real one. ``session_for`` as in ``cloud.sessions``."""

    def __init__(self, session_for: Callable[[str | None], Any], interface: str, region: str | None) -> None:
        self._session_for = session_for
        self._where = {"service_type": "identity", "interface": interface, "region_name": region}

    def all(self) -> list[Thing]:
        """See `Credentials`."""
        return self._found({})

    def named(self, name: str) -> list[Thing]:
        """See `Credentials`."""
        return self._found({"name": name})

    def _found(self, wanted: dict[str, str]) -> list[Thing]:
        found = _body(self._call(None, "GET", params=wanted), "application_credentials")
        return [Thing(item["id"], item["name"], item["project_id"]) for item in found]

    def make(self, project_id: str, name: str, roles: Sequence[str], access: Sequence[Rule]) -> Made:
        """See `Credentials`. Keystone takes the project from the token."""
        if not access:  # for Keystone no rules are no limits
            raise CredentialRefused("It would have no access rules.")
        wanted = {
            "name": name,
            "description": "A cluster's own, of Magnum Lite: it goes with the cluster.",
            "roles": [{"name": role} for role in roles],
            "unrestricted": False,
            "access_rules": [rule.to_json() for rule in access],
        }
        answer = self._call(project_id, "POST", json={"application_credential": wanted})
        if answer.status_code == 409:
            raise CredentialExists(_reason(answer))
        if answer.status_code >= 400:
            raise CredentialRefused(_reason(answer))
        made = _body(answer, "application_credential")
        return Made(made["id"], made["secret"])

    def remove(self, ident: str) -> None:
        """See `Credentials`."""
        answer = self._call(None, "DELETE", f"/{ident}")
        if answer.status_code not in {204, 404}:
            raise Unavailable("identity")

    def _call(self, project_id: str | None, method: str, path: str = "", **more: Any) -> Any:
        """Keystone's answer to what was asked of it, whatever it says; without one: Unavailable."""
        try:
            session = self._session_for(project_id)
            base = str(session.get_endpoint(**self._where) or "").rstrip("/")
            version = "" if base.endswith("/v3") else "/v3"
            url = f"{base}{version}/users/{session.get_user_id()}/application_credentials{path}"
            answer = session.request(url, method, raise_exc=False, timeout=_SECONDS, **more)
        except ka.ClientException as error:
            raise Unavailable("identity") from error
        if answer.status_code >= 500 or answer.status_code in {401, 429}:
            raise Unavailable("identity")
        return answer


def _body(answer: Any, key: str) -> Any:
    try:
        return answer.json()[key]
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable("identity") from error


def _reason(answer: Any) -> str:
    try:
        return str(answer.json()["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"Keystone answers {answer.status_code}."
