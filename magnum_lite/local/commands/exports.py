"""Variables in the words of a shell."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import PurePath


def guess() -> str:
    """The dialect of the user's shell."""
    return "fish" if PurePath(os.environ.get("SHELL", "")).name == "fish" else "bash"


def render(variables: Mapping[str, str], shell: str) -> str:
    """Lines for ``eval``, or JSON."""
    if shell == "json":
        return json.dumps(dict(variables), indent=2)
    if shell == "fish":
        return "\n".join(f"set -gx {name} {_fish(value)};" for name, value in variables.items())
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _fish(value: str) -> str:
    """Within single quotes fish knows only \\\\ and \\'."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
