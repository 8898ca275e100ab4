"""Answers that are no resource: documented in the same words as they are written."""

from typing import Any

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field

READ = Access.READ


class Answered(pydantic.BaseModel):
    """Base of these. They only describe, so pydantic need not prepare for validation in every worker."""

    model_config = pydantic.ConfigDict(defer_build=True)


class Accepted(Answered):
    """What was accepted; the work goes on after the answer."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)


class Authority(Answered):
    """The CA's certificate; both dialects' names for the cluster."""

    cluster_uuid: f.Uuid = field(doc="Its cluster.", access=READ)
    bay_uuid: f.Uuid = field(doc="The same in the words of 2016.", access=READ)
    pem: str = field(doc="Certificate, PEM; several while the CA is being rotated.", access=READ)


class Signed(Authority):
    """A certificate for a CSR."""

    csr: str = field(doc="As it was sent.", access=READ)


class KnownLabel(Answered):
    """A label that has an effect."""

    name: str = field(doc="Name.", access=READ)
    type: str = field(doc="Of its value.", access=READ)
    default: str | None = field(doc="What holds without it.", access=READ)
    coes: list[str] = field(doc="Engines that know it.", access=READ)
    meaning: str = field(doc="In words.", access=READ)
    choices: list[str] = field(doc="Values, where there are few.", access=READ)


class Document(Answered):
    """An OpenAPI document."""

    model_config = pydantic.ConfigDict(extra="allow", defer_build=True)

    openapi: str = field(doc="3.1.0.", access=READ)


class Federation(Answered):
    """There are none."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)


class NodeLogs(Answered):
    """What a node's agent answered."""

    hostname: str = field(doc="Of the node.", access=READ)
    pending: bool = field(doc="It was asked and has not answered yet.", access=READ)
    logs: dict[str, Any] = field(doc="By name: cloud-init, engine, agent.", access=READ)
    log: str | None = field(doc="Last lines of a failure.", access=READ)


class Link(Answered):
    """Where something is."""

    href: str = field(doc="URL.", access=READ)
    rel: str = field(doc="self, bookmark, describedby.", access=READ)


class Version(Answered):
    """A major version of the API."""

    id: str = field(doc="v1.", access=READ)
    links: list[Link] = field(doc="Where it is.", access=READ)
    status: str = field(doc="CURRENT.", access=READ)
    max_version: str = field(doc="Newest microversion.", access=READ)
    min_version: str = field(doc="Oldest microversion.", access=READ)


class Versions(Answered):
    """What is served at the root."""

    name: str = field(doc="Name of the API.", access=READ)
    description: str = field(doc="In words.", access=READ)
    versions: list[Version] = field(doc="One.", access=READ)


class V1(Answered):
    """What v1 has: a list of links for each collection."""

    model_config = pydantic.ConfigDict(extra="allow", defer_build=True)

    id: str = field(doc="v1.", access=READ)
    media_types: list[dict[str, str]] = field(doc="JSON.", access=READ)
    links: list[dict[str, str]] = field(doc="self and describedby.", access=READ)


class PlanProblem(Answered):
    """Why it would fail."""

    code: str = field(doc="Stable, for programs.", access=READ)
    message: str = field(doc="In words.", access=READ)
    field: str = field(doc="Which part of the body; empty: none by itself.", access=READ)


class Need(Answered):
    """What it would take of a quota."""

    resource: str = field(doc="Of what.", access=READ)
    needed: int = field(doc="How much more.", access=READ)
    limit: int | None = field(doc="The quota; null: none, or not known.", access=READ)
    left: int | None = field(doc="What is left of it.", access=READ)
    suffices: bool = field(doc="Whether that is enough.", access=READ)


class PlanNodes(Answered):
    """Host names."""

    added: list[str] = field(doc="Nodes that would come.", access=READ)
    removed: list[str] = field(doc="Nodes that would go.", access=READ)


class PlanResources(Answered):
    """Heat's preview: how many resources of each type."""

    added: dict[str, int] = field(doc="Made.", access=READ)
    updated: dict[str, int] = field(doc="Changed in place.", access=READ)
    replaced: dict[str, int] = field(doc="Made anew.", access=READ)
    removed: dict[str, int] = field(doc="Removed.", access=READ)


class Plan(Answered):
    """What a request would do; nothing was stored."""

    action: str = field(doc="create, update, resize, rollback, delete.", access=READ)
    feasible: bool = field(doc="Nothing is known against it.", access=READ)
    problems: list[PlanProblem] = field(doc="What is.", access=READ)
    warnings: list[str] = field(doc="What has no effect.", access=READ)
    quotas: list[Need] = field(doc="Needs and quotas.", access=READ)
    nodes: PlanNodes = field(doc="Which nodes come and go.", access=READ)
    resources: PlanResources | None = field(doc="Of the cloud; null: nobody could tell.", access=READ)
