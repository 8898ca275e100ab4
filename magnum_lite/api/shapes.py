"""What goes into a route and what comes out of it, said once in the routing table: the OpenAPI document, the
API reference and the tests of authorisation read it from there.
"""

import dataclasses
from collections.abc import Mapping

import pydantic

from magnum_lite.api.answers import Accepted
from magnum_lite.models.fields import Resource


@dataclasses.dataclass(frozen=True)
class Takes:
    """A request's body. ``patch``: a JSON patch of ``model``, of the fields ``only`` (None: all that a
    caller may change); otherwise the create view of a Resource, or any other model as it is.
    """

    model: type[pydantic.BaseModel]
    patch: bool = False
    only: frozenset[str] | None = None


@dataclasses.dataclass(frozen=True)
class Gives:
    """An answer's body: the shown fields of a Resource, or any other model as it is. ``key``: a list under
    this name; ``summary``: the short form; ``links``: with ``self`` and ``bookmark``; ``paged``: with
    ``next``.
    """

    model: type[pydantic.BaseModel]
    key: str = ""
    summary: bool = False
    links: bool = False
    paged: bool = False


Answers = Mapping[int, Gives | None]
"""Status → body of every success; None: no body."""


def created(model: type[Resource]) -> Takes:
    """A POST body of a resource."""
    return Takes(model)


def patched(model: type[Resource], only: frozenset[str] | None = None) -> Takes:
    """A JSON patch."""
    return Takes(model, patch=True, only=only)


def plain(model: type[pydantic.BaseModel]) -> Takes:
    """A body that is the model itself (actions, certificates)."""
    return Takes(model)


def one(model: type[pydantic.BaseModel], *, links: bool = True) -> Gives:
    """One object."""
    return Gives(model, links=links)


def many(
    model: type[pydantic.BaseModel],
    key: str,
    *,
    summary: bool = False,
    links: bool = False,
    paged: bool = False,
) -> Gives:
    """``{key: [object, …]}``."""
    return Gives(model, key, summary, links, paged)


UUID = Gives(Accepted)
