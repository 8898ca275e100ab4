"""``upgrade``: a bay goes over to another baymodel."""

from typing import Any

import click

from magnum_lite.local.commands import output, planning
from magnum_lite.local.commands.invocation import Invocation, bay_argument, output_option, pass_invocation


@click.command()
@bay_argument
@click.argument("template", metavar="TEMPLATE")
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Workers replaced at a time."
)
@click.option("--group", help="Only this node group, to the bay's own baymodel.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")
@planning.option
@output_option
@pass_invocation
def upgrade(
    invocation: Invocation,
    /,
    bay: str,
    template: str,
    batch: int,
    group: str | None,
    *,
    wait: bool,
    plan_only: bool,
    how: str,
) -> None:
    """Go over to another baymodel: its image, flavors, settings. Nodes are replaced, masters first; new ones
    come before old ones are drained and leave.
    """
    from magnum_lite.local.commands import bay_life, display

    rest = invocation.rest()
    found = rest.find("bays", bay)
    body: dict[str, Any] = {"cluster_template": template, "max_batch_size": batch}
    if group:
        body["nodegroup"] = group
    if plan_only:
        planning.upgrading(rest, found, body, how)
        return
    teller = None if not wait else display.quiet() if how == "json" else display.choose()
    changed = bay_life.upgrade(rest, found, body, display=teller)
    if how == "json":
        output.document(changed)
    elif not wait:
        output.done("The upgrade is accepted.")
        output.next_commands((f"magnum-lite events {bay} --follow", "watch it"))
    elif changed["api_address"] != found["api_address"]:
        output.next_commands((f'eval "$(magnum-lite env {bay})"', "its API has another address now"))
