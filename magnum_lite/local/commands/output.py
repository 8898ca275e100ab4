"""Text on the terminal: ✓ lines, tables and JSON. Colours only where somebody sees them: click strips
them from pipes and files. ``NO_COLOR`` is honoured (https://no-color.org).
"""

import json
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

_COLOURS = {"COMPLETE": "green", "HEALTHY": "green", "ready": "green", "FAILED": "red", "UNHEALTHY": "red",
            "failed": "red", "IN_PROGRESS": "yellow"}  # fmt: skip


def done(text: str, *, err: bool = False) -> None:
    """A step that is finished."""
    click.echo(f"{style('✓', 'green')} {text}", err=err)


def warn(text: str, *, err: bool = False) -> None:
    """Something to know."""
    click.echo(f"{style('!', 'yellow')} {text}", err=err)


def failed(text: str, *, err: bool = False) -> None:
    """A step that went wrong."""
    click.echo(f"{style('✗', 'red')} {text}", err=err)


def quoted(text: str, *, err: bool = False) -> None:
    """A line of somebody else's text."""
    click.echo(f"    {plain(text)}", err=err)


def next_commands(*pairs: tuple[str, str]) -> None:
    """What to type next: (command, what it does)."""
    lines = [(typed(command), meaning) for command, meaning in pairs]
    width = max(len(command) for command, _ in lines)
    click.echo("\nNext:")
    for command, meaning in lines:
        click.echo(f"  {style(command.ljust(width), 'cyan')}  {meaning}")


def typed(text: str) -> str:
    """The text with this run's global options after each ``magnum-lite``, so that it can be pasted."""
    context = click.get_current_context(silent=True)
    if context is None:
        return text
    root = context.find_root()
    options = [
        f"{option} {shlex.quote(str(root.params[name]))}"
        for name, option in (("state_dir", "--state-dir"), ("os_cloud", "--os-cloud"))
        if root.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    return re.sub(
        r"\bmagnum-lite (?=[a-z])", " ".join(["magnum-lite", *options, ""]).replace("\\", r"\\"), text
    )


def style(text: str, colour: str) -> str:
    """The text in a colour, unless the user wants none."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns under upper-case heads, two spaces apart: easy to read, easy to cut."""
    lines = [[column.upper() for column in columns]]
    lines += [[cell(value) for value in row] for row in rows]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(columns))]
    for number, line in enumerate(lines):
        padded = [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
        padded[-1] = line[-1]
        coloured = padded if number == 0 else [_coloured(text) for text in padded]
        click.echo("  ".join(coloured).rstrip())


def fields(values: Mapping[str, Any]) -> None:
    """One object, a field a line."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        first, *rest = cell(value, sep="\n").splitlines() or [""]
        click.echo(f"{name.ljust(width)}  {_coloured(first)}".rstrip())
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def document(value: Any) -> None:
    """JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def cell(value: Any, sep: str = ",") -> str:
    """A value as text; without control characters, as it may come from a node."""
    if value is None or value in ({}, []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return sep.join(f"{key}={plain(str(item))}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return sep.join(plain(str(item)) for item in value)
    return plain(str(value))


def plain(text: str) -> str:
    """Without what would steer a terminal; line ends stay."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _coloured(text: str) -> str:
    word = text.strip()
    colour = next((c for end, c in _COLOURS.items() if word == end or word.endswith(f"_{end}")), None)
    return style(text, colour) if colour else text
