"""Environments of clients: one per set of pinned versions, made once for all checkouts and kept.

Clients of 2016 and of today can not share an environment with each other, nor with the service. Each is
described by a requirements file in ``tests/clients/environments`` that pins everything, and is named
after the file's content: another pin is another environment, and a kept one is never changed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent.parent / "clients" / "environments"


def cache():
    """Where environments are kept: beside the other things that are made once for a machine."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "magnum-lite" / "clients"


def programs(name):
    """The directory of the programs of environment ``name``, which is made if it is not there.

    pip asks what this machine is configured to ask. Raises AssertionError with pip's words.
    """
    wanted = (REQUIREMENTS / f"{name}.txt").read_text()
    facts = f"{wanted}\n{sys.version}\n{platform.machine()}"
    where = cache() / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    # An environment's programs hold its path, so it can not be made elsewhere and moved: what counts is
    # the mark, which is set last and under the lock.
    mark = where / ".complete"
    if not mark.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with (cache() / f"{where.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not mark.exists():
                shutil.rmtree(where, ignore_errors=True)
                _make(where, name)
                mark.touch()
    return where / "bin"


def _make(where, name):
    _run(sys.executable, "-m", "venv", where)
    pip = (where / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input")
    _run(*pip, "install", "--quiet", "--no-deps", "--requirement", REQUIREMENTS / f"{name}.txt")
    _run(*pip, "check")


def _run(*command):
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[1:]}: {done.stdout[-3000:]}"
