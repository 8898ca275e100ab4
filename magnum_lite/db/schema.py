"""The tables, derived from the models; keys and indexes are decided here."""

import sqlalchemy as sa

from magnum_lite.models.certificate import Authority, Certificate, Secret
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.event import Event
from magnum_lite.models.fields import Resource
from magnum_lite.models.node import Node
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.quota import Quota, Service
from magnum_lite.models.views import columns

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, model: type[Resource], *rules: sa.schema.SchemaItem) -> sa.Table:
    # AUTOINCREMENT: SQLite would give the id of a deleted row to a new one, and ids are paging keys.
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        *columns(model),
        *rules,
        sqlite_autoincrement=True,
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )


cluster_template = _table(
    "cluster_template",
    ClusterTemplate,
    sa.UniqueConstraint("uuid"),
    sa.Index(None, "project_id", "name"),
    sa.Index(None, "name", "id"),
    sa.Index(None, "public"),
)
_SORTED_BY = ("name", "status", "created_at")
cluster = _table(
    "cluster",
    Cluster,
    sa.UniqueConstraint("uuid"),
    sa.UniqueConstraint("stack_name"),
    # Pages of a project and (for admins) of all, in these orders; the id breaks ties (see rows.py).
    sa.Index(None, "project_id", "id"),
    *(sa.Index(None, "project_id", key, "id") for key in _SORTED_BY),
    *(sa.Index(None, key, "id") for key in _SORTED_BY),
    sa.Index(None, "cluster_template_id"),
    sa.Index(None, "next_sync"),
    sa.Index(None, "stack_busy", "next_sync"),
)
nodegroup = _table(
    "nodegroup", NodeGroup, sa.UniqueConstraint("uuid"), sa.UniqueConstraint("cluster_id", "name")
)
node = _table(
    "node",
    Node,
    sa.UniqueConstraint("uuid"),
    sa.UniqueConstraint("nodegroup_id", "index"),
    sa.Index(None, "cluster_id"),
    sa.Index(None, "state", "last_report"),
)
authority = _table(
    "authority", Authority, sa.UniqueConstraint("uuid"), sa.Index(None, "cluster_id", "purpose")
)
certificate = _table(
    "certificate", Certificate, sa.UniqueConstraint("serial"), sa.Index(None, "cluster_id", "created_at")
)
secret = _table("secret", Secret, sa.UniqueConstraint("cluster_id", "name"))
event = _table("event", Event, sa.Index(None, "cluster_id", "id"), sa.Index(None, "created_at"))
quota = _table("quota", Quota, sa.UniqueConstraint("project_id", "resource"))
service = _table("service", Service, sa.UniqueConstraint("host", "binary"))
