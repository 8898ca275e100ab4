"""What is measured, and with what: two Python environments of the same make and a few Debian packages.

The environments are cached, named after what is in them. The packages are unpacked into the scratch
directory of a run and never installed: the machine's own services stay as they are.
"""

import configparser
import hashlib
import platform
import subprocess
import sys
from pathlib import Path

from tests.support import environments

CHECKOUT = Path(__file__).resolve().parent.parent
_HERE = CHECKOUT / "benchmarks"
_MARIADB = (
    "mariadb-server-core",
    "mariadb-client-core",
    "mariadb-server",
    "libmariadb3",
    "liburing2",
    "libaio1",
)
_ERLANG = (
    "asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools "
    "tftp tools xmerl"
)
_RABBITMQ = ("rabbitmq-server", *(f"erlang-{part}" for part in _ERLANG.split()))


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


def unpack_servers(scratch: Path) -> Path:
    """MariaDB and RabbitMQ below ``scratch``; gives the root of the unpacked tree."""
    return _unpack((*_MARIADB, *_RABBITMQ), scratch / "servers")


def postgresql(scratch: Path) -> Path | None:
    """The directory of PostgreSQL's programs: the machine's, else unpacked; None where apt has none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        try:
            root = _unpack(("postgresql-15", "libpq5"), scratch / "postgresql")
        except subprocess.CalledProcessError:
            return None
        found = sorted((root / "usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent


def _unpack(packages: tuple[str, ...], root: Path) -> Path:
    key = hashlib.sha256("\0".join([*packages, platform.freedesktop_os_release()["ID"]]).encode())
    store = environments.CACHE / f"bench-debs-{key.hexdigest()[:16]}"
    if not (store / ".complete").exists():
        store.mkdir(parents=True, exist_ok=True)
        command = ["apt-get", "download", "--quiet", *packages]
        if subprocess.run(command, cwd=store, check=False, stderr=subprocess.DEVNULL).returncode:
            subprocess.run(["apt-get", "update", "--quiet"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(command, cwd=store, check=True)
        (store / ".complete").touch()
    root.mkdir(parents=True)
    for package in sorted(store.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    return root
