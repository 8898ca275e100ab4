"""``/v1/clustertemplates`` and ``/v1/baymodels``."""

from typing import Any, TypeVar

import pydantic

from magnum_lite.api import paging, patch
from magnum_lite.api.call import Answer, Call
from magnum_lite.api.written import Written
from magnum_lite.db.rows import Row
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.fields import Access
from magnum_lite.models.views import create_view, names, present, problems
from magnum_lite.services import cluster_templates as services
from magnum_lite.services.reading import masked

M = TypeVar("M", bound=pydantic.BaseModel)
_WRITTEN = Written()


def links(call: Call, collection: str, uuid: str) -> list[dict[str, str]]:
    """``self`` and ``bookmark``."""
    return [
        {"href": f"{call.base}/v1/{collection}/{uuid}", "rel": "self"},
        {"href": f"{call.base}/{collection}/{uuid}", "rel": "bookmark"},
    ]


def validated(call: Call, model: Any, name: str) -> dict[str, Any]:
    """A POST body as house names and values; a null means absent. Raises InvalidInput with all faults."""
    body = call.dialect.load(model, call.mapping(name))
    view = create_view(model)
    rename = call.dialect.rename(model)
    rename = {**rename, **{f"({ours})": ours for ours in rename}}  # see Dialect.load
    # tempest sends back nulls for what only the service sets
    optional = {n for n, i in view.model_fields.items() if not i.is_required()} | names(model, Access.READ)
    try:
        found = view.model_validate({k: v for k, v in body.items() if v is not None or k not in optional})
    except pydantic.ValidationError as error:
        raise InvalidInput(*problems(error, rename)) from None
    return found.model_dump()


def body_of(call: Call, model: type[M], name: str, *besides: Problem) -> M:
    """A body that is no resource. Raises InvalidInput with all faults, those found ``besides`` first."""
    try:
        found = model.model_validate(call.mapping(name))
    except pydantic.ValidationError as error:
        raise InvalidInput(*besides, *problems(error, {})) from None
    if besides:
        raise InvalidInput(*besides)
    return found


def shown(call: Call, row: Row) -> dict[str, Any]:
    """A template's answer."""
    out = present(ClusterTemplate, row, rename=call.dialect.rename(ClusterTemplate), version=call.version)
    out["labels"] = masked(row["labels"] or {})
    out["links"] = links(call, call.dialect.templates, row["uuid"])
    return out


def index(call: Call) -> Answer:
    """The cluster templates that the caller sees: the project's own, and public ones. Always in full."""
    return _list(call, call.dialect.templates, "clustertemplate:get_all")


def detail(call: Call) -> Answer:
    """The same as the list without ``detail``."""
    return _list(call, f"{call.dialect.templates}/detail", "clustertemplate:detail")


def _list(call: Call, path: str, rule: str) -> Answer:
    page = paging.wanted(call, ClusterTemplate)
    there = _WRITTEN.shown_to(call)
    rows = services.page(call.deps, call.context, page, rule, there.is_known)
    parts = there.parts(rows, lambda row: shown(call, row))
    return Answer(body=paging.joined(call, path, call.dialect.templates, page, rows, parts))


def show(call: Call, ident: str) -> Answer:
    """One cluster template."""
    return Answer(body=shown(call, services.get(call.deps, call.context, ident)))


def create(call: Call) -> Answer:
    """Make a cluster template. Image, flavors and networks are looked up; a name is generated if absent."""
    row = services.create(call.deps, call.context, validated(call, ClusterTemplate, call.dialect.template))
    location = f"{call.base}/v1/{call.dialect.templates}/{row['uuid']}"
    return Answer(201, shown(call, row), {"Location": location})


def update(call: Call, ident: str) -> Answer:
    """Change a cluster template. Clusters that exist keep what they were made from."""
    patch.operations(call.body)  # a body that is no patch is one for every template
    row = services.get(call.deps, call.context, ident)
    changes = patch.changes(call.body, ClusterTemplate, row, call.dialect, None)
    return Answer(body=shown(call, services.update(call.deps, call.context, row["uuid"], changes)))


def delete(call: Call, ident: str) -> Answer:
    """Remove a cluster template that no cluster refers to."""
    services.delete(call.deps, call.context, ident)
    return Answer(204)
