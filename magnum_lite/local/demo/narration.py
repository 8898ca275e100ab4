"""Saying what is done: titles, the equivalent shell command of each step, and its output."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.failure import Failure

POLL = 0.3


class Narrator:
    """``environment`` is added to that of each command (the bay's DOCKER_… variables)."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self._number = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._started

    def title(self, text: str) -> None:
        """A new chapter."""
        self._number += 1
        click.echo(f"\n{output.style(f'{self._number}. {text}', 'cyan')}  [{self.seconds:.0f} s]")

    def command(self, text: str) -> None:
        """A command that the reader could type."""
        click.echo(f"{output.style('$', 'cyan')} {text}")

    def run(
        self,
        *command: str,
        show: str = "",
        stdin: bytes | None = None,
        shown: Callable[[str], bool] | None = None,
        quiet: bool = False,
        environment: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> str:
        """Run a command and print it with its output; ``show`` is what is printed in its place, ``shown``
        chooses lines. Its standard output. Raises Failure when it fails.
        """
        if not quiet:
            self.command(show or shlex.join(command))
        answer = self.attempt(*command, stdin=stdin, environment=environment, timeout=timeout)
        text = answer.stdout.decode(errors="replace")
        if answer.returncode != 0:
            complaint = answer.stderr.decode(errors="replace").strip() or text.strip()
            raise Failure(f"{show or shlex.join(command)} ended with {answer.returncode}: {complaint[-800:]}")
        if not quiet:
            for line in filter(shown or bool, text.splitlines()):
                output.quoted(line)
        return text

    def attempt(
        self,
        *command: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command that may fail; nothing is printed. Raises Failure when it takes too long."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        clean |= {"DOCKER_CLI_HINTS": "false"}
        chosen = self.environment if environment is None else environment
        try:
            return subprocess.run(
                command,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                check=False,
                timeout=timeout,
                env=clean | dict(chosen),
            )
        except FileNotFoundError:
            raise Failure(f"There is no {command[0]} command here.", "magnum-lite doctor") from None
        except subprocess.TimeoutExpired:
            raise Failure(f"{shlex.join(command)} took longer than {timeout:.0f} s.") from None

    def until(self, look: Callable[[], bool], what: str, *, seconds: float) -> None:
        """Look until it is so. Raises Failure."""
        deadline = time.monotonic() + seconds
        while not look():
            if time.monotonic() > deadline:
                raise Failure(f"{what}: not so after {seconds:.0f} s.")
            time.sleep(POLL)
        output.done(what)

    def check(self, fact: object, what: str) -> None:
        """Something that must be so. Raises Failure."""
        if not fact:
            raise Failure(f"Not so: {what}")
        output.done(what)


def has_one(line: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in a line."""
    return any(word in line for word in words)
