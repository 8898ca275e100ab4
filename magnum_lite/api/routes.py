"""The one routing table: every URL that the API serves, on one screen."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from magnum_lite.api.call import Answer
from magnum_lite.api.controllers import certificates, cluster_templates, clusters, labels, root
from magnum_lite.api.dialects import CLUSTERS, DIALECTS, Dialect
from magnum_lite.api.errors import NoSuchMethod, NoSuchPath
from magnum_lite.api.paging import ARGUMENTS as PAGING
from magnum_lite.api.versions import MAXIMUM, MINIMUM, NotAcceptable, Version

Handler = Callable[..., Answer]
_EVENTS = frozenset({"marker", "limit"})


@dataclasses.dataclass(frozen=True)
class Route:
    """``path`` below ``/v1``; parts in braces are arguments. ``query``: the arguments that are known."""

    method: str
    path: tuple[str, ...]
    handler: Handler
    dialect: Dialect = CLUSTERS
    query: frozenset[str] = frozenset()
    since: Version = MINIMUM
    until: Version = MAXIMUM
    public: bool = False


def _for_dialect(d: Dialect) -> Iterator[Route]:
    c, t = d.clusters, d.templates

    def at(method: str, path: str, handler: Handler, **more: Any) -> Route:
        return Route(method, tuple(path.split("/")), handler, d, **more)

    yield at("GET", t, cluster_templates.index, query=PAGING)
    yield at("POST", t, cluster_templates.create)
    yield at("GET", f"{t}/detail", cluster_templates.detail, query=PAGING)
    yield at("GET", f"{t}/{{ident}}", cluster_templates.show)
    yield at("PATCH", f"{t}/{{ident}}", cluster_templates.update)
    yield at("DELETE", f"{t}/{{ident}}", cluster_templates.delete)
    yield at("GET", c, clusters.index, query=PAGING)
    yield at("POST", c, clusters.create)
    yield at("GET", f"{c}/detail", clusters.detail, query=PAGING)
    yield at("GET", f"{c}/{{ident}}", clusters.show)
    yield at("PATCH", f"{c}/{{ident}}", clusters.update, query=frozenset({"rollback"}))
    yield at("DELETE", f"{c}/{{ident}}", clusters.delete)
    yield at("GET", f"{c}/{{ident}}/events", clusters.events, query=_EVENTS)
    yield at("GET", f"{c}/{{ident}}/nodes", clusters.nodes)
    yield at("GET", f"{c}/{{ident}}/logs", clusters.logs)
    yield at("POST", f"{c}/{{ident}}/actions/logs", clusters.ask_logs)
    # openstacksdk sends no microversion, so these two are served at every one
    yield at("POST", f"{c}/{{ident}}/actions/resize", clusters.resize_action)
    yield at("POST", f"{c}/{{ident}}/actions/upgrade", clusters.upgrade_action)


ROUTES: tuple[Route, ...] = (
    *(r for d in DIALECTS for r in _for_dialect(d)),
    Route("GET", ("certificates", "{ident}"), certificates.show, query=frozenset({"ca_cert_type"})),
    Route("POST", ("certificates",), certificates.create),
    Route("GET", ("certificates", "{ident}", "issued"), certificates.issued),
    Route("GET", ("labels",), labels.index),
    Route("GET", (), root.v1, public=True),
)
ROOT = Route("GET", (), root.root, public=True)


def _matches(route: Route, parts: tuple[str, ...]) -> bool:
    return len(route.path) == len(parts) and all(
        want == got or (want[:1] == "{" and got) for want, got in zip(route.path, parts, strict=True)
    )


def candidates(path: str) -> tuple[tuple[Route, ...], tuple[str, ...]]:
    """Routes of every method for a path, and its arguments; a fixed word wins over an argument."""
    parts = tuple(path.strip("/").split("/")) if path.strip("/") else ()
    if not parts:
        return (ROOT,), ()
    parts = parts[1:] if parts[0] == "v1" else parts
    found = [r for r in ROUTES if _matches(r, parts)]
    if found:
        fewest = min(sum(p[:1] == "{" for p in r.path) for r in found)
        found = [r for r in found if sum(p[:1] == "{" for p in r.path) == fewest]
        arguments = tuple(g for w, g in zip(found[0].path, parts, strict=True) if w[:1] == "{")
        return tuple(found), arguments
    return (), ()


def choose(method: str, found: tuple[Route, ...], version: Version) -> Route:
    """The route of a method. Raises NoSuchPath, NoSuchMethod, NotAcceptable."""
    if not found:
        raise NoSuchPath("Nothing is served at this path.")
    for route in found:
        if route.method == method:
            if not route.since <= version <= route.until:
                raise NotAcceptable("This method is not available in the requested microversion.")
            return route
    raise NoSuchMethod(method, sorted({r.method for r in found}))
