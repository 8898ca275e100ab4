"""Python environments that are made once for all checkouts and kept: of clients, and of what is measured.

Each is named after what it is made from: another pin is another environment, and a kept one is never changed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magnum-lite"


def kept(stem, made_from, fill):
    """The interpreter of the environment ``<stem>-<hash of made_from>`` in the cache; ``stem`` may name a
    directory. ``fill`` is given the interpreter of a new, empty one.
    """
    where = CACHE / f"{stem}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"
    # An environment's programs hold its path, so it can not be made elsewhere and moved: what counts is
    # the mark, which is set last and under the lock.
    python, mark = where / "bin" / "python", where / ".complete"
    if not mark.exists():
        where.parent.mkdir(parents=True, exist_ok=True)
        with where.with_name(f"{where.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not mark.exists():
                shutil.rmtree(where, ignore_errors=True)
                run(sys.executable, "-m", "venv", where)
                fill(python)
                mark.touch()
    return python


def pip(python, *arguments):
    """Run an environment's pip, which asks what this machine is configured to ask."""
    run(python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments)


def run(*command):
    """Raises AssertionError with the command's words."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[1:]}: {done.stdout[-3000:]}"
