"""Answers that are no resource: documented in the same words as they are written."""

from typing import Any

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field

READ = Access.READ


class Accepted(pydantic.BaseModel):
    """What was accepted; the work goes on after the answer."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)


class Authority(pydantic.BaseModel):
    """The CA's certificate; both dialects' names for the cluster."""

    cluster_uuid: f.Uuid = field(doc="Its cluster.", access=READ)
    bay_uuid: f.Uuid = field(doc="The same in the words of 2016.", access=READ)
    pem: str = field(doc="Certificate, PEM; several while the CA is being rotated.", access=READ)


class Signed(Authority):
    """A certificate for a CSR."""

    csr: str = field(doc="As it was sent.", access=READ)


class KnownLabel(pydantic.BaseModel):
    """A label that has an effect."""

    name: str = field(doc="Name.", access=READ)
    type: str = field(doc="Of its value.", access=READ)
    default: str | None = field(doc="What holds without it.", access=READ)
    coes: list[str] = field(doc="Engines that know it.", access=READ)
    meaning: str = field(doc="In words.", access=READ)
    choices: list[str] = field(doc="Values, where there are few.", access=READ)


class Document(pydantic.BaseModel):
    """An OpenAPI document."""

    model_config = pydantic.ConfigDict(extra="allow")

    openapi: str = field(doc="3.1.0.", access=READ)


class Federation(pydantic.BaseModel):
    """There are none."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)


class NodeLogs(pydantic.BaseModel):
    """What a node's agent answered."""

    hostname: str = field(doc="Of the node.", access=READ)
    pending: bool = field(doc="It was asked and has not answered yet.", access=READ)
    logs: dict[str, Any] = field(doc="By name: cloud-init, engine, agent.", access=READ)
    log: str | None = field(doc="Last lines of a failure.", access=READ)


class Link(pydantic.BaseModel):
    """Where something is."""

    href: str = field(doc="URL.", access=READ)
    rel: str = field(doc="self, bookmark, describedby.", access=READ)


class Version(pydantic.BaseModel):
    """A major version of the API."""

    id: str = field(doc="v1.", access=READ)
    links: list[Link] = field(doc="Where it is.", access=READ)
    status: str = field(doc="CURRENT.", access=READ)
    max_version: str = field(doc="Newest microversion.", access=READ)
    min_version: str = field(doc="Oldest microversion.", access=READ)


class Versions(pydantic.BaseModel):
    """What is served at the root."""

    name: str = field(doc="Name of the API.", access=READ)
    description: str = field(doc="In words.", access=READ)
    versions: list[Version] = field(doc="One.", access=READ)


class V1(pydantic.BaseModel):
    """What v1 has: a list of links for each collection."""

    model_config = pydantic.ConfigDict(extra="allow")

    id: str = field(doc="v1.", access=READ)
    media_types: list[dict[str, str]] = field(doc="JSON.", access=READ)
    links: list[dict[str, str]] = field(doc="self and describedby.", access=READ)
