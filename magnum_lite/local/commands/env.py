"""``env``: from a bay to the variables that point docker or kubectl at it."""

from pathlib import Path

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.invocation import Invocation, bay_argument, pass_invocation


@click.command()
@bay_argument
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where the files go.")
@click.option("--ttl", type=click.IntRange(60), metavar="SECONDS", help="How long the certificate is valid.")
@click.option("--shell", type=click.Choice(["bash", "fish", "json"]), help="Default: by $SHELL.")
@click.option("--context", is_flag=True, help="Also make a docker context, magnum-lite-BAY.")
@click.option("--merge", is_flag=True, help="Kubernetes: also put it into your own kubeconfig, as current.")
@pass_invocation
def env(
    invocation: Invocation,
    bay: str,
    directory: Path | None,
    ttl: int | None,
    shell: str | None,
    *,
    context: bool,
    merge: bool,
) -> None:
    """Make a key, have it signed, and print what points docker or kubectl at a bay.

    \b
    eval "$(magnum-lite env BAY)"          bash, zsh
    magnum-lite env BAY | source           fish
    """
    from magnum_lite.local.commands import credentials, docker_context, exports, kubeconfig

    rest = invocation.rest()
    found = rest.find("bays", bay)
    made = credentials.obtain(rest, found, directory=directory, ttl=ttl)
    if context and made.document is not None:
        raise click.UsageError("--context is docker's; this is a Kubernetes bay: --merge")
    if merge and made.document is None:
        raise click.UsageError("--merge is kubectl's; this is a Swarm bay: --context")
    if merge and made.document is not None:
        kubeconfig.merge(kubeconfig.own(), made.document)
        output.done(f"{kubeconfig.own()}: context {kubeconfig.name_of(found['name'])}", err=True)
    if context:
        name = docker_context.ensure(found["name"], made)
        output.done(f"docker context {name}:  docker --context {name} info", err=True)
    click.echo(exports.render(made.environment(), shell or exports.guess()))
