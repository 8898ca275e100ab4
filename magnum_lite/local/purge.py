"""Remove every trace of an instance from the machine, whatever state it is in.

It needs no dockerd: nodes are processes in our control group, mounts below our directories, and
interfaces in our network namespace. Every step is idempotent, so a purge that was killed is
completed by the next.
"""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

from magnum_lite.local import claims, host_network, processes, state, trees

KILL_SECONDS = 15.0


class NotOursError(Exception):
    """The directory holds something, but it is no state directory."""


def purge(settings: state.Settings) -> None:
    """Kill, unmount, detach, delete. What is about to be deleted needs no orderly end."""
    kill_all(settings)
    for directory in (settings.run_dir, settings.state_dir):
        _detach_loops(directory)
    host_network.remove(settings)
    trees.remove(settings.run_dir)
    _remove_control_groups(settings.instance)
    trees.remove(settings.state_dir)
    claims.release(settings)


def purge_unborn(state_dir: Path) -> None:
    """The same for a directory in which ``up`` did not get as far as its settings.

    Raises NotOursError when it holds anything else than such a beginning.
    """
    if not state_dir.is_dir():
        return
    strangers = [entry.name for entry in state_dir.iterdir() if not entry.name.startswith(".settings.json")]
    if strangers:
        raise NotOursError(f"{state_dir} has no {state.SETTINGS_FILE}, but has {strangers[0]}")
    trees.remove(state_dir)


def kill_all(settings: state.Settings) -> None:
    """SIGKILL to everything of this instance: services, shims, and all that runs in its nodes. The
    supervisor must have ended before, as it starts again what dies.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        left = {*processes.of_instance(settings.state_dir), *_in_control_group(settings.instance)}
        left = {process for process in left if process.pid != os.getpid()}
        if not left:
            return
        for process in left:
            processes.send(process, signal.SIGKILL)
        for process in left:
            processes.wait_gone(process, 1)


def _control_groups(name: str) -> tuple[Path, ...]:
    """Our group in each hierarchy: one on cgroup v2, one for each controller on v1."""
    root = Path("/sys/fs/cgroup")
    return tuple(path for path in (root / name, *root.glob(f"*/{name}")) if path.is_dir())


def _in_control_group(name: str) -> set[processes.Identity]:
    found: set[processes.Identity | None] = set()
    for group in _control_groups(name):
        for directory, _, _ in os.walk(group):  # it bears that groups go meanwhile
            with contextlib.suppress(OSError):
                pids = (Path(directory) / "cgroup.procs").read_text().split()
                found.update(processes.identify(int(pid)) for pid in pids)
    return {process for process in found if process is not None}


def _remove_control_groups(name: str) -> None:
    for group in _control_groups(name):
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):  # busy for a moment; an empty group costs nothing
                Path(directory).rmdir()


def _detach_loops(directory: Path) -> None:
    """Free the loop devices of volumes; their files are about to go."""
    if not host_network.succeeds("losetup", "--version"):
        return
    devices = json.loads(host_network.run("losetup", "--list", "--json") or '{"loopdevices": []}')
    for device in devices["loopdevices"]:
        if Path(str(device["back-file"]).removesuffix(" (deleted)")).is_relative_to(directory):
            host_network.run("losetup", "--detach", str(device["name"]))
