"""The end of what this process started, also when it is killed itself: a process of its own waits for that on a
pipe, and ends the groups of processes that were named to it. (A death signal of the kernel's would end a server
with the thread that started it, and leave the server's own children.)
"""

import atexit
import functools
import subprocess
import sys
import threading

_ONE = threading.Lock()
_WAITING = """
import contextlib, os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
"""


def watch(group: int) -> None:
    """It ends with this process."""
    _say(f"+{group}\n")


def forget(group: int) -> None:
    """It has ended; others may get its number."""
    _say(f"-{group}\n")


def _say(line: str) -> None:
    with _ONE:
        _guard().stdin.write(line.encode())


@functools.cache
def _guard() -> subprocess.Popen:
    guard = subprocess.Popen(
        [sys.executable, "-ISc", _WAITING], stdin=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    atexit.register(lambda: (guard.stdin.close(), guard.wait(10)))
    return guard
