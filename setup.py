"""Data files of the wheel: every file below these directories, at <prefix>/share/magnum_lite."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
DIRECTORIES = ("alembic", "etc", "heat_templates")


def data_files() -> list[tuple[str, list[str]]]:
    """(target directory, files), as setuptools wants them."""
    found: dict[str, list[str]] = {}
    for directory in DIRECTORIES:
        for path in sorted((HERE / directory).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(HERE)
                found.setdefault(f"share/magnum_lite/{relative.parent}", []).append(str(relative))
    return sorted(found.items())


setup(data_files=data_files())
