"""Pecan, without the template engines that it imports wherever they are installed, and without what one of
them, Mako, imports to colour source code: an API worker renders nothing, and they are 8 MiB of it.

Import pecan from here only.
"""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Importing these fails, as if they were not installed; those that are imported already stay."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's mark for "not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _absent("genshi", "jinja2", "kajiki", "pygments"):
    import pecan
    from pecan import core, hooks

__all__ = ["core", "hooks", "pecan"]
