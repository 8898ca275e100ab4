"""Rules of the house that are not imports (those are in .importlinter, run by make lint)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from magnum_lite.db import migrations, schema
from magnum_lite.db.session import Database

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "magnum_lite").rglob("*.py"))


def test_layers_are_kept():
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_drawer_for_everything():
    bad = re.compile(r"^(utils?|common|helpers?|managers?|base_.*)$")
    assert [str(p) for p in MODULES if bad.match(p.stem) or bad.match(p.parent.name)] == []


def test_files_stay_small():
    large = {str(p.relative_to(ROOT)): n for p in MODULES if (n := len(p.read_text().splitlines())) > 300}
    assert large == {}


def test_every_module_says_why_it_exists():
    silent = [str(p) for p in MODULES if p.name != "__init__.py" and not p.read_text().startswith('"""')]
    assert silent == []


def test_alembic_does_not_shadow_the_library():
    assert not (ROOT / "alembic" / "__init__.py").exists()


@pytest.mark.parametrize("again", [1, 2])
def test_migrations_make_what_the_models_say(tmp_path, again):
    database = Database(f"sqlite:///{tmp_path}/m.sqlite")
    for _ in range(again):
        migrations.upgrade(database)
    assert migrations.differences(database) == []
    assert migrations.current(database) == migrations.head(database)
    assert {"cluster", "node", "authority", "certificate", "event", "quota", "service"} <= set(
        schema.metadata.tables
    )
