"""``magnum-lite-manage audit``: what Heat, Nova and Keystone have that no cluster knows, and the reverse."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from magnum_lite.conductor.audit import Finding
from magnum_lite.db.session import Database

CLEAN, FOUND, UNKNOWN = 0, 1, 2


def add_commands(areas: Any) -> None:
    """The command's arguments."""
    parser = areas.add_parser(
        "audit",
        help="compare the database with Heat, Nova and Keystone",
        description="Exit status: 0 nothing is amiss, 1 there are findings, 2 a service did not answer.",
    )
    parser.add_argument(
        "--remove", action="store_true", help="remove what no cluster knows (it only looks without this)"
    )
    parser.add_argument("--json", action="store_true", help="a JSON list instead of lines")


def run(conf: Any, database: Database, arguments: argparse.Namespace) -> int:
    """Look, remove where that is asked for, print. Gives the exit status."""
    from magnum_lite.cloud.credentials import CloudCredentials
    from magnum_lite.cloud.inventory import CloudInventory
    from magnum_lite.cloud.sessions import ServiceSessions
    from magnum_lite.conductor.audit import audit
    from magnum_lite.orchestration.heat import HeatStacks

    sessions = ServiceSessions(conf)
    user = conf.service_user
    findings = audit(
        database,
        HeatStacks(sessions.session_for, global_list=conf.conductor.global_stack_list),
        CloudInventory(sessions.session_for, user.interface, user.region_name),
        CloudCredentials(sessions.session_for, user.interface, user.region_name),
    )
    return report(findings, remove=arguments.remove, as_json=arguments.json)


def report(findings: Sequence[Finding], *, remove: bool, as_json: bool, out: Any = None) -> int:
    """Print ``findings``, removing what is nobody's if that is asked for; the exit status."""
    out = out or sys.stdout
    told = [finding.to_json() | {"removed": _removed(finding, remove=remove)} for finding in findings]
    if as_json:
        print(json.dumps(told, indent=1), file=out)
    else:
        for item in told:
            print(_line(item), file=out)
        left = sum(finding.remove is not None for finding in findings)
        if left and not remove:
            print(f"{left} of these are nobody's: magnum-lite-manage audit --remove removes them.", file=out)
        if not told:
            print("nothing is amiss", file=out)
    if any(item["kind"] == "not-looked-at" or item["removed"] == "failed" for item in told):
        return UNKNOWN
    return FOUND if told else CLEAN


def _removed(finding: Finding, *, remove: bool) -> str:
    """no, yes, failed."""
    if finding.remove is None or not remove:
        return "no"
    from magnum_lite.errors import MagnumLiteError
    from magnum_lite.orchestration.stacks import OrchestrationError

    try:
        finding.remove()
    except (MagnumLiteError, OrchestrationError):
        return "failed"
    return "yes"


def _line(item: dict[str, str]) -> str:
    facts = {
        "service": item["service"],
        "id": item["id"],
        "name": item["name"],
        "project": item["project_id"],
        "cluster": item["cluster_uuid"],
    }
    words = " ".join(f"{key}={value}" for key, value in facts.items() if value)
    done = {"yes": " Removed.", "failed": " Could not be removed."}.get(item["removed"], "")
    return f"{item['kind']}: {words}: {item['text']}{done}"
