"""Clusters that another service made and that were imported: seen, signed for and deleted, never changed."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(sa.Column("imported", sa.String(255), nullable=True))


def downgrade():
    with op.batch_alter_table("cluster") as table:
        table.drop_column("imported")
