"""Which request asked for the newest generation of a cluster; of those that are there nobody knows."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("cluster", sa.Column("request_id", sa.String(255), nullable=True))


def downgrade():
    with op.batch_alter_table("cluster") as table:
        table.drop_column("request_id")
