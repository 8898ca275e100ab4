"""Stacks that are in progress are looked at together, by one list of Heat's."""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEX = "ix_cluster_stack_busy_next_sync"


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(sa.Column("stack_busy", sa.Boolean(), nullable=True))
    op.create_index(INDEX, "cluster", ["stack_busy", "next_sync"])


def downgrade():
    op.drop_index(INDEX, "cluster")
    with op.batch_alter_table("cluster") as table:
        table.drop_column("stack_busy")
