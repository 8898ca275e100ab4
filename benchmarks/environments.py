"""What is measured: two Python environments of the same make, cached, named after what is in them."""

import configparser
import os
import platform
import sys
from pathlib import Path

from tests.support import environments, packages

CHECKOUT = Path(__file__).resolve().parent.parent
_HERE = CHECKOUT / "benchmarks"


def upstream() -> Path:
    """The interpreter of upstream's environment."""
    return _environment("upstream", (_HERE / "requirements-upstream.txt").read_text())


def ours() -> Path:
    """The interpreter of this checkout's: what the product requires, in the pinned versions, and a server."""
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg")
    required = [config["options"]["install_requires"].strip(), (_HERE / "requirements-ours.txt").read_text()]
    return _environment("ours", "\n".join(required), constraints=CHECKOUT / "constraints.txt")


def _environment(name: str, required: str, constraints: Path | None = None) -> Path:
    def fill(python: Path) -> None:
        # mysqlclient comes as source; its library stays where it is, in the cache.
        root = packages.mariadb_headers()
        (library,) = root.glob("usr/lib/*-linux-gnu")
        os.environ["MYSQLCLIENT_CFLAGS"] = f"-I{root}/usr/include/mariadb"
        os.environ["MYSQLCLIENT_LDFLAGS"] = f"-L{library} -lmariadb -Wl,-rpath,{library}"
        wanted = python.parent.parent / "requirements.txt"
        wanted.write_text(required)
        limits = ["--constraint", constraints] if constraints else []
        environments.pip(python, "install", "--quiet", *limits, "--requirement", wanted)
        if constraints:  # ours: the checkout itself, for its entry points
            environments.pip(python, "install", "--quiet", "setuptools>=77", "wheel")
            editable = ["--no-deps", "--no-build-isolation", "--editable", CHECKOUT]
            environments.pip(python, "install", "--quiet", *editable)

    pinned = constraints.read_text() if constraints else ""
    made_from = "\0".join([required, pinned, sys.version, platform.machine(), str(CHECKOUT)])
    found: Path = environments.kept(f"bench-{name}", made_from, fill)
    return found
