"""Environments of clients, one per set of pinned versions: clients of 2016 and of today can not share one
with each other, nor with the service. Each is described by a requirements file that pins everything.
"""

import platform
import sys
from pathlib import Path

from tests.support import environments

REQUIREMENTS = Path(__file__).parent.parent / "clients" / "environments"


def programs(name):
    """The directory of the programs of environment ``name``, which is made if it is not there.

    Raises AssertionError with pip's words.
    """
    pins = REQUIREMENTS / f"{name}.txt"

    def fill(python):
        environments.pip(python, "install", "--quiet", "--no-deps", "--requirement", pins)
        environments.pip(python, "check")

    made_from = f"{pins.read_text()}\n{sys.version}\n{platform.machine()}"
    return environments.kept(f"clients/{name}", made_from, fill).parent
