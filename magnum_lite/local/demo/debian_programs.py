"""Programs from Debian packages, without installing those: the package of a registry would start a
server of its own, and busybox-static would push a plain busybox aside.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from magnum_lite.local.commands.failure import Failure


def registry() -> Path:
    """The Docker registry (Debian: docker-registry). Raises Failure."""
    installed = shutil.which("docker-registry")
    return Path(installed) if installed else unpacked("docker-registry", "usr/bin/docker-registry")


def busybox() -> Path:
    """A statically linked busybox (Debian: busybox-static). Raises Failure."""
    return unpacked("busybox-static", "bin/busybox")


def unpacked(package: str, program: str) -> Path:
    """A program of a package, fetched by apt and unpacked into a cache. Raises Failure."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = Path(base) / "magnum-lite" / "programs"
    target = home / package
    if (target / program).exists():
        return target / program
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{package}-", dir=home) as name:
        workshop = Path(name)
        # As root, apt wants to fetch as its own user, who may not write here.
        fetch = ("apt-get", "--quiet", "--option", "APT::Sandbox::User=root", "download", package)
        _run(fetch, workshop, package)
        found = next(workshop.glob("*.deb"))
        _run(("dpkg-deb", "--extract", str(found), str(workshop / "root")), workshop, package)
        if not (workshop / "root" / program).exists():
            raise Failure(f"The package {package} has no {program}.")
        shutil.rmtree(target, ignore_errors=True)
        (workshop / "root").rename(target)
    return target / program


def _run(command: tuple[str, ...], directory: Path, package: str) -> None:
    try:
        answer = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not here: the demo needs Debian's package {package}.") from None
    if answer.returncode != 0:
        raise Failure(
            f"{' '.join(command)}: {(answer.stderr or answer.stdout).strip()[-400:]}",
            "the lists of packages may be old:  apt-get update",
        )
