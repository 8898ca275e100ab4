"""A real Heat on SQLite: its settings, its database, its one process.

Stock clients, stock paste file, stock Keystone authentication; only what SQLite and a single
process need differs from a normal installation. The engine is the legacy one: the convergence
engine loses updates on SQLite.
"""

import contextlib
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from magnum_lite.local import catalog, passwords, sqlite, state
from magnum_lite.local.drafted import Files, complete

_CONFIG = """\
[DEFAULT]
transport_url = fake://
host = one-machine
auth_encryption_key = {encryption_key}
convergence_engine = false
# A stack that was in progress when the engine died is marked failed this soon after its restart.
engine_life_check_timeout = 1
# else a deletion waits four minutes for siblings of what failed, or of what is still being made
error_wait_time = 2
log_file = {log}
use_stderr = false
deferred_auth_method = trusts
stack_user_domain_name = {stack_domain}
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = {domain_admin_password}
default_user_data_format = RAW
heat_metadata_server_url = {cfn_url}
heat_waitcondition_server_url = {cfn_url}/v1/waitcondition
max_resources_per_stack = -1
max_stacks_per_tenant = 10000
plugin_dirs = {directory}/none
environment_dir = {directory}/none
template_dir = {directory}/none

[database]
connection = {writer}
slave_connection = {reader}

[paste_deploy]
api_paste_config = {paste}

[oslo_policy]
policy_file = {policy}

[cache]
enabled = false

[keystone_authtoken]
auth_type = password
auth_url = {keystone_url}
www_authenticate_uri = {keystone_url}
username = heat
password = {heat_password}
user_domain_name = Default
project_name = service
project_domain_name = Default
service_token_roles_required = true
# The catalogue has public endpoints only; the default, internal, makes every request a 500.
interface = public

[trustee]
auth_type = password
auth_url = {keystone_url}
username = heat
password = {heat_password}
user_domain_name = Default

[clients]
endpoint_type = publicURL

[clients_keystone]
auth_uri = {keystone_root}

[ec2authtoken]
auth_uri = {keystone_url}/ec2tokens
"""

_POLICY = f"""\
# The conductor's role and operators may list the stacks of every project; the stock rule denies everybody.
"stacks:global_index": "role:{catalog.INDEX_ROLE} or role:admin"
"""


class NoPasteFileError(Exception):
    """The installed Heat has no api-paste.ini."""


def files(settings: state.Settings) -> Files:
    """Heat's directory below the state directory."""
    return Files(settings.state_dir / "heat", "heat", "openstack-heat")


def paste_file() -> Path:
    """The installed Heat's own api-paste.ini, of the environment that runs us.

    Raises NoPasteFileError.
    """
    for prefix in (sysconfig.get_path("data"), sys.prefix):
        path = Path(prefix) / "etc/heat/api-paste.ini"
        if path.is_file():
            return path
    with contextlib.suppress(metadata.PackageNotFoundError):  # installed with another prefix
        for file in metadata.files("openstack-heat") or ():
            path = Path(str(file.locate())).resolve()
            if path.name == "api-paste.ini" and path.is_file():
                return path
    raise NoPasteFileError("etc/heat/api-paste.ini of the installed openstack-heat was not found")


def write_settings(settings: state.Settings) -> None:
    """Write heat.conf (0600) and its policy. Idempotent."""
    mine = files(settings)
    (mine.directory / "none").mkdir(parents=True, exist_ok=True, mode=0o700)
    writer, reader = sqlite.urls(mine.database)
    policy = mine.directory / "policy.yaml"
    state.write_atomically(policy, _POLICY)
    text = _CONFIG.format(
        encryption_key=passwords.password(settings.state_dir, "heat_encryption_key"),  # 32 characters
        log=settings.log_dir / "heat.log",
        stack_domain=catalog.HEAT_DOMAIN,
        domain_admin_password=passwords.password(settings.state_dir, "heat_domain_admin"),
        cfn_url=f"http://127.0.0.1:{settings.heat_cfn_port}",
        directory=mine.directory,
        writer=writer,
        reader=reader,
        paste=paste_file(),
        policy=policy,
        keystone_url=settings.keystone_url,
        keystone_root=settings.keystone_url.removesuffix("/v3"),
        heat_password=passwords.password(settings.state_dir, "heat"),
    )
    state.write_atomically(mine.config, text)


def database_ready(settings: state.Settings) -> bool:
    """Whether the database is there, complete, and of the installed Heat."""
    return complete(files(settings))


def database_command(settings: state.Settings) -> tuple[str, ...]:
    """Makes or migrates the database, in a process of its own."""
    return (sys.executable, "-m", "magnum_lite.local.heat_database", str(settings.state_dir))


def server_command(settings: state.Settings) -> tuple[str, ...]:
    """API and engine in one process."""
    return (sys.executable, "-m", "magnum_lite.local.heat_server", str(settings.state_dir))
