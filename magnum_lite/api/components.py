"""The parts of the OpenAPI document that its operations share: query arguments, headers, errors."""

from typing import Any

from magnum_lite.api import versions
from magnum_lite.api.schemas import Schema, object_of

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
    "project_id": ({"type": "string"}, "Of this project."),
    "type": ({"type": "string"}, "cluster."),
    "coe": ({"type": "string"}, "Only what this engine knows."),
    "plan": ({"type": "boolean"}, "Only say what would be done; nothing is stored."),
    "explain": ({"type": "string", "enum": ["labels"]}, "Say where each effective value came from."),
}
ERRORS = {
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
_VERSION = {"type": "string", "pattern": rf"^({'|'.join(versions.SERVICES)}) ([0-9]+\.[0-9]+|latest)$"}


def reference(kind: str, name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def refusal(code: int, text: str) -> dict[str, Any]:
    headers = {"x-openstack-request-id": reference("headers", "x-openstack-request-id")}
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
        out["content"] = {"application/json": {"schema": reference("schemas", "Errors")}}
    return out


def errors() -> Schema:
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


def headers() -> dict[str, Any]:
    text = {"schema": {"type": "string"}, "required": True}
    return {
        "x-openstack-request-id": text | {"description": "Also in the service's logs."},
        "OpenStack-API-Version": text | {"description": "Microversion of the answer."},
        "Location": text | {"description": "URL of what was made."},
        "Deprecation": text | {"description": "true: the words of 2016; the same is served in today's."},
        "ETag": text | {"description": "Names this state of the object; for If-None-Match and If-Match."},
    }


def parameters() -> dict[str, Any]:
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
