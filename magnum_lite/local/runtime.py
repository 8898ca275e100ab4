"""The machine's cloud as a whole: ``up``, ``down``, ``status``.

``up`` is safe to repeat: it starts what does not run and waits until all of it serves. The node
image is built and imported while the services start.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magnum_lite.local import (
    claims,
    clouds_yaml,
    dockerd,
    image_loading,
    keeper,
    node_power,
    plan,
    processes,
    purge,
    state,
)
from magnum_lite.local.keeper import Condition
from magnum_lite.local.service_unit import Service, in_order
from magnum_lite.local.status import ProcessStatus, document, status, supervisor

__all__ = ["NotReadyError", "ProcessStatus", "down", "status", "up"]

READY_SECONDS = 400.0
STOP_SECONDS = 120.0
POLL_SECONDS = 0.1
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent.parent

Progress = Callable[[str], None]


class NotReadyError(Exception):
    """The cloud did not come up; the text names the unit, what it said, and its log."""


def up(
    state_dir: Path,
    *,
    progress: Progress,
    way_out: bool = False,
    without: frozenset[str] = frozenset(),
) -> None:
    """Bring the cloud of this state directory up and wait until everything serves.

    ``progress`` is called with one line for each finished step, from the calling thread. ``way_out``
    applies to a state directory that is new; ``without`` names services to leave out.
    Raises NotReadyError, image.BuildError, claims.NoRoomError.
    """
    state_dir = state_dir.resolve()
    settings = state.load(state_dir)
    if settings is None:
        settings = claims.choose(state_dir, way_out=way_out)
        progress(f"state directory {state_dir}, network {settings.network_prefix}.0.0/16")
    settings.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    node_image = image_loading.ImageThread(settings)
    node_image.start()
    _start_supervisor(settings, without)
    _wait_until_ready(settings, progress)
    clouds_yaml.write(settings)
    try:
        node_image.finish()
    except image_loading.EngineSilentError as error:
        raise NotReadyError(str(error)) from error
    progress(f"node image {node_image.what}")


def down(state_dir: Path, *, purge_all: bool = False) -> None:
    """Stop the services, the nodes and the outer dockerd; ``up`` brings the same nodes back.

    ``purge_all`` also removes everything that was ever made. Safe on a half-made state and when
    nothing runs. Raises purge.NotOursError for a directory that is no state directory.
    """
    state_dir = state_dir.resolve()
    settings = state.load(state_dir)
    if settings is None:
        if purge_all:
            purge.purge_unborn(state_dir)
        return
    daemon = supervisor(settings)
    if daemon is not None:
        processes.send(daemon, signal.SIGKILL if purge_all else signal.SIGTERM)
        if not processes.wait_gone(daemon, STOP_SECONDS):
            processes.send(daemon, signal.SIGKILL)
            processes.wait_gone(daemon, 5)
    if purge_all:
        purge.purge(settings)
        return
    _stop_left_behind(settings)
    purge.kill_all(settings)


def _start_supervisor(settings: state.Settings, without: frozenset[str]) -> None:
    """Start the daemon unless it runs, and return when its status is of this life."""
    if supervisor(settings) is not None:
        return
    settings.status_file.unlink(missing_ok=True)
    with (settings.log_dir / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            (sys.executable, "-m", "magnum_lite.local.supervisor", str(settings.state_dir), *sorted(without)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=_environment(settings),
        )


def _stop_left_behind(settings: state.Settings) -> None:
    """The orderly end of what a killed supervisor left: first the nodes, then the services."""
    if dockerd.ready(settings):
        node_power.stop_all(settings)
    units = in_order(plan.units(settings))
    keeper.end_left_behind(settings, tuple(unit for unit in units if isinstance(unit, Service)))


def _environment(settings: state.Settings) -> dict[str, str]:
    """The caller's environment, made fit for daemons: this very package, system directories in the
    path, no proxy between the services, no token or password of the caller's cloud.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    search = [str(_PACKAGE_PARENT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(part for part in search if part)
    environment["PYTHONWARNINGS"] = "ignore"
    environment["PATH"] = environment.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    for name in ("no_proxy", "NO_PROXY"):
        mine = f"127.0.0.1,localhost,{settings.network_prefix}.0.0/16"
        environment[name] = ",".join(filter(None, (environment.get(name), mine)))
    environment[processes.MARK_INSTANCE] = str(settings.state_dir)
    return environment


def _wait_until_ready(settings: state.Settings, progress: Progress) -> None:
    started = time.monotonic()
    told: set[str] = set()
    while time.monotonic() - started < READY_SECONDS:
        units = document(settings).get("units", [])
        for unit in units:
            if unit["condition"] == Condition.READY and unit["name"] not in told:
                told.add(unit["name"])
                progress(f"{unit['name']} ({time.monotonic() - started:.1f} s)")
            if unit["condition"] == Condition.FAILED:
                raise NotReadyError(_complaint(settings, unit))
        if units and len(told) == len(units):
            return
        time.sleep(POLL_SECONDS)
    for unit in document(settings).get("units", []):
        if unit["condition"] != Condition.READY:
            raise NotReadyError(_complaint(settings, unit))
    raise NotReadyError(f"the supervisor did not start, see {settings.log_dir / 'supervisor.log'}")


def _complaint(settings: state.Settings, unit: dict[str, Any]) -> str:
    log = settings.log_dir / f"{unit['name']}.out"
    where = log if log.exists() else settings.log_dir / "supervisor.log"
    return f"{unit['name']} is {unit['condition']}: {unit['reason'] or 'no reason given'}; see {where}"
