"""Processes of a run: started, waited for, measured through /proc, and ended, each by its own id."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: list[object], log: Path, **options) -> Iterator[subprocess.Popen]:
    """A process in a group of its own; the whole group is ended on the way out."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options,
        )  # fmt: skip
    try:
        yield process
    finally:
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


def wait(
    condition: Callable[[], object], process: subprocess.Popen, log: Path, seconds: float = 60.0
) -> None:
    """Until ``condition`` holds. Raises RuntimeError with the end of the log when the process is gone or the
    time is over.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} did not come up:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def answers(port: int, hello: bytes = b"") -> bool:
    """Whether something accepts on the port, and speaks first or when greeted."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(hello)
            return bool(connection.recv(1))
    except OSError:
        return False


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    out, todo = [], [pid]
    while todo:
        parent = todo.pop()
        out.append(parent)
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                todo += [int(child) for child in children.read_text().split()]
    return out


def cpu(pids: list[int]) -> float:
    """CPU seconds that processes have used so far, user and system; in nanoseconds where the kernel keeps
    them by thread, of threads that are alive.
    """
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no process {pid}")


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a result must say about where it was measured."""

    cores: int
    load: float


def machine() -> Machine:
    """This one, now."""
    return Machine(len(os.sched_getaffinity(0)), os.getloadavg()[0])
