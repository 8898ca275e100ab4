"""Rotation of CAs and credentials, node groups that go, indexes for every listed order.

Rows that are there are as before: first CAs, nothing rotated, no group on its way out. What a rollback would
restore is known again once a change of the cluster is complete.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
OLD = ("created_at", "name", "status")  # each behind the project
NEW = (
    ("cluster", ["created_at", "id"]),
    ("cluster", ["name", "id"]),
    ("cluster", ["status", "id"]),
    ("cluster", ["project_id", "id"]),
    ("cluster", ["project_id", "created_at", "id"]),
    ("cluster", ["project_id", "name", "id"]),
    ("cluster", ["project_id", "status", "id"]),
    ("cluster_template", ["name", "id"]),
)
DOCUMENTS = ("engine_labels", "served")


def first(name, kind, value):
    """A column that must have a value, with that of rows which are there."""
    return sa.Column(name, kind, nullable=False, server_default=value)


def upgrade():
    with op.batch_alter_table("authority") as table:
        table.add_column(first("epoch", sa.Integer(), "1"))
        table.add_column(sa.Column("retire_at", sa.Double(), nullable=True))
    with op.batch_alter_table("cluster") as table:
        for name in ("ca_epoch", "ca_floor", "credentials_epoch"):
            table.add_column(first(name, sa.Integer(), "1"))
        table.add_column(first("renewal", sa.String(255), "1.1.1"))
        table.add_column(first("renewal_since", sa.Double(), "0"))
        table.add_column(first("renewed", sa.String(255), "1.1.1"))
        table.add_column(sa.Column("outdated_tokens", sa.String(255), nullable=True))
        for column in OLD:
            table.drop_index(f"ix_cluster_project_id_{column}")
    with op.batch_alter_table("node") as table:
        for name in DOCUMENTS:  # MySQL takes no default for these
            table.add_column(sa.Column(name, sa.JSON(), nullable=True))
        table.add_column(sa.Column("pending_identity", TEXT, nullable=True))
        for name in ("renewal", "pending_renewal", "server_serial"):
            table.add_column(sa.Column(name, sa.String(255), nullable=True))
        table.add_column(first("certified_at", sa.Double(), "0"))
        for name in ("identity_until", "server_until"):
            table.add_column(sa.Column(name, sa.Double(), nullable=True))
        table.drop_column("labels_set")
    node = sa.table(
        "node",
        sa.column("renewal", sa.String()),
        sa.column("identity", sa.Text()),
        *(sa.column(n, sa.JSON()) for n in DOCUMENTS),
    )
    op.execute(node.update().values({name: {} for name in DOCUMENTS}))
    op.execute(node.update().where(node.c.identity.is_not(None)).values(renewal="1.1.1"))
    with op.batch_alter_table("node") as table:
        for name in DOCUMENTS:
            table.alter_column(name, existing_type=sa.JSON(), nullable=False)
    with op.batch_alter_table("nodegroup") as table:
        table.add_column(first("deleting", sa.Boolean(), sa.false()))
    for name, columns in NEW:
        op.create_index(f"ix_{name}_{'_'.join(columns)}", name, columns)


def downgrade():
    for name, columns in NEW:
        op.drop_index(f"ix_{name}_{'_'.join(columns)}", name)
    with op.batch_alter_table("nodegroup") as table:
        table.drop_column("deleting")
    with op.batch_alter_table("node") as table:
        table.add_column(first("labels_set", sa.Boolean(), sa.false()))
        for name in (*DOCUMENTS, "pending_identity", "renewal", "pending_renewal", "server_serial"):
            table.drop_column(name)
        for name in ("certified_at", "identity_until", "server_until"):
            table.drop_column(name)
    with op.batch_alter_table("cluster") as table:
        for name in ("ca_epoch", "ca_floor", "credentials_epoch", "renewal", "renewal_since", "renewed"):
            table.drop_column(name)
        table.drop_column("outdated_tokens")
    for column in OLD:
        op.create_index(f"ix_cluster_project_id_{column}", "cluster", ["project_id", column])
    with op.batch_alter_table("authority") as table:
        table.drop_column("retire_at")
        table.drop_column("epoch")
