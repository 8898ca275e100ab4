"""How a command fails: exit codes by class, the text, and what to do next."""

import enum
import sys
from typing import IO, Any

import click

from magnum_lite.local.commands import output


class Exit(enum.IntEnum):
    """Exit codes of every command but ``doctor``, which has its own classes."""

    FAILED = 1
    USAGE = 2  # click's own number
    NOT_FOUND = 3
    UNREACHABLE = 4
    REFUSED = 5
    INTERRUPTED = 130


class Failure(click.ClickException):
    """What went wrong, in one sentence or several lines; ``advice`` are commands or sentences."""

    def __init__(self, message: str, *advice: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.advice = tuple(map(output.typed, advice))
        self.exit_code = int(code)  # type: ignore[misc]  # click declares it a class variable

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        target = file or sys.stderr
        click.echo(f"{click.style('✗', fg='red', bold=True)} {self.message}", file=target)
        for line in self.advice:
            click.echo(f"  → {line}", file=target)


def not_running(state_dir: Any) -> Failure:
    """The cloud of this state directory is not up."""
    return Failure(
        f"The cloud in {state_dir} is not running.",
        "start it:  magnum-lite up",
        "look at it:  magnum-lite status",
        code=Exit.UNREACHABLE,
    )
