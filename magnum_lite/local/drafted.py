"""A service whose SQLite database is made or migrated as a draft and renamed when it is complete: what makes
it is no transaction, and may be killed.
"""

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from magnum_lite.local import sqlite, state


@dataclasses.dataclass(frozen=True)
class Files:
    """Where the things of ``service`` are, which ``package`` installs."""

    directory: Path
    service: str
    package: str

    @property
    def config(self) -> Path:
        """Its configuration; may hold passwords."""
        return self.directory / f"{self.service}.conf"

    @property
    def database(self) -> Path:
        """Exists only when its tables are complete."""
        return self.directory / f"{self.service}.sqlite"

    @property
    def draft(self) -> Path:
        """The database while it is made."""
        return self.directory / f"{self.service}.sqlite.draft"

    @property
    def version(self) -> Path:
        """Which version last migrated the database."""
        return self.directory / "version"


def complete(files: Files) -> bool:
    """Whether the database is there, complete, and of what is installed."""
    with contextlib.suppress(FileNotFoundError):
        return files.database.exists() and files.version.read_text() == metadata.version(files.package)
    return False


@contextlib.contextmanager
def drafted(files: Files) -> Iterator[Path]:
    """Gives the configuration with which the draft is to be made. It starts as a copy of the database that
    there is, and takes its place at the end. Safe to kill and to repeat.
    """
    for leftover in (files.draft, files.draft.with_name(files.draft.name + "-journal")):
        leftover.unlink(missing_ok=True)
    if files.database.exists():  # of another version
        with sqlite3.connect(files.database) as old, sqlite3.connect(files.draft) as new:
            old.backup(new)  # a plain copy would miss what is still in the write-ahead log
    config = files.directory / "draft.conf"
    state.write_atomically(config, files.config.read_text().replace(str(files.database), str(files.draft)))
    sqlite.install_for_making()
    yield config
    with files.draft.open("rb") as file:
        os.fsync(file.fileno())
    files.draft.replace(files.database)
    state.write_atomically(files.version, metadata.version(files.package))
    config.unlink()
