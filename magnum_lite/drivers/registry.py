"""Finds drivers: entry points of the group ``magnum_lite.drivers``, whose name is the COE.

The drivers that ship with the product are known without any metadata, so that a checkout that
nobody installed works too; an entry point of the same name takes their place.
"""

import functools
import importlib.metadata
from collections.abc import Callable, Mapping

from magnum_lite.drivers.port import Driver

GROUP = "magnum_lite.drivers"
ALIASES: Mapping[str, str] = {"swarm-mode": "swarm"}


def engines() -> tuple[str, ...]:
    """COEs that can be asked for, sorted, without aliases."""
    return tuple(sorted(_factories()))


def get(coe: str) -> Driver:
    """The driver of a COE or of its alias. Raises KeyError for an unknown one."""
    return _made(ALIASES.get(coe, coe))


@functools.cache
def steps() -> tuple[str, ...]:
    """Of nodes' reports, of all engines."""
    return tuple(dict.fromkeys(step for coe in engines() for step in get(coe).steps))


@functools.cache
def _made(coe: str) -> Driver:
    return _factories()[coe]()


@functools.cache
def _factories() -> Mapping[str, Callable[[], Driver]]:
    found: dict[str, Callable[[], Driver]] = {"kubernetes": _kubernetes, "swarm": _swarm}
    for point in importlib.metadata.entry_points(group=GROUP):
        found[point.name] = functools.partial(_load, point)
    return found


def _load(point: importlib.metadata.EntryPoint) -> Driver:
    driver: Driver = point.load()()
    return driver


def _kubernetes() -> Driver:
    from magnum_lite.drivers.kubernetes import KubernetesDriver

    return KubernetesDriver()


def _swarm() -> Driver:
    from magnum_lite.drivers.swarm import SwarmDriver  # late: the API asks only for engine names

    return SwarmDriver()
