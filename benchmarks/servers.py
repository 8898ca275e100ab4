"""Database servers and the message bus, each on a free port with its files in the scratch directory."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import answers, free_port, running, wait

_RABBITMQ_HELLO = b"AMQP\x00\x00\x09\x01"
_NOBODY = 65534


@contextlib.contextmanager
def mariadb(root: Path, scratch: Path) -> Iterator[tuple[str, int]]:
    """MariaDB as Debian builds it, with a buffer pool that holds everything; gives its URL (without a
    database's name) and its process id.
    """
    data, port, log = scratch / "mariadb", free_port(), scratch / "mariadb.log"
    data.mkdir()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    where = ["--no-defaults", f"--basedir={root / 'usr'}", f"--datadir={data}"]
    where += ["--user=root"] if os.geteuid() == 0 else []
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force"]
    with log.open("ab") as out:
        subprocess.run(
            [root / "usr/bin/mariadb-install-db", *where, *options],
            env=environment, stdout=out, stderr=out, check=True,
        )  # fmt: skip
    listen = [
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={data}/socket",
        f"--pid-file={data}/pid",
    ]
    command = [
        root / "usr/sbin/mariadbd",
        *where,
        *listen,
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=1G",
    ]
    init = scratch / "mariadb-init.sql"
    init.write_text("CREATE USER bench@127.0.0.1;\nGRANT ALL ON *.* TO bench@127.0.0.1;\n")
    with running([*command, f"--init-file={init}"], log, env=environment) as process:
        wait(lambda: answers(port), process, log)
        yield f"mysql+pymysql://bench@127.0.0.1:{port}", process.pid


@contextlib.contextmanager
def rabbitmq(root: Path, scratch: Path) -> Iterator[str]:
    """RabbitMQ; gives oslo.messaging's transport_url."""
    home, port, epmd_port = scratch / "rabbitmq", free_port(), free_port()
    home.mkdir()
    erlang = root / "usr/lib/erlang"
    start = erlang / "bin/erl"
    start.write_text(start.read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={erlang}"))
    (home / "plugins").write_text("[].")
    (home / "env").touch()
    (program,) = root.glob("usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")
    environment = {
        **os.environ,
        "PATH": f"{erlang / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_CRASH_DUMP": str(home / "crash"),
        "RABBITMQ_HOME": str(program.parent.parent),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "env"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
    }
    (names,) = erlang.glob("erts-*/bin/epmd")
    log = scratch / "rabbitmq.log"
    listen = ["-port", epmd_port, "-address", "127.0.0.1"]
    with (
        running([names, *listen], log, cwd=home),
        running([program], log, env=environment, cwd=home) as process,
    ):
        wait(lambda: answers(port, _RABBITMQ_HELLO), process, log)
        yield f"rabbit://guest:guest@127.0.0.1:{port}/"


@contextlib.contextmanager
def postgresql(programs: Path, scratch: Path) -> Iterator[tuple[str, int]]:
    """PostgreSQL with its defaults, as nobody where we are root (it refuses root)."""
    data, port, log = scratch / "pgdata", free_port(), scratch / "postgresql.log"
    data.mkdir()
    options = (
        {"user": _NOBODY, "group": _NOBODY, "extra_groups": [], "cwd": data} if os.geteuid() == 0 else {}
    )
    if options:
        scratch.chmod(0o711)
        shutil.chown(data, _NOBODY, _NOBODY)
    with log.open("ab") as out:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "bench", "--auth=trust", "-E", "UTF8"],
            check=True, stdout=out, stderr=out, **options,
        )  # fmt: skip
    command = [programs / "postgres", "-D", data, "-p", port, "-k", data, "-c", "shared_buffers=512MB"]
    with running(command, log, **options) as process:
        probe = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait(lambda: subprocess.run(probe, check=False).returncode == 0, process, log)
        yield f"postgresql+psycopg://bench@127.0.0.1:{port}", process.pid


def create_database(python: Path, url: str, name: str) -> None:
    """An empty database on MariaDB, by an environment that has a driver for it."""
    code = (
        "import sys, sqlalchemy as sa\n"
        "with sa.create_engine(sys.argv[1]).connect() as c:\n"
        "    c.exec_driver_sql(f'CREATE DATABASE {sys.argv[2]} CHARACTER SET utf8mb4')\n"
    )
    subprocess.run([python, "-c", code, url, name], check=True)
