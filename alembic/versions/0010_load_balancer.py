"""Addresses of the masters' load balancer. Clusters that are there were made without one, whatever their template
says: they stay so, as an update must not move their address.
"""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(sa.Column("lb_addresses", sa.JSON(), nullable=True))
    cluster = sa.table(
        "cluster", sa.column("master_lb_enabled", sa.Boolean()), sa.column("imported", sa.String())
    )
    op.execute(sa.update(cluster).where(cluster.c.imported.is_(None)).values(master_lb_enabled=sa.false()))


def downgrade():
    with op.batch_alter_table("cluster") as table:
        table.drop_column("lb_addresses")
