"""A real Keystone on SQLite: its settings, its database, its server.

The database is made in a draft file and renamed when it is complete, so a kill in the middle of a
migration leaves nothing half-done behind; the next start begins again.
"""

import os
import sys

from magnum_lite.local import passwords, sqlite, state
from magnum_lite.local.drafted import Files, complete

REGION = "RegionOne"
WORKERS = 2

_CONFIG = """\
[DEFAULT]
log_file = {log}
use_stderr = false

[database]
connection = {writer}
slave_connection = {reader}

[token]
provider = fernet

[fernet_tokens]
key_repository = {directory}/fernet-keys

[credential]
key_repository = {directory}/credential-keys

[cache]
# Off, one token validation is 357 SQL queries. Each worker has a cache of its own, so keep it short.
enabled = true
backend = oslo_cache.dict
expiration_time = 5

[catalog]
# Services log in while the catalogue is being written, and the cache may answer with what has expired while
# another thread makes it anew: a worker must not go on with half a catalogue.
caching = false

[identity]
# Random passwords of 192 bits need no slow hash; the default costs 0.3 s a login.
password_hash_rounds = 4
"""


def files(settings: state.Settings) -> Files:
    """Keystone's directory below the state directory."""
    return Files(settings.state_dir / "keystone", "keystone", "keystone")


def write_settings(settings: state.Settings) -> None:
    """Write keystone.conf. Idempotent; it holds no secret."""
    mine = files(settings)
    mine.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    writer, reader = sqlite.urls(mine.database)
    text = _CONFIG.format(
        log=settings.log_dir / "keystone.log", writer=writer, reader=reader, directory=mine.directory
    )
    state.write_atomically(mine.config, text)


def bootstrapped(settings: state.Settings) -> bool:
    """Whether the database is there, complete, and of the installed Keystone."""
    return complete(files(settings))


def bootstrap_command(settings: state.Settings) -> tuple[str, ...]:
    """A process of its own: Keystone's import is heavy, and its configuration is global."""
    return (sys.executable, "-m", "magnum_lite.local.keystone_bootstrap", str(settings.state_dir))


def server_command(settings: state.Settings) -> tuple[str, ...]:
    """gunicorn with *sync* workers of one thread: with threads Keystone's authentication middleware
    mixes up the scopes of simultaneous requests.
    """
    return (
        sys.executable, "-m", "gunicorn",
        "--preload",  # one import instead of one a worker
        "--workers", str(WORKERS),
        "--worker-class", "sync",
        "--bind", f"127.0.0.1:{settings.keystone_port}",
        "--no-control-socket",
        "--backlog", "256",
        "--timeout", "60",
        "--graceful-timeout", "3",
        "magnum_lite.local.keystone_wsgi:application",
    )  # fmt: skip


def environment(settings: state.Settings) -> dict[str, str]:
    """What Keystone's own start-up code reads instead of options."""
    mine = files(settings)
    return {"OS_KEYSTONE_CONFIG_DIR": str(mine.directory), "OS_KEYSTONE_CONFIG_FILES": mine.config.name}


def bootstrap_environment(settings: state.Settings) -> dict[str, str]:
    """The administrator's password reaches ``bootstrap`` by environment, never by command line."""
    return {
        **os.environ,
        "OS_BOOTSTRAP_PASSWORD": passwords.password(settings.state_dir, "admin"),
        "OS_BOOTSTRAP_REGION_ID": REGION,
        "OS_BOOTSTRAP_PUBLIC_URL": settings.keystone_url,
    }
