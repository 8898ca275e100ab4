"""Processes of tests and benchmarks: started, waited for, measured through /proc, and ended, each by its own
id, or with the process that started them. A `Server` may also be killed, frozen and started again where it was.
"""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from tests.support import guard


def free_port() -> int:
    """A TCP port on the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A program that serves at one address, with its files in one place. ``ready`` says whether it answers;
    ``url`` is how clients name it. What it says goes into ``log``.
    """

    def __init__(
        self, command: list[object], log: Path, ready: Callable[[], object], *, url: str, **options
    ) -> None:
        self.command, self.log, self.url = [str(part) for part in command], log, url
        self._ready, self._options = ready, options
        self._process: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        """Of its first process, which leads the group of all."""
        assert self._process is not None, f"{self.command[0]} does not run"
        return self._process.pid

    def start(self, seconds: float = 60.0) -> None:
        """Returns when it is ready. Raises RuntimeError with the end of its log."""
        self.launch()
        self.wait_ready(seconds)

    def launch(self) -> None:
        """Returns at once."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **self._options,
            )  # fmt: skip
        guard.watch(self._process.pid)

    def wait_ready(self, seconds: float = 60.0) -> None:
        """After `launch`. Raises RuntimeError."""
        wait(self._ready, self._process, self.log, seconds)

    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """How its first process ended; None while it runs."""
        return self._process.poll()

    def stop(self, seconds: float = 15.0) -> float:
        """SIGTERM to its first process, SIGKILL to all of the group when the time is over. Gives the seconds
        that it took, ``seconds`` or more when it had to be killed.
        """
        began = time.monotonic()
        if self.alive():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        took = time.monotonic() - began
        self.kill()
        return took

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(15)
            guard.forget(self._process.pid)

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """To the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def running(command: list[object], log: Path, **options) -> Iterator[subprocess.Popen]:
    """A process in a group of its own; the whole group is ended on the way out."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options,
        )  # fmt: skip
    guard.watch(process.pid)
    try:
        yield process
    finally:
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        guard.forget(process.pid)


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
