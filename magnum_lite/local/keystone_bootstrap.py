"""Make Keystone's database: tables, keys, administrator. ``python -m ... STATE_DIR``.

``keystone-manage`` is four commands of which each spends most of its time on imports. Here they are
imported once and each runs in a fork, with a configuration of its own.
"""

import os
import sys
from pathlib import Path

from magnum_lite.local import keystone, state
from magnum_lite.local.drafted import drafted


def main(state_dir: Path) -> None:
    """Bring the database of this instance up to the installed Keystone. Safe to kill and repeat."""
    settings = state.load(state_dir)
    if settings is None:
        raise SystemExit(f"{state_dir} has no {state.SETTINGS_FILE}")
    keystone.write_settings(settings)
    if keystone.bootstrapped(settings):
        return
    os.environ.update(keystone.bootstrap_environment(settings))
    with drafted(keystone.files(settings)) as config:
        make(config)


def make(config: Path) -> None:
    """Tables, keys and the administrator, whose password and URL are in the environment."""
    from keystone.cmd import cli  # late: two seconds that a finished bootstrap does not need

    owner = ("--keystone-user", str(os.geteuid()), "--keystone-group", str(os.getegid()))
    for command in (("db_sync",), ("fernet_setup", *owner), ("credential_setup", *owner), ("bootstrap",)):
        _run_in_fork(cli, ["keystone-manage", "--config-file", str(config), *command])


def _run_in_fork(cli: object, arguments: list[str]) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cli.main(arguments)  # type: ignore[attr-defined]
            code = 0
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"keystone-manage {arguments[3]} failed, see Keystone's log")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
