"""Just enough of an identity service for keystoneauth to log in and find `memory_http`: passwords, scopes, a
catalogue. It knows one user and every project; nobody should take it for Keystone.
"""

import base64
import binascii
import datetime as dt
import hmac
import json
import time
import uuid
from typing import Any

from magnum_lite.orchestration.memory_answers import fault_body

Answer = tuple[int, Any, dict[str, str]]
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LIFETIME = 3600.0


def project_named(name: str) -> str:
    """The id of the project that a scope names."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, name).hex


class Identity:
    """Tokens carry what they say, signed with the password, so that they outlive the process."""

    def __init__(self, username: str, password: str, service_project: str) -> None:
        self._username, self._password = username, password
        self.service_project = project_named(service_project)

    def answer(self, method: str, path: str, body: Any, base: str) -> Answer:
        """What is served under ``/v3``."""
        if (method, path) == ("POST", "/v3/auth/tokens"):
            return self._log_in(body, base)
        if method == "GET" and path in {"/v3", "/v3/"}:
            links = [{"rel": "self", "href": f"{base}/v3/"}]
            return 200, {"version": {"id": "v3.14", "status": "stable", "links": links}}, {}
        return 404, fault_body("NotFound", 404, "Nothing is served here."), {}

    def _log_in(self, body: Any, base: str) -> Answer:
        try:
            asked = body["auth"]
            user = asked["identity"]["password"]["user"]
            project = asked["scope"]["project"]
            known = (str(user["name"]), str(user["password"])) == (self._username, self._password)
            project_id = project.get("id") or project_named(project["name"])
        except (KeyError, TypeError, AttributeError):
            return 400, fault_body("BadRequest", 400, "A password and a project scope are needed."), {}
        if not known:
            return (
                401,
                fault_body("Unauthorized", 401, "The request you have made requires authentication."),
                {},
            )
        ends = time.time() + _LIFETIME
        token = self._token(project_id, ends)
        return 201, {"token": self._told(project_id, ends, base)}, {"X-Subject-Token": token}

    def _token(self, project_id: str, ends: float) -> str:
        text = base64.urlsafe_b64encode(json.dumps([project_id, ends]).encode()).decode()
        return f"{text}.{self._signature(text)}"

    def _signature(self, text: str) -> str:
        return hmac.new(self._password.encode(), text.encode(), "sha256").hexdigest()

    def project_of(self, token: str) -> str | None:
        """The project that a token is for; None for one that is not ours or has ended."""
        text, _, signature = token.partition(".")
        if not hmac.compare_digest(signature, self._signature(text)):
            return None
        try:
            project_id, ends = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error):
            return None
        return str(project_id) if ends > time.time() else None

    def _told(self, project_id: str, ends: float, base: str) -> dict[str, Any]:
        domain = {"id": "default", "name": "Default"}
        endpoint = {"region": "RegionOne", "region_id": "RegionOne", "url": f"{base}/v1/{project_id}"}
        kinds = ("public", "internal", "admin")
        return {
            "methods": ["password"],
            "issued_at": dt.datetime.now(dt.UTC).strftime(_TIME),
            "expires_at": dt.datetime.fromtimestamp(ends, dt.UTC).strftime(_TIME),
            "user": {"id": project_named(self._username), "name": self._username, "domain": domain},
            "project": {"id": project_id, "name": project_id, "domain": domain},
            "roles": [{"id": "member", "name": "member"}],
            "catalog": [
                {
                    "id": "heat",
                    "type": "orchestration",
                    "name": "heat",
                    "endpoints": [endpoint | {"id": kind, "interface": kind} for kind in kinds],
                }
            ],
        }
