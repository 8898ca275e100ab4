"""``create``, ``list``, ``show``, ``delete``, ``resize``."""

from typing import Any

import click

from magnum_lite.local.commands import output, planning
from magnum_lite.local.commands.invocation import Invocation, bay_argument, output_option, pass_invocation
from magnum_lite.local.commands.templates import model_options, parse_labels

_LISTED = ("name", "status", "health_status", "master_count", "node_count", "uuid")
_SHOWN = (
    "name", "uuid", "status", "status_reason", "health_status", "health_status_reason", "api_address",
    "baymodel_id", "master_count", "node_count", "master_addresses", "node_addresses", "container_version",
    "labels", "keypair", "flavor_id", "master_flavor_id", "docker_volume_size", "bay_create_timeout",
    "bay_faults", "stack_id", "created_at", "updated_at",
)  # fmt: skip
_NODES = ("hostname", "role", "state", "step", "healthy", "address", "floating_address", "message")


@click.command()
@click.argument("name")
@click.option("--template", help="Baymodel, name or uuid; without it one is made from the options.")
@model_options
@click.option("--node-count", type=click.IntRange(0), default=1, show_default=True, help="Workers.")
@click.option("--master-count", type=click.IntRange(1), default=1, show_default=True, help="Managers.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Label of the bay; may be repeated.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is complete.")
@click.option("--timeout", type=click.IntRange(1), default=15, show_default=True, help="Minutes it may take.")
@click.option("--retain", is_flag=True, help="Keep a bay that failed, for a look.")
@planning.option
@output_option
@pass_invocation
def create(
    invocation: Invocation,
    /,
    name: str,
    template: str | None,
    node_count: int,
    master_count: int,
    labels: tuple[str, ...],
    *,
    wait: bool,
    timeout: int,
    retain: bool,
    plan_only: bool,
    how: str,
    **model: Any,
) -> None:
    """Make a bay, and wait until it can be used."""
    from magnum_lite.local.commands import bay_life, display, templates

    body: dict[str, Any] = {
        "name": name,
        "node_count": node_count,
        "master_count": master_count,
        "bay_create_timeout": timeout,
    }
    if wanted := parse_labels(labels):
        body |= {"labels": wanted, "merge_labels": True}
    rest = invocation.rest()
    made = None
    if template is None:
        made = templates.make(rest, {"name": f"{name}-model", "tags": bay_life.TAG, **model})
        body["baymodel_id"] = made["uuid"]
    else:
        body |= {"baymodel_id": template, **templates.overrides(model)}
    if plan_only:
        try:
            planning.creation(rest, body, how)
        finally:
            templates.discard(rest, made)
        return
    teller = None if not wait else display.quiet() if how == "json" else display.choose()
    try:
        bay = bay_life.create(rest, body, display=teller, retain=retain)
    except click.ClickException:
        templates.discard(rest, made)
        raise
    _tell(bay, how, waited=wait)


def _tell(bay: dict[str, Any], how: str, *, waited: bool) -> None:
    name = bay["name"]
    if how == "json":
        output.document(bay)
    elif waited:
        kubernetes = (bay["api_address"] or "").startswith("https://")
        client, look = ("kubectl", "kubectl get nodes") if kubernetes else ("docker", "docker info")
        output.next_commands(
            (f'eval "$(magnum-lite env {name})"', f"point {client} at it"),
            (look, "its nodes"),
            (f"magnum-lite resize {name} 3", "three workers"),
            (f"magnum-lite delete {name}", "remove it"),
        )
    else:
        output.done(f"Bay {name} is accepted: {bay['uuid']}")
        output.next_commands((f"magnum-lite events {name} --follow", "watch it"))


@click.command("list")
@output_option
@pass_invocation
def list_bays(invocation: Invocation, how: str) -> None:
    """List the bays of the project."""
    bays = invocation.rest().get("/bays")["bays"]
    if how == "json":
        output.document(bays)
    elif not bays:
        output.done("There is no bay.")
        output.next_commands(("magnum-lite create NAME", "make one"))
    else:
        output.table([c.removesuffix("_status") for c in _LISTED], [[b[c] for c in _LISTED] for b in bays])


@click.command()
@bay_argument
@output_option
@pass_invocation
def show(invocation: Invocation, bay: str, how: str) -> None:
    """Show a bay and its nodes."""
    rest = invocation.rest()
    found = rest.find("bays", bay)
    nodes = rest.get(f"/bays/{found['uuid']}/nodes")["nodes"]
    if how == "json":
        output.document(found | {"nodes": nodes})
        return
    output.fields({name: found[name] for name in _SHOWN if name in found})
    if nodes:
        click.echo()
        output.table(_NODES, [[node[c] for c in _NODES] for node in nodes])


@click.command()
@bay_argument
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until nothing is left.")
@planning.option
@output_option
@pass_invocation
def delete(invocation: Invocation, bay: str, *, wait: bool, plan_only: bool, how: str) -> None:
    """Remove a bay, its certificate files here and its docker context."""
    from magnum_lite.local.commands import bay_life, display

    rest = invocation.rest()
    found = rest.find("bays", bay)
    if plan_only:
        planning.deletion(rest, found, how)
        return
    bay_life.remove(rest, found, display=display.choose() if wait else None)
    if not wait:
        output.done(f"The deletion of {bay} is accepted.")


@click.command()
@bay_argument
@click.argument("count", metavar="N", type=click.IntRange(0))
@click.option("--remove", multiple=True, metavar="NODE", help="Which worker leaves; may be repeated.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")
@planning.option
@output_option
@pass_invocation
def resize(
    invocation: Invocation,
    /,
    bay: str,
    count: int,
    remove: tuple[str, ...],
    *,
    wait: bool,
    plan_only: bool,
    how: str,
) -> None:
    """Change the number of workers to N; leaving nodes are drained first."""
    from magnum_lite.local.commands import bay_life, display

    rest = invocation.rest()
    found = rest.find("bays", bay)
    if plan_only:
        planning.resizing(rest, found, count, remove, how)
        return
    teller = None if not wait else display.quiet() if how == "json" else display.choose()
    changed = bay_life.change(rest, found, count, remove, display=teller)
    _tell_change(changed, how, waited=wait)


def _tell_change(bay: dict[str, Any], how: str, *, waited: bool) -> None:
    if how == "json":
        output.document(bay)
    elif not waited:
        output.done("The change is accepted.")
        output.next_commands((f"magnum-lite events {bay['name']} --follow", "watch it"))
