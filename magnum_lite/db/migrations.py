"""Bringing a database to this version's schema, with alembic."""

import io
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from magnum_lite import paths
from magnum_lite.db.schema import metadata
from magnum_lite.db.session import Database


def _config(database: Database) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(paths.migrations()))
    config.attributes["engine"] = database.engine
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply what is missing; nothing to do is fine."""
    command.upgrade(_config(database), revision)


def current(database: Database) -> str | None:
    """The revision that the database is at."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head(database: Database) -> str | None:
    """The revision that this code wants."""
    return ScriptDirectory.from_config(_config(database)).get_current_head()


def differences(database: Database) -> list[Any]:
    """Where the tables differ from the models; empty when all is well."""
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def revise(database: Database, message: str) -> None:
    """Write a new migration from the differences (for developers)."""
    command.revision(_config(database), message=message, autogenerate=True)
