"""What happened to a cluster, step by step. Events outlive it for a retention time."""

from typing import Literal

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field

READ = Access.READ


class Event(f.Resource):
    """One thing that happened. ``id`` grows, so it is also the paging marker."""

    cluster_id: f.Uuid = field(doc="Of which cluster.", access=READ, bay="bay_id")
    project_id: f.Text = field(doc="Owner.", access=Access.PRIVATE)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
    generation: int = field(0, doc="Of the cluster.", access=READ)
    level: Literal["info", "warning", "error"] = field("info", doc="How bad.", access=READ)
    kind: f.Text = field(doc="accepted, stack, node, health, status, certificate, label.", access=READ)
    node: f.Text | None = field(None, doc="Host name of the node.", access=READ)
    step: f.Text | None = field(None, doc="Step of the node.", access=READ)
    percent: int | None = field(None, doc="0..100.", access=READ)
    message: f.LongText = field("", doc="In words.", access=READ)
    detail: f.LongText | None = field(None, doc="Last log lines.", access=READ)
