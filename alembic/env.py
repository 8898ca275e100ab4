"""alembic environment: always called with an engine by ``magnum-lite-manage db``."""

from alembic import context
from magnum_lite.db.schema import metadata


def run() -> None:
    with context.config.attributes["engine"].connect() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=False
        )
        with context.begin_transaction():
            context.run_migrations()


run()
