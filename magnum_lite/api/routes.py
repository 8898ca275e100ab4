"""The one routing table: every URL that the API serves, on one screen."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

from magnum_lite.api.answers import (
    V1,
    Authority,
    Document,
    Federation,
    KnownLabel,
    NodeLogs,
    Signed,
    Versions,
)
from magnum_lite.api.call import Answer
from magnum_lite.api.controllers import (
    certificates,
    clusters,
    federations,
    labels,
    nodegroups,
    openapi,
    operations,
    quotas,
    root,
)
from magnum_lite.api.controllers import cluster_templates as templates
from magnum_lite.api.dialects import CLUSTERS, DIALECTS, Dialect
from magnum_lite.api.errors import NoSuchMethod, NoSuchPath
from magnum_lite.api.paging import ARGUMENTS as PAGING
from magnum_lite.api.shapes import UUID, Answers, Gives, Takes, created, many, one, patched, plain
from magnum_lite.api.versions import MAXIMUM, MINIMUM, NotAcceptable, Version
from magnum_lite.models.actions import Resize, SigningRequest, Upgrade
from magnum_lite.models.certificate import Certificate
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.event import Event
from magnum_lite.models.node import Node
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.quota import NewLimit, Quota, Service, Stats

Handler = Callable[..., Answer]
_EVENTS = frozenset({"marker", "limit"})


@dataclasses.dataclass(frozen=True)
class Route:
    """``path`` below ``/v1``; parts in braces are arguments. ``rules``: the policy rules that it asks.
    ``gives``: the body of every success; ``takes``: the body; ``query``: the arguments that are known.
    ``plans``: with ``?plan=true`` nothing is done, and the answer is a 200 with a ``Plan``.
    What the route is for is its handler's docstring.
    """

    method: str
    path: tuple[str, ...]
    handler: Handler
    rules: tuple[str, ...]
    gives: Answers
    takes: Takes | None = None
    dialect: Dialect = CLUSTERS
    query: frozenset[str] = frozenset()
    since: Version = MINIMUM
    until: Version = MAXIMUM
    public: bool = False
    plans: bool = False


def _at(what: str, handler: Handler, rules: str, gives: Gives | Answers, **more: Any) -> Route:
    """``what``: method and path; ``rules`` with blanks between them; a shape alone is the body of a 200."""
    method, _, path = what.partition(" ")
    parts = tuple(path.split("/")) if path else ()
    every: Answers = {200: gives} if isinstance(gives, Gives) else gives
    if more.get("plans"):
        more["query"] = more.get("query", frozenset()) | {"plan"}
    return Route(method, parts, handler, tuple(rules.split()), every, **more)


# fmt: off
def _for_dialect(d: Dialect) -> Iterator[Route]:
    c, t = d.clusters, d.templates
    at = functools.partial(_at, dialect=d)
    model, bay = one(ClusterTemplate), one(Cluster)
    models = many(ClusterTemplate, t, links=True, paged=True)
    short = many(Cluster, c, summary=True, links=True, paged=True)
    bays = many(Cluster, c, links=True, paged=True)
    made: Answers = {202: UUID, 201: bay} if d.deprecated else {202: UUID}
    changed: Answers = {202: UUID, 200: bay} if d.deprecated else {202: UUID}
    new_model, new_bay = created(ClusterTemplate), created(Cluster)
    patch_model, patch_bay = patched(ClusterTemplate), patched(Cluster)
    asks = "clustertemplate"

    yield at(f"GET {t}", templates.index, f"{asks}:get_all", models, query=PAGING)
    yield at(f"POST {t}", templates.create, f"{asks}:create", {201: model}, takes=new_model)
    yield at(f"GET {t}/detail", templates.detail, f"{asks}:detail", models, query=PAGING)
    t += "/{ident}"
    yield at(f"GET {t}", templates.show, f"{asks}:get", model)
    yield at(f"PATCH {t}", templates.update, f"{asks}:get {asks}:update", model, takes=patch_model)
    yield at(f"DELETE {t}", templates.delete, f"{asks}:delete", {204: None})

    yield at(f"GET {c}", clusters.index, "cluster:get_all", short, query=PAGING)
    yield at(f"POST {c}", clusters.create, "cluster:create", made, takes=new_bay, plans=True)
    yield at(f"GET {c}/detail", clusters.detail, "cluster:detail", bays, query=PAGING)
    c += "/{ident}"
    yield at(f"GET {c}", clusters.show, "cluster:get", bay, query=frozenset({"explain"}))
    yield at(f"PATCH {c}", clusters.update, "cluster:get cluster:update", changed, takes=patch_bay,
             query=frozenset({"rollback"}), plans=True)
    yield at(f"DELETE {c}", clusters.delete, "cluster:delete", {204: None}, plans=True)
    yield at(f"GET {c}/events", clusters.events, "cluster:events", many(Event, "events"), query=_EVENTS)
    yield at(f"GET {c}/nodes", clusters.nodes, "cluster:get", many(Node, "nodes"))
    yield at(f"GET {c}/logs", clusters.logs, "cluster:get", many(NodeLogs, "nodes"))
    yield at(f"POST {c}/actions/logs", clusters.ask_logs, "cluster:update", {202: UUID})
    # openstacksdk sends no microversion, so these two are served at every one
    resize, upgrade = {"takes": plain(Resize), "plans": True}, {"takes": plain(Upgrade), "plans": True}
    c += "/actions"
    yield at(f"POST {c}/resize", clusters.resize_action, "cluster:resize", {202: UUID}, **resize)
    yield at(f"POST {c}/upgrade", clusters.upgrade_action, "cluster:upgrade", {202: UUID}, **upgrade)


def _for_groups() -> Iterator[Route]:
    c = "clusters/{ident}/nodegroups"
    at = functools.partial(_at, since=(1, 9))
    new, change, group = created(NodeGroup), patched(NodeGroup), one(NodeGroup)
    short = many(NodeGroup, "nodegroups", summary=True, paged=True)
    yield at(f"GET {c}", nodegroups.index, "nodegroup:get_all", short, query=PAGING | {"role"})
    yield at(f"POST {c}", nodegroups.create, "nodegroup:create", {202: group}, takes=new, plans=True)
    c += "/{group}"
    yield at(f"GET {c}", nodegroups.show, "nodegroup:get", group)
    yield at(f"PATCH {c}", nodegroups.update, "nodegroup:get nodegroup:update", {202: group}, takes=change,
             plans=True)
    yield at(f"DELETE {c}", nodegroups.delete, "nodegroup:delete", {204: None}, plans=True)


def _for_operators() -> Iterator[Route]:
    q, listed = "quotas/{project}/{resource}", many(Quota, "quotas", paged=True)
    quota, limit = one(Quota, links=False), plain(NewLimit)
    yield _at("GET quotas", quotas.index, "quota:get_all", listed, query=PAGING | {"all_tenants"})
    yield _at("POST quotas", quotas.create, "quota:create", {201: quota}, takes=created(Quota))
    yield _at(f"GET {q}", quotas.show, "quota:get", quota)
    yield _at(f"PATCH {q}", quotas.update, "quota:update", {202: quota}, takes=limit)
    yield _at(f"DELETE {q}", quotas.delete, "quota:delete", {204: None})
    yield _at("GET stats", operations.stats, "stats:get_all", one(Stats, links=False),
              query=frozenset({"project_id", "type"}))
    yield _at("GET mservices", operations.mservices, "magnum-service:get_all", many(Service, "mservices"))
    f, none = "federations", many(Federation, "federations")
    yield _at(f"GET {f}", federations.index, "federation:get_all", none, query=PAGING)
    yield _at(f"GET {f}/detail", federations.detail, "federation:detail", none, query=PAGING)
    yield _at(f"POST {f}", federations.create, "federation:create", {})
    yield _at(f"GET {f}/{{ident}}", federations.show, "federation:get", {})
    yield _at(f"PATCH {f}/{{ident}}", federations.update, "federation:update", {})
    yield _at(f"DELETE {f}/{{ident}}", federations.delete, "federation:delete", {})


ROOT = _at("GET", root.root, "", one(Versions, links=False), public=True)
_ISSUED = many(Certificate, "certificates", paged=True)
ROUTES: tuple[Route, ...] = (
    *(r for d in DIALECTS for r in _for_dialect(d)),
    *_for_groups(),
    *_for_operators(),
    _at("GET certificates/{ident}", certificates.show, "certificate:get", one(Authority),
        query=frozenset({"ca_cert_type"})),
    _at("POST certificates", certificates.create, "certificate:create", {201: one(Signed)},
        takes=plain(SigningRequest)),
    _at("PATCH certificates/{ident}", certificates.rotate, "certificate:rotate_ca", {202: UUID}),
    _at("GET certificates/{ident}/issued", certificates.issued, "certificate:get", _ISSUED,
        query=frozenset({"marker", "limit"})),
    _at("PATCH credentials/{ident}", certificates.rotate_credentials, "credential:rotate", {202: UUID},
        since=(1, 12)),
    _at("GET labels", labels.index, "", many(KnownLabel, "labels"), query=frozenset({"coe"})),
    _at("GET labels/{name}", labels.show, "", one(KnownLabel, links=False)),
    _at("GET", root.v1, "", one(V1, links=False), public=True),
    _at("GET openapi.json", openapi.serving(lambda: (ROOT, *ROUTES)), "", one(Document, links=False),
        public=True),
)
# fmt: on


_BY_SHAPE: dict[tuple[int, tuple[str, ...]], list[Route]] = {}  # by length and first word, which is fixed
for _route in ROUTES:
    _BY_SHAPE.setdefault((len(_route.path), _route.path[:1]), []).append(_route)


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
    found = [r for r in _BY_SHAPE.get((len(parts), parts[:1]), ()) if _matches(r, parts)]
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
