"""What the cloud says of servers, a whole project at a time: of nodes that say nothing themselves."""

from collections.abc import Callable, Mapping
from typing import Any

from keystoneauth1 import exceptions as ka

from magnum_lite.errors import Unavailable

_SECONDS = 20
_PAGE = 500


class Servers:
    """``session_for`` as in ``cloud.sessions``."""

    def __init__(self, session_for: Callable[[str | None], Any], interface: str, region: str | None) -> None:
        self._session_for = session_for
        self._where = {"service_type": "compute", "interface": interface, "region_name": region}

    def states(self, project_id: str) -> Mapping[str, str]:
        """Server id → status (``ACTIVE``, ``SHUTOFF``, ``ERROR: why``…) of all servers of a project. Raises
        Unavailable: half a list would call servers gone that are there.
        """
        found: dict[str, str] = {}
        marker: dict[str, str] = {}
        while True:
            page = self._page(project_id, {"limit": str(_PAGE), **marker})
            found |= {server["id"]: _state(server) for server in page}
            if not page:
                return found
            marker = {"marker": page[-1]["id"]}

    def _page(self, project_id: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            answer = self._session_for(project_id).get(
                "/servers/detail", params=dict(query), endpoint_filter=self._where, timeout=_SECONDS
            )
            servers: list[dict[str, Any]] = answer.json()["servers"]
        except (ka.ClientException, ValueError, KeyError) as error:
            raise Unavailable("compute") from error
        return servers


def _state(server: Mapping[str, Any]) -> str:
    status = str(server.get("status") or "UNKNOWN")
    why = (server.get("fault") or {}).get("message") if status == "ERROR" else None
    return f"{status}: {why}"[:250] if why else status
