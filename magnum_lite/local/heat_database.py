"""Make or migrate Heat's database: ``python -m ... STATE_DIR``. Safe to kill and to repeat."""

import sys
from pathlib import Path

from magnum_lite.local import heat, state
from magnum_lite.local.drafted import drafted


def main(state_dir: Path) -> None:
    """Nothing to do when it is complete and of the installed Heat."""
    settings = state.load(state_dir)
    if settings is None:
        raise SystemExit(f"{state_dir} has no {state.SETTINGS_FILE}")
    heat.write_settings(settings)
    if heat.database_ready(settings):
        return
    with drafted(heat.files(settings)) as config:
        from heat.cmd import manage  # late: a finished database does not need it

        sys.argv = ["heat-manage", "--config-file", str(config), "db_sync"]
        try:
            manage.main()
        except SystemExit as exit_:
            if exit_.code:
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
