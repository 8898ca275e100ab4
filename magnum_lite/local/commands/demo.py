"""``demo``: the tour of the whole, on this machine."""

import click

from magnum_lite.local.commands.invocation import Invocation, pass_invocation


@click.command()
@click.option("--keep", is_flag=True, help="Leave the bay running, and say how to use it.")
@click.option("--coe", type=click.Choice(["swarm", "kubernetes"]), default="swarm", show_default=True)
@pass_invocation
def demo(invocation: Invocation, *, keep: bool, coe: str) -> None:
    """Show everything: a bay of three nodes, used over TLS, scaled and removed."""
    from magnum_lite.local.demo import session

    session.run(invocation.state_dir, coe, keep=keep)
