"""Make or migrate Heat's database: ``python -m ... STATE_DIR``. Safe to kill and to repeat."""

import os
import sqlite3
import sys
from importlib import metadata
from pathlib import Path

from magnum_lite.local import heat, sqlite, state


def main(state_dir: Path) -> None:
    """Work on a draft and rename it when it is complete, as ``heat-manage db_sync`` is no transaction."""
    settings = state.load(state_dir)
    if settings is None:
        raise SystemExit(f"{state_dir} has no {state.SETTINGS_FILE}")
    heat.write_settings(settings)
    if heat.database_ready(settings):
        return
    mine = heat.files(settings)
    for leftover in (mine.draft, mine.draft.with_name(mine.draft.name + "-journal")):
        leftover.unlink(missing_ok=True)
    if mine.database.exists():
        with sqlite3.connect(mine.database) as old, sqlite3.connect(mine.draft) as new:
            old.backup(new)  # a plain copy would miss what is still in the write-ahead log
    draft_config = mine.directory / "draft.conf"
    draft_text = mine.config.read_text().replace(str(mine.database), str(mine.draft))
    state.write_atomically(draft_config, draft_text)

    from heat.cmd import manage  # late: a finished database does not need it

    sqlite.install_for_making()
    sys.argv = ["heat-manage", "--config-file", str(draft_config), "db_sync"]
    try:
        manage.main()
    except SystemExit as exit_:
        if exit_.code:
            raise
    with mine.draft.open("rb") as file:
        os.fsync(file.fileno())
    mine.draft.replace(mine.database)
    state.write_atomically(mine.version, metadata.version("openstack-heat"))
    draft_config.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
