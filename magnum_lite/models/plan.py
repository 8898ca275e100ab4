"""A plan: what a request would do, without doing it."""

import pydantic

from magnum_lite.models.fields import Access, field

READ = Access.READ


class Fault(pydantic.BaseModel):
    """Why the request would be refused, or would fail later."""

    code: str = field(doc="As in errors.", access=READ)
    field_: str = field("", doc="Where in the request, if it is a field's fault.", access=READ, alias="field")
    message: str = field(doc="In words.", access=READ)


class Need(pydantic.BaseModel):
    """What it takes of a quota."""

    resource: str = field(doc="instances, cores, ram (MiB), volumes, gigabytes, floating_ips...", access=READ)
    needed: int = field(doc="How much more.", access=READ)
    limit: int | None = field(doc="The project's quota; null: none.", access=READ)
    left: int | None = field(doc="What is left of it now; null: no limit.", access=READ)
    suffices: bool = field(doc="Whether it fits.", access=READ)


class Nodes(pydantic.BaseModel):
    """Host names."""

    added: list[str] = field(doc="Nodes that come.", access=READ)
    removed: list[str] = field(doc="Nodes that are drained and go.", access=READ)


class Resources(pydantic.BaseModel):
    """The orchestration service's preview: type of resource → how many."""

    added: dict[str, int] = field({}, doc="Made.", access=READ)
    updated: dict[str, int] = field({}, doc="Changed in place.", access=READ)
    replaced: dict[str, int] = field({}, doc="Made anew.", access=READ)
    removed: dict[str, int] = field({}, doc="Deleted.", access=READ)


class Plan(pydantic.BaseModel):
    """Nothing of it is stored."""

    action: str = field(doc="create, update, resize, upgrade or delete.", access=READ)
    feasible: bool = field(doc="Whether the request would be accepted and should succeed.", access=READ)
    problems: list[Fault] = field(doc="What stands against it.", access=READ)
    warnings: list[str] = field(doc="What it would do, and probably should not.", access=READ)
    quotas: list[Need] = field(doc="What it takes of the quotas.", access=READ)
    nodes: Nodes = field(doc="Nodes that come and go.", access=READ)
    resources: Resources | None = field(doc="The same of resources; null: nobody could tell.", access=READ)
