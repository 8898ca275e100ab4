"""Clusters that have an application credential of their own."""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(sa.Column("credential_id", sa.String(255), nullable=True))


def downgrade():
    with op.batch_alter_table("cluster") as table:
        table.drop_column("credential_id")
