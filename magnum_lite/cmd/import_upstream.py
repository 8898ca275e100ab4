"""``magnum-lite-manage import-upstream``: from a database of OpenStack Magnum into ours
(``doc/migration.rst``).
"""

import argparse
import sys
from typing import Any

from magnum_lite.conductor import importing
from magnum_lite.conductor.wiring import make_ports
from magnum_lite.db import upstream
from magnum_lite.db.session import Database
from magnum_lite.pki.errors import KeyFileError


def add_commands(areas: Any) -> None:
    """Below the parser's ``areas``."""
    parser = areas.add_parser(
        "import-upstream", help="templates, quotas and clusters with their CAs, from Magnum 16 to 22"
    )
    parser.add_argument(
        "--from", dest="source", required=True, metavar="URL", help="SQLAlchemy URL of Magnum's database"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")


def run(conf: Any, _database: Database, arguments: argparse.Namespace) -> int:
    """Exit code: 0; 1 if it can't be read; 3 if something was not carried over."""
    try:
        old = upstream.read(Database(arguments.source))
        report = importing.run(make_ports(conf), old, dry_run=arguments.dry_run)
    except KeyFileError as error:
        print(f"magnum-lite-manage: {error.reason}", file=sys.stderr)
        return 1
    except upstream.NotUpstream as error:
        print(f"magnum-lite-manage: this is not Magnum's database: {error}", file=sys.stderr)
        return 1
    say(report, old.revision, dry_run=arguments.dry_run)
    return 3 if report.skipped else 0


def say(report: importing.Report, revision: str, *, dry_run: bool) -> None:
    """What an operator reads. No key, passphrase or password is in it."""
    print(f"Magnum's schema is at {revision}")
    done = "would be imported" if dry_run else "imported"
    for kind, count in sorted(report.imported.items()):
        print(f"  {count} × {kind} {done}")
    if report.there:
        print(f"  {report.there} were there already and were left alone")
    for kind, ident, why in report.notes:
        print(f"  note: {kind} {ident}: {why}")
    for kind, ident, why in report.skipped:
        print(f"  not imported: {kind} {ident}: {why}")
