"""Settings of our own service on one machine: ``magnum_lite.conf`` and the commands that use it."""

import os
import sys
from pathlib import Path

from magnum_lite.local import catalog, door_certificate, passwords, state

DEBUG = "MAGNUM_LITE_DEBUG"
"""Set in the environment of ``magnum-lite up``: our own service logs at DEBUG."""

_CONFIG = """\
[DEFAULT]
log_file = {log}
debug = {debug}
transport_url = fake://

[database]
connection = sqlite:///{database}

[api]
host = 127.0.0.1
port = {api_port}

[node_door]
host = {transit_address}
port = {door_port}
url = {door_url}
report_interval = 5
cert_file = {door.cert}
key_file = {door.key}
ca_file = {door.ca}

[conductor]
concurrency = threading
global_stack_list = true
poll_interval = 0.25
busy_interval = 0.5
idle_interval = 10
silent_after = 20

[certificates]
kek_file = {kek_file}

[keystone_authtoken]
auth_type = password
auth_url = {keystone_url}
www_authenticate_uri = {keystone_url}
username = {user}
password = {password}
user_domain_name = Default
project_name = service
project_domain_name = Default
interface = public
service_token_roles_required = true

[service_user]
auth_url = {keystone_url}
username = {user}
password = {password}
user_domain_name = Default
project_name = service
project_domain_name = Default
"""


def config_file(settings: state.Settings) -> Path:
    """magnum_lite.conf; holds a password."""
    return settings.state_dir / "magnum_lite.conf"


def write(settings: state.Settings) -> None:
    """Write the settings (0600), with the keys and certificates that they name. Idempotent."""
    text = _CONFIG.format(
        log=settings.log_dir / "magnum-lite.log",
        debug="true" if os.environ.get(DEBUG) else "false",
        database=settings.state_dir / "magnum_lite.sqlite",
        api_port=settings.api_port,
        transit_address=settings.transit_address,
        door_port=settings.door_port,
        door_url=settings.door_url,
        door=door_certificate.ensure(settings.state_dir, settings.transit_address),
        kek_file=passwords.key_file(settings.state_dir, "key_encryption_key"),
        keystone_url=settings.keystone_url,
        user=catalog.SERVICE_USER,
        password=passwords.password(settings.state_dir, catalog.SERVICE_USER),
    )
    state.write_atomically(config_file(settings), text)
    _own(settings).mkdir(mode=0o700, exist_ok=True)


def _own(settings: state.Settings) -> Path:
    return settings.state_dir / "magnum_lite.d"


def database_command(settings: state.Settings) -> tuple[str, ...]:
    """Bring the database to this version's tables."""
    manage = (sys.executable, "-m", "magnum_lite.cmd.manage")
    return (*manage, "--config-file", str(config_file(settings)), "db", "upgrade")


def server_command(settings: state.Settings) -> tuple[str, ...]:
    """API, node door and conductor in one process. ``magnum_lite.d`` in the state directory may hold more
    options, of the owner's own, in files ``*.conf``.
    """
    command = (sys.executable, "-m", "magnum_lite.local.service", "--config-file", str(config_file(settings)))
    return (*command, "--config-dir", str(_own(settings)))
