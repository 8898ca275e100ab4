"""``magnum-lite-manage purge-project``: what a project leaves here when it goes from Keystone."""

import argparse
import sys
from typing import Any

from magnum_lite.conductor import purging
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.wiring import make_ports
from magnum_lite.db.session import Database
from magnum_lite.errors import MagnumLiteError
from magnum_lite.pki.errors import KeyFileError


def add_commands(areas: Any) -> None:
    """Below the parser's ``areas``."""
    parser = areas.add_parser(
        "purge-project",
        help="bays, templates and quotas of a project that goes (says what, unless told to act)",
    )
    parser.add_argument("project", help="its id")
    acts = parser.add_mutually_exclusive_group()
    acts.add_argument(
        "--delete",
        action="store_true",
        help="delete its bays, as their owners would (the project is there still)",
    )
    words = "drop rows, keys and secrets (the project is gone: nobody can log in there any more)"
    acts.add_argument("--forget", action="store_true", help=words)


def run(conf: Any, _database: Database, arguments: argparse.Namespace) -> int:
    """Exit code: 0 when nothing is left or what was asked for is under way, 1 when it can't be, 4 when
    something is left and nothing was to be done.
    """
    try:
        return purge(make_ports(conf), arguments)
    except KeyFileError as error:
        print(f"magnum-lite-manage: {error.reason}", file=sys.stderr)
    except MagnumLiteError as error:
        print(f"magnum-lite-manage: {error.message}", file=sys.stderr)
    return 1


def purge(ports: Ports, arguments: argparse.Namespace) -> int:
    """See `run`."""
    found = purging.look(ports, arguments.project)
    _say(found)
    if found.is_empty:
        print("Nothing is left of it here.")
        return 0
    if arguments.delete:
        return _delete(ports, found)
    if arguments.forget:
        purging.forget(ports, found)
        print("Forgotten.")
        _say_leftovers(found)
        return 0
    hint = "--delete" if found.reachable else "--forget"
    print(f"Nothing was done. Run it again with {hint}.")
    return 4


def _delete(ports: Ports, found: purging.Found) -> int:
    if not found.reachable and found.clusters:
        print(
            "magnum-lite-manage: the service may not act in this project: it is gone from Keystone, or the "
            "role is missing (openstack role add --user … --domain … --inherited member). See --forget.",
            file=sys.stderr,
        )
        return 1
    if found.clusters:
        asked = purging.delete(ports, found)
        print(f"{len(asked)} bays are being deleted; run it again when they are gone.")
    else:
        purging.forget(ports, found)
        print("Templates and quotas were removed.")
        _say_leftovers(found)
    return 0


def _say(found: purging.Found) -> None:
    print(f"project {found.project_id}: the service may {'' if found.reachable else 'not '}act in it")
    for row in found.clusters:
        print(f"  bay       {row['uuid']}  {row['name']}  {row['status']}  stack {row['stack_id'] or '-'}")
    for template in found.templates:
        print(f"  template  {template['uuid']}  {template['name']}")
    for template in found.shared:
        print(f"  template  {template['uuid']}  {template['name']}  stays: bays of other projects use it")
    if found.quotas:
        print(f"  quotas    {found.quotas}")
    known = {row["stack_id"] for row in found.clusters}
    for stack in found.stacks:
        if stack.id not in known:
            print(f"  stack     {stack.id}  {stack.name}  {stack.action}_{stack.status}  without a bay")
    if found.stacks_unknown:
        print(f"  stacks    unknown: {found.stacks_unknown}")


def _say_leftovers(found: purging.Found) -> None:
    left = {stack.id: stack.name for stack in found.stacks}
    left |= {row["stack_id"]: row["stack_name"] for row in found.clusters if row["stack_id"]}
    if left:
        print("Left in the cloud, for an administrator of Heat, Nova, Neutron and Cinder to remove:")
        for ident, name in left.items():
            print(f"  stack {ident}  {name}")
