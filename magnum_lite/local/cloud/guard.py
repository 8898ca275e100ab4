"""Keystone's middleware in front of the APIs, each under its own type: the access rules of an application
credential name it, and are refused where a service does not know its own.
"""

from collections.abc import Callable, Iterable
from typing import Any

from keystonemiddleware import auth_token

from magnum_lite.local.cloud.settings import CloudSettings

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
_TYPES = {"volume": "volumev3"}  # the other APIs are called as their types


def guarded(inside: Wsgi, settings: CloudSettings, apis: Iterable[str]) -> Wsgi:
    """``inside`` behind auth_token; ``apis`` are first parts of paths."""
    options = {
        "auth_type": "password",
        "auth_url": settings.keystone_url,
        "www_authenticate_uri": settings.keystone_url,
        "username": settings.username,
        "password": settings.password,
        "user_domain_name": settings.domain_name,
        "project_name": settings.project_name,
        "project_domain_name": settings.domain_name,
        "interface": "public",
        "service_token_roles_required": True,
        "http_connect_timeout": 10,
    }
    known = {
        api: auth_token.AuthProtocol(inside, options | {"service_type": _TYPES.get(api, api)}) for api in apis
    }
    others = auth_token.AuthProtocol(inside, options)

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        api = str(environ.get("PATH_INFO", "")).strip("/").partition("/")[0]
        found: Iterable[bytes] = known.get(api, others)(environ, start_response)
        return found

    return serve
