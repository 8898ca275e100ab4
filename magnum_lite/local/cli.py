"""``magnum-lite``: the command line of one-machine mode.

It starts, stops and examines this machine's cloud, and it is a small client of the service's REST API,
also for other clouds (``--os-cloud``). Exit codes are in ``commands/failure.py``.
"""

import sys
from pathlib import Path

import click

from magnum_lite.local import state
from magnum_lite.local.commands import (
    bays,
    completion,
    demo,
    env,
    history,
    images,
    machine,
    templates,
    upgrading,
)
from magnum_lite.local.commands.failure import Exit
from magnum_lite.local.commands.invocation import Invocation

_SECTIONS = (
    ("This machine's cloud", (machine.up, machine.down, machine.status, machine.doctor, images.image)),
    ("Bays", (bays.create, bays.list_bays, bays.show, bays.resize, upgrading.upgrade, bays.delete)),
    ("Using and understanding them", (env.env, history.events, history.logs)),
    ("Baymodels", (templates.list_templates, templates.create_template)),
    ("More", (demo.demo, completion.completion)),
)


class Sections(click.Group):
    """A group whose help shows commands by purpose, not by alphabet."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Called by click."""
        limit = formatter.width - 20
        for title, commands in _SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(c.name or "", c.get_short_help_str(limit)) for c in commands])


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MAGNUM_LITE_STATE_DIR",
    default=state.default_state_dir,
    show_envvar=True,
    help="Where everything of this machine's cloud is.",
)
@click.option("--os-cloud", envvar="OS_CLOUD", show_envvar=True, help="Use this cloud of a clouds.yaml.")
@click.version_option(package_name="magnum-lite", prog_name="magnum-lite")
@click.pass_context
def cli(context: click.Context, state_dir: Path, os_cloud: str | None) -> None:
    """Container bays (Docker Swarm) for OpenStack, on one machine or on your cloud."""
    context.obj = Invocation(state_dir.absolute(), os_cloud or None)


for _, _commands in _SECTIONS:
    for _command in _commands:
        cli.add_command(_command)


def main() -> None:
    """The console script."""
    try:
        code = cli.main(prog_name="magnum-lite", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted; what was asked for goes on:  magnum-lite list", err=True)
        sys.exit(int(Exit.INTERRUPTED))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
