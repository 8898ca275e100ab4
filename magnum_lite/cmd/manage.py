"""``magnum-lite-manage``: what operators do to the database."""

import argparse
import sys

from magnum_lite import config
from magnum_lite.db import migrations
from magnum_lite.db.session import Database


def _upgrade(database: Database) -> int:
    migrations.upgrade(database)
    print(f"database is at {migrations.current(database)}")
    return 0


def _check(database: Database) -> int:
    """0: up to date, 1: needs an upgrade, 2: differs from the models."""
    at, head = migrations.current(database), migrations.head(database)
    if at != head:
        print(f"database is at {at}, this version needs {head}: run magnum-lite-manage db upgrade")
        return 1
    found = migrations.differences(database)
    for difference in found:
        print(f"differs: {difference}")
    if not found:
        print(f"database is at {at}, as it should be")
    return 2 if found else 0


def main(argv: list[str] | None = None) -> int:
    """Console script."""
    parser = argparse.ArgumentParser(prog="magnum-lite-manage", description=__doc__)
    parser.add_argument("--config-file", action="append", default=[], metavar="PATH")
    areas = parser.add_subparsers(dest="area", required=True)
    actions = areas.add_parser("db", help="the database's schema").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("upgrade", help="bring the schema to this version")
    actions.add_parser("check", help="say whether it is")
    actions.add_parser("version", help="say which version it is at")
    actions.add_parser("revision", help="write a migration (developers)").add_argument("message")
    arguments = parser.parse_args(argv)
    conf = config.load([part for path in arguments.config_file for part in ("--config-file", path)])
    if not conf.database.connection:
        parser.error("[database] connection is not set: give --config-file")
    database = Database(conf.database.connection)
    if arguments.action == "upgrade":
        return _upgrade(database)
    if arguments.action == "check":
        return _check(database)
    if arguments.action == "version":
        print(migrations.current(database))
    else:
        migrations.revise(database, arguments.message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
