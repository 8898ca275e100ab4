"""Databases and the message bus, real ones: each on a free port, with its files in a directory that the
caller gives, as a `Server` that can be killed, frozen and started again with what it had.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support import packages
from tests.support.processes import Server, answers, free_port, running

_RABBITMQ_HELLO = b"AMQP\x00\x00\x09\x01"
_NOBODY = 65534
USER = "magnum"


@contextlib.contextmanager
def scratch(prefix: str = "magnum-lite-servers-") -> Iterator[Path]:
    """A directory into which other users may walk: PostgreSQL refuses to be root."""
    place = Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp"))
    place.chmod(0o711)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def mariadb(where: Path, *, buffer_pool: str = "128M") -> Iterator[Server]:
    """MariaDB as Debian builds it. Its URL has no database's name; `create_database` makes one. Root's socket
    is ``<where>/mariadb/socket``.
    """
    root = packages.mariadb()
    data, port, log = where / "mariadb", free_port(), where / "mariadb.log"
    data.mkdir()
    environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    files = ["--no-defaults", f"--basedir={root / 'usr'}", f"--datadir={data}"]
    files += ["--user=root"] if os.geteuid() == 0 else []
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force"]
    with log.open("ab") as out:
        subprocess.run(
            [root / "usr/bin/mariadb-install-db", *files, *options],
            env=environment, stdout=out, stderr=out, check=True,
        )  # fmt: skip
    init = where / "mariadb-init.sql"
    init.write_text(
        f"CREATE USER IF NOT EXISTS {USER}@127.0.0.1;\nGRANT ALL ON *.* TO {USER}@127.0.0.1 WITH GRANT OPTION;\n"
    )
    command = [
        root / "usr/sbin/mariadbd",
        *files,
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={data}/socket",
        f"--pid-file={data}/pid",
        "--skip-name-resolve",
        "--max-connections=500",
        f"--innodb-buffer-pool-size={buffer_pool}",
        f"--init-file={init}",
    ]
    url = f"mysql+pymysql://{USER}@127.0.0.1:{port}"
    with Server(command, log, lambda: answers(port), url=url, env=environment) as server:
        yield server


@contextlib.contextmanager
def postgresql(where: Path, *, shared_buffers: str = "128MB") -> Iterator[Server]:
    """PostgreSQL with its defaults, as nobody where we are root. Its URL has no database's name."""
    programs = packages.postgresql()
    data, port, log = where / "pgdata", free_port(), where / "postgresql.log"
    data.mkdir()
    options = (
        {"user": _NOBODY, "group": _NOBODY, "extra_groups": [], "cwd": data} if os.geteuid() == 0 else {}
    )
    if options:
        shutil.chown(data, _NOBODY, _NOBODY)
    with log.open("ab") as out:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync"],
            check=True, stdout=out, stderr=out, **options,
        )  # fmt: skip
    command = [programs / "postgres", "-D", data, "-p", port, "-k", data]
    command += ["-c", f"shared_buffers={shared_buffers}", "-c", "max_connections=500"]
    probe = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]

    def ready() -> bool:
        return subprocess.run(probe, check=False).returncode == 0

    url = f"postgresql+psycopg://{USER}@127.0.0.1:{port}"
    with Server(command, log, ready, url=url, **options) as server:
        yield server


class Rabbit(Server):
    """RabbitMQ's `Server`; ``url`` is oslo.messaging's transport_url."""

    def __init__(self, *arguments, control: list[object], **options) -> None:
        super().__init__(*arguments, **options)
        self._control = [str(part) for part in control]

    def ctl(self, *words: str) -> str:
        """What ``rabbitmqctl`` prints."""
        command = [*self._control, "--quiet", *words]
        done = subprocess.run(
            command, env=self._options["env"], cwd=self._options["cwd"], capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout


@contextlib.contextmanager
def rabbitmq(where: Path) -> Iterator[Rabbit]:
    """RabbitMQ with a node name, cookie, port mapper and files of its own."""
    root = packages.rabbitmq()
    home, port, epmd_port = where / "rabbitmq", free_port(), free_port()
    home.mkdir()
    erlang = root / "usr/lib/erlang"
    (home / "bin").mkdir()
    start = home / "bin/erl"  # the package's own names the directory that it would be installed in
    start.write_text((erlang / "bin/erl").read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={erlang}"))
    start.chmod(0o755)
    (home / ".erlang.cookie").write_text(secrets.token_hex(16))
    (home / ".erlang.cookie").chmod(0o400)
    (home / "plugins").write_text("[].")
    (home / "env").touch()
    (program,) = root.glob("usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")
    environment = {
        **os.environ,
        "PATH": f"{home / 'bin'}:{erlang / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_CRASH_DUMP": str(home / "crash"),
        "RABBITMQ_HOME": str(program.parent.parent),
        "RABBITMQ_NODENAME": f"magnum-lite-{port}@localhost",
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
    log = where / "rabbitmq.log"
    mapper = [names, "-port", epmd_port, "-address", "127.0.0.1"]
    server = Rabbit(
        [program],
        log,
        lambda: answers(port, _RABBITMQ_HELLO),
        url=f"rabbit://guest:guest@127.0.0.1:{port}/",
        control=[program.parent / "rabbitmqctl"],
        env=environment,
        cwd=home,
    )
    with running(mapper, log, cwd=home), server:
        yield server


def create_database(python: Path, url: str, name: str) -> str:
    """An empty database, made by an environment that has a driver for the server; gives its URL."""
    code = (
        "import sys, sqlalchemy as sa\n"
        "url = sa.make_url(sys.argv[1])\n"
        "mysql = url.get_backend_name() == 'mysql'\n"
        "engine = sa.create_engine(url if mysql else url.set(database='postgres'), isolation_level='AUTOCOMMIT')\n"
        "with engine.connect() as c:\n"
        "    c.exec_driver_sql(f'CREATE DATABASE {sys.argv[2]}' + ' CHARACTER SET utf8mb4' * mysql)\n"
    )
    subprocess.run([python, "-c", code, url, name], check=True)
    return f"{url}/{name}"
