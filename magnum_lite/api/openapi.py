"""The OpenAPI 3.1 document of the whole API: the routing table and the declarations of resources in other
words. Nothing here is said that is not said there.
"""

import functools
from typing import TYPE_CHECKING, Any

from magnum_lite.api import components, schemas, versions
from magnum_lite.api.answers import Plan
from magnum_lite.api.schemas import Schema
from magnum_lite.api.shapes import one

if TYPE_CHECKING:
    from magnum_lite.api.routes import Route

_ABOUT = """\
Container infrastructure: clusters (bays) and the cluster templates (baymodels) that they are made from.

Two dialects serve the same objects: `clusters`/`clustertemplates`, and the words of 2016,
`bays`/`baymodels`, whose answers carry a `Deprecation` header. Objects are named by uuid or by name. Every
path is served without `/v1`, too, and with a slash at its end. A string that is an integer or a boolean is
taken for one; a null means that a field is absent; all faults of a body are named at once.
"""
_NOWHERE = frozenset(
    {"certificates", "quotas"}
)  # what is made there has no URL of its own, or upstream tells none


def document(routes: tuple["Route", ...]) -> dict[str, Any]:
    """The document, but for ``servers``."""
    paths: dict[str, Any] = {}
    kept: dict[str, Schema] = {"Errors": components.errors()}
    for route in routes:
        keep = functools.partial(_keep, kept)
        paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(route, keep)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Magnum Lite",
            "version": versions.text(versions.MAXIMUM),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "tags": [{"name": n} for n in sorted({_tag(r) for r in routes})],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Auth-Token",
                    "description": "Keystone's.",
                }
            },
            "headers": components.headers(),
            "parameters": components.parameters(),
            "responses": {f"E{c}": components.refusal(c, text) for c, text in components.ERRORS.items()},
            "schemas": dict(sorted(kept.items())),
        },
    }


def _keep(kept: dict[str, Schema], name: str, schema: Schema) -> Schema:
    if kept.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas are named {name}")
    return components.reference("schemas", name)


def path_of(route: "Route") -> str:
    """``/v1/clusters/{ident}``; the root document is at ``/``."""
    if not route.path:
        return "/" if route.handler.__name__ == "root" else "/v1"
    return "/v1/" + "/".join(route.path)


def operation_id(route: "Route") -> str:
    """``get_clusters_ident``: stable as long as method and path are."""
    parts = [p.strip("{}").replace(".", "_") for p in route.path] or [route.handler.__name__]
    return "_".join((route.method.lower(), *parts))


def _tag(route: "Route") -> str:
    return route.path[0] if route.path and not route.public else "versions"


def _operation(route: "Route", keep: schemas.Keep) -> dict[str, Any]:
    text = route.dialect.say(" ".join((route.handler.__doc__ or "").split()).replace("``", "`"))
    out: dict[str, Any] = {
        "operationId": operation_id(route),
        "tags": [_tag(route)],
        "summary": text.partition(". ")[0].rstrip("."),
        "description": text,
        "parameters": _parameters(route),
        "responses": _responses(route, keep),
    }
    if route.takes:
        kinds = ["application/json"] + ["application/json-patch+json"] * route.takes.patch
        body = {"schema": schemas.body(route.takes, route.dialect, keep)}
        out["requestBody"] = {"required": True, "content": dict.fromkeys(kinds, body)}
    if route.dialect.deprecated:
        out["deprecated"] = True
    if route.public:
        out["security"] = []
    if route.rules:
        out["x-policy-rules"] = list(route.rules)
    if route.since != versions.MINIMUM:
        out["x-since"] = versions.text(route.since)
    if route.until != versions.MAXIMUM:
        out["x-until"] = versions.text(route.until)
    return out


def _parameters(route: "Route") -> list[Schema]:
    names = [p[1:-1] for p in route.path if p[:1] == "{"]
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    out: list[Schema] = [{"name": n, "in": "path", "required": True, "schema": schema} for n in names]
    for name in sorted(route.query):
        kind, text = components.ARGUMENTS.get(name, ({"type": "string"}, ""))
        out.append({"name": name, "in": "query", "schema": kind, "description": text})
    out.append(components.reference("parameters", "Version"))
    if route.method == "GET":
        out.append(components.reference("parameters", "IfNoneMatch"))
    elif names:
        out.append(components.reference("parameters", "IfMatch"))
    return out


def _responses(route: "Route", keep: schemas.Keep) -> dict[str, Any]:
    out: dict[str, Any] = {}
    headers = {
        n: components.reference("headers", n) for n in ("x-openstack-request-id", "OpenStack-API-Version")
    }
    for code, schema in _successes(route, keep).items():
        described: dict[str, Any] = {"description": "Success.", "headers": dict(headers)}
        if schema:
            described["content"] = {"application/json": {"schema": schema}}
        if code == 201 and route.path[0] not in _NOWHERE:
            described["headers"]["Location"] = components.reference("headers", "Location")
        if route.method == "GET":
            described["headers"]["ETag"] = components.reference("headers", "ETag")
        if route.dialect.deprecated:
            described["headers"]["Deprecation"] = components.reference("headers", "Deprecation")
        out[str(code)] = described
    out |= {str(c): components.reference("responses", f"E{c}") for c in sorted(_refusals(route))}
    return out


def _successes(route: "Route", keep: schemas.Keep) -> dict[int, Schema]:
    """Status → schema, empty for no body. A plan is a 200 beside what the route gives by itself."""
    out = {code: schemas.answer(g, route.dialect, keep) if g else {} for code, g in route.gives.items()}
    if route.plans:
        plan = schemas.answer(one(Plan, links=False), route.dialect, keep)
        out[200] = {"anyOf": [out[200], plan]} if 200 in out else plan
    return dict(sorted(out.items()))


def _refusals(route: "Route") -> set[int]:
    """Which errors a route can answer with."""
    named = any(p[:1] == "{" for p in route.path)
    writes = route.method != "GET"
    out = {400, 406, 413, 415}
    out |= {304} if not writes else set()
    out |= set() if route.public else {401}
    out |= {403} if route.rules else set()
    out |= {404} if named or route.takes or "marker" in route.query else set()
    out |= {409} if named or route.takes else set()
    out |= {412} if named and writes else set()
    out |= {503} if writes else set()
    # an engine that has not learnt it yet; federations, which none has
    out |= (
        {501}
        if writes and ("actions" in route.path or "nodegroups" in route.path or not route.gives)
        else set()
    )
    return out
