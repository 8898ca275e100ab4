"""The service user's sessions, one per tenant's project, with cached tokens."""

import threading
from typing import Any

from keystoneauth1 import exceptions as ka
from keystoneauth1 import session as ks
from keystoneauth1.identity import v3

from magnum_lite.errors import Unavailable


class ServiceSessions:
    """``session_for(project_id)``: a keystoneauth session of the conductor's own user, scoped to that
    project (None: to the service's own). The inherited ``member`` role lets it in everywhere.
    """

    def __init__(self, conf: Any) -> None:
        self._conf = conf.service_user
        self._lock = threading.Lock()
        self._sessions: dict[str | None, Any] = {}

    def session_for(self, project_id: str | None) -> Any:
        """Cached; the token is renewed by keystoneauth before it ends."""
        with self._lock:
            if project_id not in self._sessions:
                self._sessions[project_id] = self._make(project_id)
            return self._sessions[project_id]

    def _make(self, project_id: str | None) -> Any:
        scope: dict[str, Any] = {"project_id": project_id}
        if project_id is None:
            scope = {
                "project_name": self._conf.project_name,
                "project_domain_name": self._conf.project_domain_name,
            }
        auth = v3.Password(
            auth_url=self._conf.auth_url,
            username=self._conf.username,
            password=self._conf.password,
            user_domain_name=self._conf.user_domain_name,
            **scope,
        )
        return ks.Session(auth=auth, verify=self._conf.cafile or True, timeout=60)

    def may_act_in(self, project_id: str) -> bool:
        """Whether Keystone lets the service user into this project. Raises Unavailable."""
        try:
            self.session_for(project_id).get_token()
        except (ka.Unauthorized, ka.Forbidden):
            return False
        except ka.ClientException as error:
            raise Unavailable("identity") from error
        return True
