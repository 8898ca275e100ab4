"""Processes by identity, not by number: a pid is only trusted together with its start time and boot.

Pid numbers are used again. Whatever is signalled here was recorded when it was started and is
compared before; the signal goes through a pidfd, so not even a pid that changes hands in between
can hit a stranger.
"""

import contextlib
import dataclasses
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK_INSTANCE = "MAGNUM_LITE_STATE_DIR"
MARK_NAME = "MAGNUM_LITE_PROCESS"
# gunicorn names its processes with setproctitle, which writes over the environment that we find them by.
KEPT = {"SPT_NOENV": "1"}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever: its pid, when it started (clock ticks since boot), and which boot."""

    pid: int
    start_ticks: int
    boot_id: str


def identify(pid: int) -> Identity | None:
    """The identity of a running process, or None when there is none (a zombie does not run)."""
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return Identity(pid, int(fields[19]), _BOOT_ID.read_text().strip())


def alive(process: Identity) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def started_at(process: Identity) -> float:
    """When it started, in Unix seconds."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + process.start_ticks / _TICKS


def send(process: Identity, number: int) -> bool:
    """Signal exactly this process; False when it is gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_gone(process: Identity, seconds: float) -> bool:
    """Whether it ended within this time; works for processes that are not our children too."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not alive(process):
            return True
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def end(process: Identity, *, seconds: float, name: str) -> None:
    """SIGTERM, then after ``seconds`` SIGKILL, and what is left of its process group too."""
    if send(process, signal.SIGTERM) and not wait_gone(process, seconds):
        send(process, signal.SIGKILL)
        wait_gone(process, 5)
    for member in group(process.pid, name):
        send(member, signal.SIGKILL)


def group(leader: int, name: str) -> tuple[Identity, ...]:
    """Members of a process group that carry the mark of our process ``name``. The leader may be gone;
    the mark tells its children from strangers whose group has the same number by now.
    """
    mark = f"{MARK_NAME}={name}"
    return tuple(
        process
        for process, fields in _all()
        if int(fields[2]) == leader and mark in _environment(process.pid)
    )


def of_instance(state_dir: Path) -> tuple[Identity, ...]:
    """Every process that descends from this instance's supervisor, containers' shims included."""
    mark = f"{MARK_INSTANCE}={state_dir}"
    return tuple(process for process, _ in _all() if mark in _environment(process.pid))


def resident_bytes(leader: int) -> int:
    """Memory in RAM of a process and its group; pages that they share count once for each."""
    return sum(
        _resident(process.pid) for process, fields in _all() if leader in (process.pid, int(fields[2]))
    )


def _all() -> Iterator[tuple[Identity, list[str]]]:
    boot_id = _BOOT_ID.read_text().strip()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and fields[0] not in {"Z", "X"}:
                yield Identity(int(entry.name), int(fields[19]), boot_id), fields


def _stat(pid: int) -> list[str] | None:
    """proc(5): the fields of stat from the third (state) on; the second may hold blanks and brackets."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return None


def _environment(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return []


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0
