"""The volumes that nodes boot from, and scaling on demand.

Nodes that are there boot from their own disk, whatever their cluster's labels say: until now those did nothing.
Columns may be empty, so that processes of the version before can still add nodes.
"""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("node") as table:
        table.add_column(sa.Column("boot_volume", sa.JSON(), nullable=True))
        table.add_column(sa.Column("idle_since", sa.Double(), nullable=True))
    with op.batch_alter_table("cluster") as table:
        table.add_column(sa.Column("scaling", sa.JSON(), nullable=True))


def downgrade():
    with op.batch_alter_table("cluster") as table:
        table.drop_column("scaling")
    with op.batch_alter_table("node") as table:
        table.drop_column("idle_since")
        table.drop_column("boot_volume")
