"""``--plan``: what a command would do, shown and not done."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.failure import Exit, Failure

if TYPE_CHECKING:
    from magnum_lite.local.commands.rest import Rest

option = click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and do nothing.")
_SHOWN_TYPES = 30


def creation(rest: "Rest", body: Mapping[str, Any], how: str) -> None:
    """Of a bay."""
    show(rest.call("POST", "/bays?plan=true", json=dict(body)), how)


def resizing(rest: "Rest", bay: Mapping[str, Any], count: int, remove: tuple[str, ...], how: str) -> None:
    """Of another number of workers."""
    body: dict[str, Any] = {"node_count": count} | ({"nodes_to_remove": list(remove)} if remove else {})
    show(rest.call("POST", f"/bays/{bay['uuid']}/actions/resize?plan=true", json=body), how)


def upgrading(rest: "Rest", bay: Mapping[str, Any], body: Mapping[str, Any], how: str) -> None:
    """Of another template."""
    show(rest.call("POST", f"/bays/{bay['uuid']}/actions/upgrade?plan=true", json=dict(body)), how)


def deletion(rest: "Rest", bay: Mapping[str, Any], how: str) -> None:
    """Of a bay."""
    show(rest.call("DELETE", f"/bays/{bay['uuid']}?plan=true"), how)


def show(plan: Mapping[str, Any], how: str) -> None:
    """Print a plan. Raises Failure where something stands against it."""
    if how == "json":
        output.document(plan)
    else:
        _print(plan)
    if not plan["feasible"]:
        raise Failure("This would not succeed; nothing was changed.", code=Exit.REFUSED)


def _print(plan: Mapping[str, Any]) -> None:
    for sign, key in (("+", "added"), ("-", "removed")):
        for name in plan["nodes"][key]:
            click.echo(f"{output.style(sign, 'green' if sign == '+' else 'red')} node {output.plain(name)}")
    resources = plan["resources"] or {}
    rows = [
        (word, kind, count)
        for word in ("added", "updated", "replaced", "removed")
        for kind, count in sorted((resources.get(word) or {}).items())
    ]
    if rows:
        click.echo()
        output.table(("change", "resource", "count"), rows[:_SHOWN_TYPES])
    if plan["quotas"]:
        click.echo()
        lines = [
            (q["resource"], q["needed"], "no limit" if q["left"] is None else q["left"], q["suffices"])
            for q in plan["quotas"]
        ]
        output.table(("quota", "needed", "left", "enough"), lines)
    click.echo()
    for text in plan["warnings"]:
        output.warn(text)
    for problem in plan["problems"]:
        where = f"{problem['field']}: " if problem["field"] else ""
        output.failed(output.plain(where + problem["message"]))
    if plan["feasible"]:
        output.done("This would succeed; nothing was changed.")
