"""``magnum-lite-manage keys``: the key-encryption key, exchanged while the service runs.
See ``doc/key-rotation.rst``.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from magnum_lite.cloud.key_manager import CastellanKeys
from magnum_lite.conductor import resealing
from magnum_lite.conductor.sealers import make_sealer
from magnum_lite.db.session import Database
from magnum_lite.errors import Unavailable
from magnum_lite.pki import keyring
from magnum_lite.pki.errors import KeyFileError

_TELL_EVERY = 10_000


def add_commands(areas: Any) -> None:
    """Below the parser's ``areas``."""
    actions = areas.add_parser("keys", help="the key-encryption key").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("list", help="keys at hand, and how much is sealed with each")
    actions.add_parser("add", help="1. put a new key into the file; it opens, and does not seal yet")
    actions.add_parser("create", help="1. in the key manager: make a new key and print its id for kek_id")
    words = "2. let a key seal from now on (when every conductor's file has it)"
    actions.add_parser("promote", help=words).add_argument("key")
    reseal = actions.add_parser("reseal", help="3. bring everything under the key that seals; safe to repeat")
    reseal.add_argument("--batch", type=int, default=resealing.BATCH, help="rows in one transaction")
    words = "4. take a key out that nothing needs any more (it is kept beside the file)"
    actions.add_parser("retire", help=words).add_argument("key")
    actions.add_parser("rotate", help="1 to 3 at once, where this machine's file is the only one")


def run(conf: Any, database: Database, arguments: argparse.Namespace) -> int:
    """Exit code: 1 for what is not possible, 3 if something could not be resealed."""
    try:
        return _run(conf, database, arguments)
    except KeyFileError as error:
        print(f"magnum-lite-manage: {error.reason}", file=sys.stderr)
        return 1


def _run(conf: Any, database: Database, arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "list":
            return _list(conf, database)
        case "create":
            return _create(conf)
        case "reseal":
            return _reseal(conf, database, arguments.batch)
        case "retire":
            return _retire(conf, database, arguments.key)
        case _:
            return _in_file(conf, database, arguments)


def _in_file(conf: Any, database: Database, arguments: argparse.Namespace) -> int:
    """add, promote, or rotate: both and then all that follows."""
    file = _file(conf)
    key = arguments.key if arguments.action == "promote" else keyring.add(file)
    if arguments.action == "add":
        print(f"added {key}: it opens, and does not seal yet")
        return 0
    keyring.promote(file, key)
    print(f"{key} seals from now on")
    return _reseal(conf, database) if arguments.action == "rotate" else 0


def _create(conf: Any) -> int:
    try:
        ident = CastellanKeys(conf).create("magnum-lite key-encryption key")
    except Unavailable as error:
        print(f"magnum-lite-manage: the key manager made no key: {error.__cause__}", file=sys.stderr)
        return 1
    print(f"kek_id = {ident}")
    return 0


def _file(conf: Any) -> Path:
    files = conf.certificates.kek_file
    if not files:
        raise KeyFileError("key-file", "[certificates] kek_file is not set: give --config-file.")
    return Path(files[0])


def _list(conf: Any, database: Database) -> int:
    sealer = make_sealer(conf)
    uses = resealing.uses(database)
    for ident in sealer.known:
        does = "seals" if ident == sealer.current else "opens"
        print(f"{ident}  {does}  {uses.pop(ident, 0)} sealed")
    for ident, count in uses.items():
        print(f"{ident}  is not at hand  {count} sealed")
    return 1 if uses else 0


def _reseal(conf: Any, database: Database, batch: int = resealing.BATCH) -> int:
    tally = resealing.reseal(database, make_sealer(conf), batch=max(batch, 1), progress=_say)
    print(f"resealed {tally.resealed} of {tally.seen}; {tally.changed_meanwhile} changed meanwhile")
    for place in tally.lost:
        print(f"not resealed: {place}", file=sys.stderr)
    return 3 if tally.lost else 0


def _say(tally: resealing.Tally) -> None:
    if tally.seen // _TELL_EVERY > max(0, tally.seen - tally.batch) // _TELL_EVERY:
        print(f"… {tally.seen} seen, {tally.resealed} resealed", flush=True)


def _retire(conf: Any, database: Database, ident: str) -> int:
    if ident not in {keyring.key_id(key) for key in keyring.read(_file(conf))}:
        print(f"magnum-lite-manage: {ident} is not in {_file(conf)}", file=sys.stderr)
        return 1
    used = resealing.uses(database).get(ident, 0)
    if used:
        print(f"magnum-lite-manage: {used} secrets are sealed with {ident}: reseal first", file=sys.stderr)
        return 1
    kept = keyring.retire(_file(conf), ident)
    print(f"retired {ident}; keep {kept} as long as there are backups from its time")
    return 0
