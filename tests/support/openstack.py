"""A real Keystone and a real Heat as a cloud has them: from PyPI, over a database server and RabbitMQ, Heat with
the convergence engine and several workers. Their settings begin as those of the one-machine cloud.
"""

import configparser
import os
import subprocess
import sys
from pathlib import Path

from magnum_lite.local import heat, http_probe, keystone, passwords
from tests.support.processes import Server

PROGRAMS = Path(sys.executable).parent
ENGINES = 3
_GUNICORN = """\
wsgi_app = "{application}"
bind = "127.0.0.1:{port}"
workers = {workers}
worker_class = "{kind}"
threads = {threads}
timeout = 120
graceful_timeout = 3
control_socket_disable = True
preload_app = {preload}
"""


def change(path: Path, **sections: dict[str, str | None]) -> None:
    """Set options of an INI file (None removes one). A section's name has ``_`` as in the file."""
    found = configparser.RawConfigParser(strict=False, default_section="-")
    found.optionxform = str
    found.read(path)
    for section, options in sections.items():
        if not found.has_section(section):
            found.add_section(section)
        for name, value in options.items():
            if value is None:
                found.remove_option(section, name)
            else:
                found.set(section, name, value)
    with path.open("w") as out:
        found.write(out)


def sections(path: Path) -> dict[str, dict[str, str]]:
    """What an INI file says."""
    found = configparser.RawConfigParser(default_section="-")
    found.optionxform = str
    found.read(path)
    return {name: dict(found[name]) for name in found.sections()}


def environment(**more: object) -> dict[str, str]:
    """What programs of a cloud see: no login of the caller's, no other configuration."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "PYTHON", "HTTP", "http"))}
    return {**kept, "PYTHONWARNINGS": "ignore", **{k: str(v) for k, v in more.items()}}


def command(where: Path, *words: object, **more: object) -> str:
    """What a program says that has to succeed."""
    done = subprocess.run(
        [str(word) for word in words],
        env=environment(**more), cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
    return done.stdout


def _served(where: Path, name: str, application: str, port: int, ready, *, workers: int, kind: str, **more):
    """A WSGI application behind gunicorn. The program's line is left empty, as Keystone and Heat take it for
    their own.
    """
    config = where / f"{name}.gunicorn.py"
    threads = 1 if kind == "sync" else 16
    config.write_text(
        _GUNICORN.format(
            application=application,
            port=port,
            workers=workers,
            kind=kind,
            threads=threads,
            preload=kind == "sync",  # Heat would open its connections to the bus before it forks
        )
    )
    seen = environment(GUNICORN_CMD_ARGS=f"--config {config}", **more)
    return Server(
        [PROGRAMS / "gunicorn"],
        where / f"{name}.out",
        ready,
        url=f"http://127.0.0.1:{port}",
        env=seen,
        cwd=where,
    )


def make_keystone(settings, url: str) -> Server:
    """Keystone's tables, keys and administrator, in the database at ``url``; its server is not started yet."""
    keystone.write_settings(settings)
    mine = keystone.files(settings)
    change(mine.config, database={"connection": url, "slave_connection": None})
    more = keystone.environment(settings) | {
        "OS_BOOTSTRAP_PASSWORD": passwords.password(settings.state_dir, "admin")
    }
    more |= {"OS_BOOTSTRAP_REGION_ID": keystone.REGION, "OS_BOOTSTRAP_PUBLIC_URL": settings.keystone_url}
    make = "import sys, pathlib; from magnum_lite.local import keystone_bootstrap as k; k.make(pathlib.Path(sys.argv[1]))"
    command(mine.directory, sys.executable, "-c", make, mine.config, **more)
    return _served(
        mine.directory, "keystone", "keystone.wsgi.api:application", settings.keystone_port,
        lambda: http_probe.answers(settings.keystone_url),
        workers=3, kind="sync", **keystone.environment(settings),
    )  # fmt: skip


def make_heat(settings, url: str, bus: str) -> dict[str, Server]:
    """Heat's tables in the database at ``url``; engine, API and the CloudFormation API, not started yet."""
    heat.write_settings(settings)
    mine = heat.files(settings)
    stock = (
        "max_resources_per_stack",
        "max_stacks_per_tenant",
        "error_wait_time",
        "engine_life_check_timeout",
    )
    change(
        mine.config,
        DEFAULT={
            "transport_url": bus,
            "convergence_engine": "true",
            "num_engine_workers": str(ENGINES),
            "host": "heat-1",
            **dict.fromkeys(stock),
        },
        database={"connection": url, "slave_connection": None},
    )
    command(mine.directory, PROGRAMS / "heat-manage", "--config-file", mine.config, "db_sync")
    engine = Server(
        [PROGRAMS / "heat-engine", "--config-file", mine.config],
        mine.directory / "engine.out", lambda: True, url="", env=environment(), cwd=mine.directory,
    )  # fmt: skip
    # Heat's WSGI applications read no option and no variable, but ~/.heat/heat.conf.
    home = mine.directory / ".heat"
    home.mkdir(exist_ok=True)
    (home / "heat.conf").unlink(missing_ok=True)
    (home / "heat.conf").symlink_to(mine.config)
    found = {
        name: _served(
            mine.directory, name, f"heat.wsgi.{module}:application", port, probe,
            workers=workers, kind="gthread", HOME=mine.directory,
        )
        for name, module, port, probe, workers in (
            ("heat-api", "api", settings.heat_port,
             lambda: http_probe.answers(f"{settings.heat_url}/healthcheck"), 2),
            ("heat-api-cfn", "cfn", settings.heat_cfn_port,
             lambda: http_probe.answers(f"http://127.0.0.1:{settings.heat_cfn_port}/"), 1),
        )
    }  # fmt: skip
    return {"heat-engine": engine, **found}
