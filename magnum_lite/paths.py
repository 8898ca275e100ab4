"""Where the product's own data files lie, in a checkout and installed.

setuptools puts ``heat_templates``, ``alembic`` and ``etc`` under ``<prefix>/share/magnum_lite``
(see ``setup.cfg``); a checkout has them beside the package.
"""

import sys
import sysconfig
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent


def _data(name: str) -> Path:
    here = _CHECKOUT / name
    if here.is_dir():
        return here
    for prefix in (sysconfig.get_path("data"), sys.prefix):
        there = Path(prefix) / "share" / "magnum_lite" / name
        if there.is_dir():
            return there
    raise FileNotFoundError(f"magnum_lite's {name} directory is neither in a checkout nor installed")


def heat_templates() -> Path:
    """Directory of the HOT templates and node scripts."""
    return _data("heat_templates")


def migrations() -> Path:
    """Directory of the alembic environment."""
    return _data("alembic")


def settings() -> Path:
    """Directory of the shipped configuration samples."""
    return _data("etc") / "magnum_lite"
