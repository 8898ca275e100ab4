"""What there is in Nova and Keystone under the service user's eyes, for audits: projects, their servers."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from keystoneauth1 import exceptions as ka

from magnum_lite.errors import Unavailable

_SECONDS = 60
_PAGE = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Thing:
    """A server or an application credential. ``project_id`` is where it is."""

    id: str
    name: str
    project_id: str


class Inventory(Protocol):
    """The port; `MemoryInventory` is its twin. All raise Unavailable."""

    def projects(self) -> list[str]:
        """Where the service user may act, by Keystone's word."""

    def servers(self, project_id: str) -> list[Thing]:
        """All of a project."""

    def remove_server(self, project_id: str, ident: str) -> None:
        """One that is gone is fine."""


class CloudInventory:
    """The real one. ``session_for`` as in ``cloud.sessions``."""

    def __init__(self, session_for: Callable[[str | None], Any], interface: str, region: str | None) -> None:
        self._session_for = session_for
        self._where = {"interface": interface, "region_name": region}

    def projects(self) -> list[str]:
        """See `Inventory`."""
        found = self._json("identity", None, "/v3/auth/projects")["projects"]
        return [item["id"] for item in found if item.get("enabled", True)]

    def servers(self, project_id: str) -> list[Thing]:
        """See `Inventory`."""
        out: list[Thing] = []
        while True:
            marker = f"&marker={out[-1].id}" if out else ""
            page = self._json("compute", project_id, f"/servers?limit={_PAGE}{marker}")["servers"]
            out += [Thing(item["id"], item["name"], project_id) for item in page]
            if len(page) < _PAGE:
                return out

    def remove_server(self, project_id: str, ident: str) -> None:
        """See `Inventory`."""
        self._delete("compute", project_id, f"/servers/{ident}")

    def _options(self, service: str) -> dict[str, Any]:
        return {"endpoint_filter": {"service_type": service, **self._where}, "timeout": _SECONDS}

    def _json(self, service: str, project_id: str | None, path: str) -> dict[str, Any]:
        with _named(service):
            session = self._session_for(project_id)
            return dict(session.get(self._path(session, service, path), **self._options(service)).json())

    def _delete(self, service: str, project_id: str, path: str) -> None:
        with _named(service):
            session = self._session_for(project_id)
            try:
                session.delete(self._path(session, service, path), **self._options(service))
            except ka.NotFound:
                return

    def _path(self, session: Any, service: str, path: str) -> str:
        """Catalogues name Keystone with its version or without."""
        base = str(session.get_endpoint(service_type=service, **self._where) or "")
        return path.removeprefix("/v3") if base.rstrip("/").endswith("/v3") else path


class _named:  # noqa: N801  a context manager
    """Whatever keystoneauth raises is the service's absence."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ka.ClientException | ValueError | KeyError):
            raise Unavailable(self._service) from error
