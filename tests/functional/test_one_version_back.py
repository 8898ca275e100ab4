"""The code of the version before, on the database of this one: that is how an upgrade runs for a while. The old
code is taken from this repository's history, and does a cluster's whole life on the expanded tables.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from magnum_lite import paths
from magnum_lite.db import migrations
from magnum_lite.db.schema import metadata
from magnum_lite.db.session import Database

ROOT = Path(__file__).resolve().parents[2]
LIFE = """
import sys
from pathlib import Path
from tests.support import stand as stands
from magnum_lite.db import schema
columns = sorted(str(column) for table in schema.metadata.tables.values() for column in table.c)
assert sys.argv[3] != ",".join(columns), "that is not the old code"
stands.tables = lambda: []  # the new code made them
stand = stands.Stand(Path(sys.argv[1]), url=sys.argv[2])
uuid = stand.cluster()
assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
stand.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 3}])
assert stand.converge(uuid)["status"] == "UPDATE_COMPLETE"
kept = stand.cluster()
assert stand.converge(kept)["status"] == "CREATE_COMPLETE"
stand.api.delete(f"/v1/clusters/{uuid}")
assert stand.converge(uuid) is None
print(kept)
"""


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A tree of the last revision before the newest migration."""
    newest = max((paths.migrations() / "versions").glob("[0-9]*.py"))
    found = git("log", "--follow", "--diff-filter=A", "--format=%H", "--", f"alembic/versions/{newest.name}")
    added = found.stdout.decode().split()
    if found.returncode or not added or git("cat-file", "-e", f"{added[0]}^").returncode:
        pytest.skip("the version before is not in a shallow clone: git fetch --unshallow")
    where = tmp_path_factory.mktemp("old")
    archive = git("archive", f"{added[0]}^", "magnum_lite", "tests", "heat_templates", "etc", "alembic")
    subprocess.run(["tar", "-x", "-C", where], input=archive.stdout, check=True)
    return where


def test_the_old_code_lives_on_the_new_database(old, tmp_path):
    url = f"sqlite:///{tmp_path}/db.sqlite"
    migrations.upgrade(Database(url))
    columns = ",".join(sorted(str(column) for table in metadata.tables.values() for column in table.c))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIFE, tmp_path, url, columns], cwd=old, env={"PYTHONPATH": str(old), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    kept = done.stdout.split()[-1]
    with Database(url).read() as connection:
        found = connection.exec_driver_sql("SELECT status, generation FROM cluster").all()
    assert [tuple(row) for row in found] == [("CREATE_COMPLETE", 1)], kept


def test_migrations_only_add_within_one_version():
    """The newest one takes nothing away that the code before it uses: that comes a version later."""
    newest = max((paths.migrations() / "versions").glob("[0-9]*.py"))
    upgrade = newest.read_text().partition("def upgrade")[2].partition("def downgrade")[0]
    assert not re.search(r"drop_column|drop_table|rename|alter_column", upgrade), newest.name
