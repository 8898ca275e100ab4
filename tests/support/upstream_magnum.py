"""OpenStack Magnum itself, in environments of its own, for databases made by its own code."""

import subprocess
from pathlib import Path

from tests.support import environments

PINS = Path(__file__).resolve().parents[1] / "clients/environments"
SCRIPT = Path(__file__).with_name("fill_magnum.py")
VERSIONS = ("16.0.0", "22.0.0")


def python(version):
    """The interpreter of an environment with this version."""
    pins = PINS / f"magnum-{version}.txt"

    def fill(interpreter):
        environments.pip(interpreter, "install", "--requirement", pins)

    return environments.kept(f"magnum-{version}", pins.read_text(), fill)


def fill(version, url):
    """Bring an empty database of MariaDB to this version's tables, with rows; what the script prints. Upstream's
    migrations do not run on SQLite.
    """
    command = [python(version), "-W", "ignore", SCRIPT, url]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
