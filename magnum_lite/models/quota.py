"""How many clusters a project may have."""

from typing import Annotated, Literal

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field


class Quota(f.Resource):
    """A project's own limit; without one the operator's default holds."""

    project_id: f.Ident = field(doc="Whose.", access=Access.CREATE, summary=True)
    resource: Literal["Cluster"] = field("Cluster", doc="Of what.", access=Access.CREATE, summary=True)
    hard_limit: Annotated[f.Integer, pydantic.Field(ge=-1, le=1_000_000)] = field(
        1, doc="At most; -1: no limit.", summary=True
    )
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)


class NewLimit(pydantic.BaseModel):
    """The body that changes a limit."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    hard_limit: Annotated[f.Integer, pydantic.Field(ge=-1, le=1_000_000)] = field(
        doc="At most; -1: no limit."
    )
    project_id: str | None = field(None, doc="Must be the URL's.")
    resource: str | None = field(None, doc="Must be the URL's.")


class Stats(pydantic.BaseModel):
    """How much there is."""

    clusters: int = field(doc="Clusters, those being deleted included.", access=Access.READ)
    nodes: int = field(doc="Their wanted nodes, masters included.", access=Access.READ)


class Service(f.Resource):
    """A conductor's heartbeat (upstream: mservice)."""

    host: f.Text = field(doc="Where.", access=Access.READ, summary=True)
    binary: f.Text = field("magnum-conductor", doc="What.", access=Access.READ, summary=True)
    state: Literal["up", "down"] = field(
        "up", doc="down: silent for too long.", access=Access.READ, summary=True, stored=False
    )
    report_count: int = field(0, doc="Beats.", access=Access.READ, summary=True)
    disabled: bool = field(False, doc="By the operator.", access=Access.READ, summary=True)
    disabled_reason: f.Text | None = field(None, doc="Why.", access=Access.READ, summary=True)
    last_seen: float = field(0.0, doc="Unix seconds by the database's clock.", access=Access.PRIVATE)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)
