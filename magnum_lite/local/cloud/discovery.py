"""Version documents, which clients read without a token, and the microversions that follow from
them: only low ones are answered, so clients send what every release had. Compute goes up to 2.15,
which server groups with soft policies need; what lies between changed nothing that is served here.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

from magnum_lite.local.cloud.faults import Fault

OFFERED = {"compute": ("2.1", "2.15"), "volume": ("3.0", "3.0")}  # lowest, highest
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def front(guarded: Wsgi, engine_alive: Callable[[], bool]) -> Wsgi:
    """Answer version documents and ``/healthcheck``; everything else goes on."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        path = str(request.path_info).rstrip("/")
        if request.method in {"GET", "HEAD"}:
            if path == "/healthcheck":
                alive = engine_alive()
                return _json(200 if alive else 503, {"engine": "up" if alive else "down"})(
                    environ, start_response
                )
            if found := _document(path, str(request.host_url)):
                return _json(*found)(environ, start_response)
        return guarded(environ, start_response)

    return serve


def check_microversion(request: Any) -> None:
    """Raises Fault 406 for a microversion that the version document does not offer."""
    wanted = request.headers.get("OpenStack-API-Version", "")
    service, _, version = wanted.partition(" ")
    if not version:
        service, version = "compute", request.headers.get("X-OpenStack-Nova-API-Version", "")
    api = {"compute": "compute", "volume": "volume"}.get(service)
    if api is None or version in {"", "latest"} or not str(request.path_info).startswith(f"/{api}/"):
        return
    low, high = OFFERED[api]
    if not re.fullmatch(r"\d\.\d{1,3}", version) or not _number(low) <= _number(version) <= _number(high):
        raise Fault(
            406, f"Version {version} is not supported by the API. Minimum is {low} and maximum is {high}."
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def version_headers(request: Any, api: str) -> dict[str, str]:
    """The headers that say which microversion an answer has: the one that was asked for."""
    if api not in OFFERED:
        return {}
    low, high = OFFERED[api]
    service, _, version = request.headers.get("OpenStack-API-Version", "").partition(" ")
    if service != api or not version:
        version = request.headers.get("X-OpenStack-Nova-API-Version", "") if api == "compute" else ""
    version = {"": low, "latest": high}.get(version, version)
    headers = {"OpenStack-API-Version": f"{api} {version}", "Vary": "OpenStack-API-Version"}
    return headers | ({"X-OpenStack-Nova-API-Version": version} if api == "compute" else {})


def _document(path: str, url: str) -> tuple[int, dict[str, Any]] | None:
    def link(where: str) -> list[dict[str, str]]:
        return [{"rel": "self", "href": url + where}]

    nova = {
        "id": "v2.1",
        "status": "CURRENT",
        "version": OFFERED["compute"][1],
        "min_version": OFFERED["compute"][0],
        "updated": "2013-07-23T11:33:21Z",
        "links": link("/compute/v2.1/"),
    }
    cinder = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": "3.0",
        "min_version": "3.0",
        "updated": "2018-07-17T00:00:00Z",
        "links": link("/volume/v3/"),
    }
    glance = {"id": "v2.9", "status": "CURRENT", "links": link("/image/v2/")}
    neutron = {"id": "v2.0", "status": "CURRENT", "links": link("/network/v2.0/")}
    octavia = {"id": "v2.0", "status": "CURRENT", "links": link("/load-balancer/v2")}
    documents: dict[str, tuple[int, dict[str, Any]]] = {
        "/compute": (200, {"versions": [nova]}),
        "/compute/v2.1": (200, {"version": nova}),
        "/volume": (300, {"versions": [cinder]}),  # cinderclient insists on 300
        "/volume/v3": (200, {"versions": [cinder]}),
        "/image": (300, {"versions": [glance]}),
        "/image/versions": (200, {"versions": [glance]}),
        "/network": (200, {"versions": [neutron]}),
        "/network/v2.0": (200, {"resources": []}),
        "/load-balancer": (200, {"versions": [octavia]}),
        "/load-balancer/v2": (200, {"versions": [octavia]}),
        "/load-balancer/v2.0": (200, {"versions": [octavia]}),
    }
    return documents.get(path)


def _json(status: int, body: dict[str, Any]) -> Any:
    return Response(status=status, content_type="application/json", body=json.dumps(body).encode())
