"""Points at which a process of the service kills itself, laid by the test as empty files in one directory:
whoever comes to a point first takes its file away and dies. Nothing of it is in the product.
"""

import dataclasses
import os
import signal
from pathlib import Path

PLACE = "MAGNUM_LITE_CRASH_MINES"
CALLS = ("create", "update", "delete", "signal")
# Every phase, what comes before and after them, and each change of Heat before it is written down.
PHASES = (
    "claim",
    "ensure_authorities",
    "ensure_credential",
    "tell_nodes",
    "ensure_node_records",
    "drain_leaving",
    "ensure_stack_or_help",
    "observe",
    "confirm_nodes",
    "end_credentials",
    "end",
    "release",
    "ensure_stack_gone",
    "ensure_credentials_gone",
    "forget",
)
CONDUCTOR = (*PHASES, *(f"heat-{call}" for call in CALLS), "commit")
API = "api-cast"


def step_on(point):
    """Dies here if a mine lies here."""
    try:
        (Path(os.environ[PLACE]) / point).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Mined:
    """A port whose named methods may be the last thing that the process did."""

    def __init__(self, port, points):
        self._port, self._points = port, points

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in self._points:
            return method

        def call(*arguments, **more):
            answer = method(*arguments, **more)
            step_on(self._points[name])
            return answer

        return call


def prepare(ports):
    """The conductor's ports, with mines behind each change of a stack and each commit."""
    commit = ports.database.engine.dialect.do_commit

    def committed(connection):
        commit(connection)
        step_on("commit")

    ports.database.engine.dialect.do_commit = committed
    return dataclasses.replace(ports, stacks=Mined(ports.stacks, {name: f"heat-{name}" for name in CALLS}))
