"""``completion``: the script that a shell evaluates."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(magnum-lite completion bash)"
    zsh:   eval "$(magnum-lite completion zsh)"
    fish:  magnum-lite completion fish > ~/.config/fish/completions/magnum-lite.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # Choice has refused every other word
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "magnum-lite", "_MAGNUM_LITE_COMPLETE").source())
