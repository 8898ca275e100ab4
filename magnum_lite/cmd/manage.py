"""``magnum-lite-manage``: what operators do to the database, and what is written from the API's routes."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from oslo_config import cfg

from magnum_lite import config
from magnum_lite.cmd import audits, import_upstream, keys, purge
from magnum_lite.db import migrations
from magnum_lite.db.session import Database


class _Area(Protocol):
    """A module with commands of its own."""

    def add_commands(self, areas: Any) -> None:
        """Describe them."""

    def run(self, conf: Any, database: Database, arguments: argparse.Namespace) -> int:
        """Do one; the exit code."""


AREAS: Mapping[str, _Area] = {
    "audit": audits,
    "import-upstream": import_upstream,
    "keys": keys,
    "purge-project": purge,
}


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


def api_text(which: str) -> str:
    """What is written from the API: its OpenAPI document, reference, or outline."""
    from magnum_lite.api import openapi, reference, routes

    document = openapi.document((routes.ROOT, *routes.ROUTES))
    if which == "document":
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return (reference.text if which == "reference" else reference.outline)(document)


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
    written = areas.add_parser("api", help="what is written from the API's routes").add_subparsers(
        dest="action", required=True
    )
    written.add_parser("document", help="print the OpenAPI document")
    written.add_parser("outline", help="print what programs depend on (a test compares it)")
    written.add_parser("reference", help="print the API reference (doc/api.rst)")
    for area in AREAS.values():
        area.add_commands(areas)
    arguments = parser.parse_args(argv)
    if arguments.area == "api":
        print(api_text(arguments.action), end="")
        return 0
    # Not the global one: this is no process of the service, and tests call it more than once.
    files = [part for path in arguments.config_file for part in ("--config-file", path)]
    conf = config.load(files, cfg.ConfigOpts())
    if not conf.database.connection:
        parser.error("[database] connection is not set: give --config-file")
    database = Database(conf.database.connection)
    if arguments.area in AREAS:
        return AREAS[arguments.area].run(conf, database, arguments)
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
