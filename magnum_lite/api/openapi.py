"""The OpenAPI 3.1 document of the whole API: the routing table and the declarations of resources in other
words. Nothing here is said that is not said there.
"""

import functools
from typing import TYPE_CHECKING, Any

from magnum_lite.api import schemas, versions
from magnum_lite.api.answers import Plan
from magnum_lite.api.schemas import Schema, object_of
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
_TEXT: Schema = {"type": "string", "minLength": 1}
ARGUMENTS: dict[str, tuple[Schema, str]] = {
    "marker": (_TEXT, "What the page before ended with: a uuid (events and quotas: an id)."),
    "limit": ({"type": "integer", "minimum": 1}, "Entries at most; the operator has a limit, too."),
    "sort_key": (_TEXT, "Field to sort by; without it the order of creation."),
    "sort_dir": ({"type": "string", "enum": ["asc", "desc"], "default": "asc"}, "Direction."),
    "rollback": ({"type": "boolean"}, "Return to the last good state. Since 1.3."),
    "ca_cert_type": (
        {"type": "string"},
        "kubernetes, kubelet, etcd, front-proxy; others mean the cluster's CA.",
    ),
    "role": ({"type": "string"}, "Only groups of this role."),
    "all_tenants": ({"type": "boolean"}, "Of every project."),
    "project_id": (_TEXT, "Of this project."),
    "type": ({"type": "string"}, "cluster."),
    "coe": (_TEXT, "Only what this engine knows."),
    "plan": ({"type": "boolean"}, "Only say what would be done; nothing is stored."),
    "explain": ({"type": "string", "enum": ["labels"]}, "Say where each effective value came from."),
}
_ERRORS = {
    304: "Not changed since the answer that If-None-Match names; no body.",
    400: "The request is wrong; every fault of the body has an entry with its field.",
    401: "No valid token.",
    403: "Policy, a quota or a certificate profile refuses.",
    404: "No such object, or it belongs to another project.",
    406: "The microversion is not served, lacks this method, or the answer's type is not acceptable.",
    409: "The object is not in a state for that, several have the name, or it changed meanwhile.",
    412: "The object is not the one that If-Match names any more.",
    413: "The body is over the size limit.",
    415: "The body is not JSON.",
    501: "The engine can not do that.",
    503: "A service that is needed does not answer; Retry-After says when to ask again.",
}
_NOWHERE = frozenset(
    {"certificates", "quotas"}
)  # what is made there has no URL of its own, or upstream tells none
_VERSION = {"type": "string", "pattern": rf"^({'|'.join(versions.SERVICES)}) ([0-9]+\.[0-9]+|latest)$"}


def document(routes: tuple["Route", ...]) -> dict[str, Any]:
    """The document, but for ``servers``."""
    paths: dict[str, Any] = {}
    kept: dict[str, Schema] = {"Errors": _errors()}
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
            "headers": _headers(),
            "parameters": _shared_parameters(),
            "responses": {f"E{c}": _refusal(c, text) for c, text in _ERRORS.items()},
            "schemas": dict(sorted(kept.items())),
        },
    }


def _keep(kept: dict[str, Schema], name: str, schema: Schema) -> Schema:
    if kept.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas are named {name}")
    return _ref("schemas", name)


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


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


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
        kind, text = ARGUMENTS.get(name, (_TEXT, ""))
        out.append({"name": name, "in": "query", "schema": kind, "description": text})
    out.append(_ref("parameters", "Version"))
    if route.method == "GET":
        out.append(_ref("parameters", "IfNoneMatch"))
    elif names:
        out.append(_ref("parameters", "IfMatch"))
    return out


def _responses(route: "Route", keep: schemas.Keep) -> dict[str, Any]:
    out: dict[str, Any] = {}
    headers = {n: _ref("headers", n) for n in ("x-openstack-request-id", "OpenStack-API-Version")}
    for code, schema in _successes(route, keep).items():
        described: dict[str, Any] = {"description": "Success.", "headers": dict(headers)}
        if schema:
            described["content"] = {"application/json": {"schema": schema}}
        if code == 201 and route.path[0] not in _NOWHERE:
            described["headers"]["Location"] = _ref("headers", "Location")
        if route.method == "GET":
            described["headers"]["ETag"] = _ref("headers", "ETag")
        if route.dialect.deprecated:
            described["headers"]["Deprecation"] = _ref("headers", "Deprecation")
        out[str(code)] = described
    out |= {str(c): _ref("responses", f"E{c}") for c in sorted(_refusals(route))}
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


def _refusal(code: int, text: str) -> dict[str, Any]:
    headers = {"x-openstack-request-id": _ref("headers", "x-openstack-request-id")}
    out: dict[str, Any] = {"description": text, "headers": headers}
    if code == 503:
        headers["Retry-After"] = {"schema": {"type": "integer"}}
    if code == 401:  # keystonemiddleware's own
        headers = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        return {
            "description": text,
            "headers": headers,
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    if code != 304:
        out["content"] = {"application/json": {"schema": _ref("schemas", "Errors")}}
    return out


def _errors() -> Schema:
    text = {"type": "string"}
    entry = object_of(
        {
            "request_id": text | {"description": "What operators find the request by."},
            "code": text | {"description": "Stable, for programs."},
            "status": {"type": "integer"},
            "title": text | {"description": "In one line, for people."},
            "detail": text | {"description": "In full."},
            "field": text | {"description": "Which part of the body, as a path."},
            "links": {"type": "array", "items": {"type": "object"}},
            "max_version": text,
            "min_version": text,
        },
        ["request_id", "code", "status", "title", "detail", "links"],
    )
    return object_of({"errors": {"type": "array", "items": entry, "minItems": 1}}, ["errors"])


def _headers() -> dict[str, Any]:
    text = {"schema": {"type": "string"}, "required": True}
    return {
        "x-openstack-request-id": text | {"description": "Also in the service's logs."},
        "OpenStack-API-Version": text | {"description": "Microversion of the answer."},
        "Location": text | {"description": "URL of what was made."},
        "Deprecation": text | {"description": "true: the words of 2016; the same is served in today's."},
        "ETag": text | {"description": "Names this state of the object; for If-None-Match and If-Match."},
    }


def _shared_parameters() -> dict[str, Any]:
    def header(name: str, schema: Schema, text: str) -> Schema:
        return {"name": name, "in": "header", "schema": schema, "description": text}

    low, high = versions.text(versions.MINIMUM), versions.text(versions.MAXIMUM)
    tag = {"type": "string"}
    return {
        "Version": header(
            versions.HEADER, _VERSION, f"Microversion, {low} to {high} or latest; absent: {low}."
        ),
        "IfNoneMatch": header("If-None-Match", tag, "ETags of answers that the client has: 304 if still so."),
        "IfMatch": header("If-Match", tag, "ETag of what the client has seen: 412 if it changed since."),
    }
