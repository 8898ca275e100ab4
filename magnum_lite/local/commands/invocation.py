"""What the global options say, and the decorators that hand it to commands."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from magnum_lite.local.commands.rest import Rest
    from magnum_lite.local.state import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Invocation:
    """``cloud`` is a name in a clouds.yaml; None: that of the state directory."""

    state_dir: Path
    cloud: str | None = None

    def rest(self) -> "Rest":
        """The service, logged in. Raises Failure."""
        from magnum_lite.local.commands import rest

        return rest.connect(self.state_dir, self.cloud)

    def settings(self) -> "Settings":
        """The instance in the state directory. Raises Failure where ``up`` was never run."""
        from magnum_lite.local import state
        from magnum_lite.local.commands.failure import not_running

        found = state.load(self.state_dir.resolve())
        if found is None:
            raise not_running(self.state_dir)
        return found


pass_invocation = click.make_pass_decorator(Invocation)


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-o table|json``, as the argument ``how``."""
    return click.option(
        "-o",
        "--output",
        "how",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to print it.",
    )(command)


def _bay_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For completion; a cloud that does not answer completes nothing."""
    root = context.find_root().params
    try:
        invocation = Invocation(Path(root["state_dir"]), root.get("os_cloud"))
        found = invocation.rest().get("/bays")["bays"]
    except Exception:  # noqa: BLE001  a shell's prompt is no place for errors
        return []
    return [bay["name"] for bay in found if bay["name"].startswith(incomplete)]


bay_argument = click.argument("bay", shell_complete=_bay_names)
