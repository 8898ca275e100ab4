"""Nodes that are lost are known: what the cloud says of their servers, since when their engine calls them down."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def first(name, kind, value):
    """A column that must have a value, with that of rows which are there."""
    return sa.Column(name, kind, nullable=False, server_default=value)


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(first("repair", sa.Integer(), "0"))
    with op.batch_alter_table("node") as table:
        table.add_column(sa.Column("server_state", sa.String(255), nullable=True))
        table.add_column(first("server_asked", sa.Double(), "0"))
        table.add_column(sa.Column("down_since", sa.Double(), nullable=True))
    op.create_index("ix_node_state_last_report", "node", ["state", "last_report"])


def downgrade():
    op.drop_index("ix_node_state_last_report", "node")
    with op.batch_alter_table("node") as table:
        for name in ("server_state", "server_asked", "down_since"):
            table.drop_column(name)
    with op.batch_alter_table("cluster") as table:
        table.drop_column("repair")
