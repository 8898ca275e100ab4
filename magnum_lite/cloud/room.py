"""What is left of a project's quotas, asked for by the service user: for changes that no user waits for."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from magnum_lite.cloud.lookups import Allowance, Flavor, Lookups
from magnum_lite.context import Context


class Room:
    """``session_for`` as in ``cloud.sessions``."""

    def __init__(self, lookups: Lookups, session_for: Callable[[str | None], Any]) -> None:
        self._lookups = lookups
        self._session_for = session_for

    def flavor(self, project_id: str, ident: str) -> Flavor:
        """Raises NotFound, Ambiguous, Forbidden, Unavailable."""
        return self._lookups.flavor(self._as_service(project_id), ident)

    def left(self, project_id: str, wanted: Collection[str]) -> Mapping[str, Allowance]:
        """See ``Lookups.room``."""
        return self._lookups.room(self._as_service(project_id), wanted)

    def _as_service(self, project_id: str) -> Context:
        return Context(user_id="", project_id=project_id, auth=self._session_for(project_id).auth)
