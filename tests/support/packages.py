"""Programs of Debian packages, for tests and benchmarks: unpacked into the cache and never installed, so the
machine's own services, users and files stay as they are.
"""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import environments

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

_SYSTEMD = ("systemd", "libsystemd-shared", "libapparmor1", "libip4tc2", "libkmod2", "libseccomp2")


def mariadb() -> Path:
    """The root of a tree with MariaDB."""
    return unpacked("mariadb", _MARIADB)


def mariadb_headers() -> Path:
    """The root of a tree with what its C driver is built from, and the library that it needs."""
    return unpacked("mariadb-dev", ("libmariadb-dev", "libmariadb3"))


def rabbitmq() -> Path:
    """The root of a tree with RabbitMQ and the Erlang that it needs."""
    return unpacked("rabbitmq", _RABBITMQ)


def haproxy() -> Path:
    """The root of a tree with HAProxy."""
    return unpacked("haproxy", ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"))


def promtool() -> Path:
    """Prometheus' checker of rules and metrics."""
    return unpacked("prometheus", ("prometheus",)) / "usr/bin/promtool"


def cloud_init() -> list[object]:
    """The program's command; what else it imports comes with the environment or from Debian."""
    root = unpacked("cloud-init", ("cloud-init", "python3-configobj", "python3-oauthlib", "python3-serial"))
    start = (
        "import sys; sys.path.append(sys.argv.pop(1)); "
        "from cloudinit.cmd.main import main; sys.exit(main(['cloud-init', *sys.argv[1:]]))"
    )
    return [sys.executable, "-W", "ignore", "-c", start, root / "usr/lib/python3/dist-packages"]


def systemd_analyze() -> tuple[Path, dict[str, str]]:
    """The program and what it needs in its environment: the machine's, else unpacked with the units there."""
    if found := shutil.which("systemd-analyze"):
        return Path(found), {}
    root = unpacked("systemd", _SYSTEMD)
    libraries = [
        *root.glob("usr/lib/*/systemd"),
        *root.glob("usr/lib/*-linux-gnu"),
        *root.glob("lib/*-linux-gnu"),
    ]
    units = {"SYSTEMD_UNIT_PATH": f"{root}/lib/systemd/system:"}
    return root / "usr/bin/systemd-analyze", {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), **units}


def postgresql() -> Path:
    """The directory of PostgreSQL's programs: the machine's, else unpacked."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        root = unpacked("postgresql", ("postgresql-15", "postgresql-client-15", "libpq5"))
        found = sorted((root / "usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent


def unpacked(name: str, packages: tuple[str, ...]) -> Path:
    """The root of the packages' files. Raises CalledProcessError where apt can't give them."""
    system = platform.freedesktop_os_release()
    made_from = "\0".join([*packages, system["ID"], system.get("VERSION_ID", ""), platform.machine()])
    store = environments.CACHE / f"debs-{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.with_name(f"{store.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (store / ".complete").exists():
            shutil.rmtree(store, ignore_errors=True)
            (store / "root").mkdir(parents=True)
            _download(packages, store)
            for package in sorted(store.glob("*.deb")):
                subprocess.run(["dpkg-deb", "--extract", package, store / "root"], check=True)
                package.unlink()
            (store / ".complete").touch()
    return store / "root"


def _download(packages: tuple[str, ...], where: Path) -> None:
    """As root apt would fetch as _apt, who may not write here; it says so and fetches as root."""
    command = ["apt-get", "download", "--quiet", *packages]
    if subprocess.run(command, cwd=where, check=False, stderr=subprocess.DEVNULL).returncode:
        subprocess.run(["apt-get", "update", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(command, cwd=where, check=True, stderr=subprocess.DEVNULL)
