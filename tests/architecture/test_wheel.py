"""The wheel, installed into an environment of its own, has all that a checkout has."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ASK = """
import json
from magnum_lite import paths
from magnum_lite.local import image
from magnum_lite.local.demo import session
from importlib import resources
def names(where):
    return sorted(str(p.relative_to(where)) for p in where.rglob('*') if p.is_file() and '__pycache__' not in str(p))
print(json.dumps({
    'from': paths.__file__,
    'templates': names(paths.heat_templates()),
    'migrations': names(paths.migrations()),
    'demo': sorted(p.name for p in resources.files('magnum_lite.local.demo').joinpath('files').iterdir()),
    'image': sorted(p.name for p in resources.files('magnum_lite.local').joinpath('image_files').iterdir()),
}))
"""


def _files(where):
    found = (p for p in where.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(str(p.relative_to(where)) for p in found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel in it; its dependencies are this environment's."""
    where = tmp_path_factory.mktemp("wheel")
    source = where / "source"
    kept = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    for name in filter(None, kept):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    build = "import sys; from setuptools import build_meta as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(where)], cwd=source, check=True, capture_output=True)
    wheel = next(where.glob("*.whl"))
    environment = where / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True
    )
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # the dependencies, and not the checkout's own .pth, which would hide the wheel
    ours = [p for p in sys.path if p.endswith("site-packages")]
    (Path(site) / "dependencies.pth").write_text("\n".join([*ours, sysconfig.get_path("purelib")]) + "\n")
    return environment


def test_data_files_are_found_from_the_wheel(installed, tmp_path):
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    told = subprocess.run(
        [installed / "bin" / "python", "-W", "ignore", "-c", _ASK],
        cwd=tmp_path, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["from"].startswith(str(installed)), "the checkout was imported instead of the wheel"
    assert found["templates"] == _files(ROOT / "heat_templates")
    assert found["migrations"] == _files(ROOT / "alembic")
    assert "compose.yml" in found["demo"]
    assert set(_files(ROOT / "magnum_lite/local/image_files")) <= set(found["image"])


def test_console_scripts_migrate_a_database(installed, tmp_path):
    settings = tmp_path / "magnum_lite.conf"
    settings.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/m.sqlite\n")
    manage = [installed / "bin" / "magnum-lite-manage", "--config-file", settings, "db"]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for action in ("upgrade", "check", "upgrade"):
        done = subprocess.run(
            [*manage, action], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
