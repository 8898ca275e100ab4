"""``events`` and ``logs``."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.invocation import Invocation, bay_argument, output_option, pass_invocation

if TYPE_CHECKING:
    from magnum_lite.local.commands.rest import Rest

FOLLOW_INTERVAL = 1.0


@click.command()
@bay_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the bay is gone, or Ctrl-C.")
@output_option
@pass_invocation
def events(invocation: Invocation, bay: str, how: str, *, follow: bool) -> None:
    """What happened to a bay, oldest first. By uuid also after its deletion.

    With --follow and -o json: one JSON object a line.
    """
    from magnum_lite.local.commands import watching

    rest = invocation.rest()
    uuid = _uuid(rest, bay)
    if not follow:
        found = watching.new_events(rest, uuid, 0)
        if how == "json":
            output.document(found)
        else:
            _print_events(found)
        return
    for found in _followed(rest, uuid):
        if how == "json":
            _print_json_lines(found)
        else:
            _print_events(found)


def _uuid(rest: "Rest", bay: str) -> str:
    """The uuid of a bay; a uuid itself may be of one that is gone."""
    from uuid import UUID

    try:
        return str(UUID(bay))
    except ValueError:
        return str(rest.find("bays", bay)["uuid"])


def _followed(rest: "Rest", uuid: str) -> Iterator[list[dict[str, Any]]]:
    """New events, until the bay is gone."""
    from magnum_lite.local.commands.failure import Exit, Failure
    from magnum_lite.local.commands.watching import new_events

    marker, gone = 0, False
    while True:
        found = new_events(rest, uuid, marker)
        if found:
            marker = found[-1]["id"]
            yield found
        if gone:
            return
        time.sleep(FOLLOW_INTERVAL)
        try:
            rest.get(f"/bays/{uuid}")
        except Failure as failure:
            if failure.exit_code != Exit.NOT_FOUND:
                raise
            gone = True  # one last look: what was told meanwhile


def _print_events(found: Iterable[dict[str, Any]]) -> None:
    for event in found:
        when = str(event["created_at"])[:19].replace("T", " ")
        who = f"{event['node']}: " if event["node"] else ""
        step = f"{event['step']} " if event["step"] and event["step"] != event["message"] else ""
        share = f" ({event['percent']} %)" if event["percent"] is not None else ""
        text = output.plain(f"{who}{step}{event['message']}{share}")
        mark = {"error": output.style("✗", "red"), "warning": output.style("!", "yellow")}.get(
            event["level"], "·"
        )
        click.echo(f"{when}  {mark} {text}")
        for line in (event["detail"] or "").splitlines():
            output.quoted(line)


def _print_json_lines(found: Iterable[dict[str, Any]]) -> None:
    import json

    for event in found:
        click.echo(json.dumps(event, ensure_ascii=False))


@click.command()
@bay_argument
@click.option("--node", "wanted", multiple=True, metavar="NODE", help="Only of this node; may be repeated.")
@click.option("--timeout", type=click.IntRange(0), default=60, show_default=True, help="Seconds to wait.")
@output_option
@pass_invocation
def logs(invocation: Invocation, bay: str, wanted: tuple[str, ...], timeout: int, how: str) -> None:
    """Logs of each node: cloud-init, engine and agent. Its agent sends them with its next report."""
    rest = invocation.rest()
    uuid = rest.find("bays", bay)["uuid"]
    found = _collected(rest, uuid, wanted, timeout)
    if how == "json":
        output.document(found)
        return
    for node in found:
        if node["pending"]:
            output.warn(f"{node['hostname']} did not answer; what it sent before:", err=True)
        if node["log"]:
            _print_log(node["hostname"], "failure", node["log"])
        for name, text in sorted(node["logs"].items()):
            _print_log(node["hostname"], name, text)


def _collected(rest: "Rest", uuid: str, wanted: tuple[str, ...], seconds: int) -> list[dict[str, Any]]:
    """Ask, and wait until every node that can answer has. Raises Failure for a node that is not there."""
    from magnum_lite.local.commands.failure import Exit, Failure

    rest.post(f"/bays/{uuid}/actions/logs", {})
    deadline = time.monotonic() + seconds
    while True:
        nodes = rest.get(f"/bays/{uuid}/logs")["nodes"]
        if missing := sorted(set(wanted) - {node["hostname"] for node in nodes}):
            names = ", ".join(node["hostname"] for node in nodes)
            raise Failure(f"{missing[0]} is no node of this bay.", f"there are: {names}", code=Exit.NOT_FOUND)
        chosen = [node for node in nodes if not wanted or node["hostname"] in wanted]
        if time.monotonic() >= deadline or not any(node["pending"] for node in chosen):
            return chosen
        time.sleep(0.5)


def _print_log(node: str, name: str, text: str) -> None:
    click.echo(output.style(f"==> {node}: {name} <==", "cyan"))
    click.echo(output.plain(text).rstrip("\n") + "\n")
