"""Nodes are replaced by others of another image, flavor or setting.

Nodes that are there were made with what their group says, and so is what their group wants: nothing is to be
replaced until somebody asks for it.
"""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MADE_WITH = ("image_id", "flavor_id")


def first(name, kind, value):
    """A column that must have a value, with that of rows which are there."""
    return sa.Column(name, kind, nullable=False, server_default=value)


def upgrade():
    with op.batch_alter_table("cluster") as table:
        table.add_column(first("batch_size", sa.Integer(), "1"))
        table.add_column(first("step_since", sa.Double(), "0"))
    with op.batch_alter_table("nodegroup") as table:
        table.add_column(first("make", sa.String(255), ""))
        table.add_column(first("surge", sa.Integer(), "0"))
    with op.batch_alter_table("node") as table:
        for name in MADE_WITH:
            table.add_column(sa.Column(name, sa.String(255), nullable=True))
        table.add_column(first("make", sa.String(255), ""))
    group, node = (
        sa.table(name, sa.column(key, sa.String()), *(sa.column(n, sa.String()) for n in MADE_WITH))
        for name, key in (("nodegroup", "uuid"), ("node", "nodegroup_id"))
    )
    for name in MADE_WITH:
        mine = sa.select(group.c[name]).where(group.c.uuid == node.c.nodegroup_id).scalar_subquery()
        op.execute(node.update().values({name: mine}))


def downgrade():
    with op.batch_alter_table("node") as table:
        for name in (*MADE_WITH, "make"):
            table.drop_column(name)
    with op.batch_alter_table("nodegroup") as table:
        table.drop_column("surge")
        table.drop_column("make")
    with op.batch_alter_table("cluster") as table:
        table.drop_column("step_since")
        table.drop_column("batch_size")
