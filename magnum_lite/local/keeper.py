"""Keep one service running: start it, see it become ready, restart it when it dies.

One thread per service. How often a service died recently sets the pause before its next start; one
that dies again and again is given up, loudly, rather than left to burn the machine.
"""

import contextlib
import dataclasses
import enum
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from magnum_lite.local import processes, state
from magnum_lite.local.service_unit import Service

LOG = logging.getLogger(__name__)
READY_POLL_SECONDS = 0.1
FLAP_WINDOW_SECONDS = 120.0
FLAP_LIMIT = 8
LONGEST_PAUSE_SECONDS = 15.0


class Condition(enum.StrEnum):
    """Where a unit is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What is known of a unit. ``since`` is in Unix seconds; ``pid`` is 0 when none runs."""

    name: str
    condition: Condition
    since: float
    pid: int = 0
    restarts: int = 0
    reason: str = ""


def pause_before_restart(deaths: int) -> float:
    """Seconds to wait after the n-th death in the window: none at first, then doubling."""
    return 0.0 if deaths <= 1 else min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (deaths - 2))


class Keeper:
    """Runs one service until told to stop. ``changed`` is called with each new Report."""

    def __init__(self, service: Service, settings: state.Settings, changed: Callable[[Report], None]) -> None:
        self.service = service
        self._settings = settings
        self._changed = changed
        self._stopping = threading.Event()
        self._process: processes.Identity | None = None
        self._restarts = 0
        self.ready = threading.Event()

    def run(self) -> None:
        """The keeper's thread: returns after ``stop`` or when the service is given up."""
        deaths: list[float] = []
        while not self._stopping.is_set():
            reason = self._live_once()
            if self._stopping.is_set():
                break
            now = time.monotonic()
            deaths = [moment for moment in deaths if now - moment < FLAP_WINDOW_SECONDS] + [now]
            if len(deaths) >= FLAP_LIMIT:
                LOG.critical(
                    "service_given_up name=%s deaths=%d reason=%s", self.service.name, len(deaths), reason
                )
                self._tell(Condition.FAILED, reason=f"given up after {len(deaths)} deaths: {reason}")
                return
            self._restarts += 1
            pause = pause_before_restart(len(deaths))
            LOG.error("service_died name=%s reason=%s next_start_in=%.1f", self.service.name, reason, pause)
            self._tell(Condition.RESTARTING, reason=reason)
            self._stopping.wait(pause)
        self._tell(Condition.STOPPED)

    def stop(self) -> None:
        """End the service and wait until it is gone."""
        self._stopping.set()
        process = self._process
        if process is not None:
            processes.end(process, seconds=self.service.stop_seconds, name=self.service.name)
        record_of(self._settings, self.service.name).unlink(missing_ok=True)

    def _live_once(self) -> str:
        """From start to death; why it died."""
        self._tell(Condition.STARTING)
        try:
            for action in self.service.prepare:
                action()
        except Exception as error:
            LOG.exception("service_not_prepared name=%s", self.service.name)
            return f"could not be prepared: {error}"
        if self._stopping.is_set():
            return "stopping"
        try:
            child = self._spawn()
        except OSError as error:
            return f"could not be started: {error}"
        watcher = threading.Thread(target=self._watch_readiness, args=(child.pid,), daemon=True)
        watcher.start()
        if self._stopping.is_set():  # stop() may have looked before there was anything to end
            processes.end(self._process, seconds=self.service.stop_seconds, name=self.service.name)  # type: ignore[arg-type]
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        # Not reaped yet, so the group's number is still ours: end what the dead leader left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        self.ready.clear()
        self._process = None
        return f"exited with {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = self._settings.log_dir / f"{self.service.name}.out"
        with log.open("ab") as output:
            child = subprocess.Popen(
                self.service.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={
                    **os.environ,
                    **self.service.environment,
                    **processes.KEPT,
                    processes.MARK_INSTANCE: str(self._settings.state_dir),
                    processes.MARK_NAME: self.service.name,
                },
            )
        self._process = processes.identify(child.pid)
        if self._process is not None:
            record = record_of(self._settings, self.service.name)
            record.parent.mkdir(exist_ok=True, mode=0o700)
            state.write_atomically(record, json.dumps(dataclasses.asdict(self._process)))
        self._tell(Condition.STARTING)
        return child

    def _watch_readiness(self, pid: int) -> None:
        """Poll until it serves; one that does not in time is killed, and so started again."""
        process = self._process
        deadline = time.monotonic() + self.service.start_seconds
        while process is not None and process.pid == pid and processes.alive(process):
            if self._stopping.is_set():
                return
            if self._serves():
                if processes.alive(process):
                    self.ready.set()
                    LOG.info("service_ready name=%s pid=%d", self.service.name, pid)
                    self._tell(Condition.READY)
                return
            if time.monotonic() > deadline:
                LOG.error(
                    "service_not_ready name=%s seconds=%d", self.service.name, self.service.start_seconds
                )
                processes.end(process, seconds=self.service.stop_seconds, name=self.service.name)
                return
            self._stopping.wait(READY_POLL_SECONDS)

    def _serves(self) -> bool:
        """A look that fails is a no: were it to end the watch, nobody would ever see it ready."""
        try:
            return self.service.ready()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the deadline still holds
            LOG.warning("readiness_unknown name=%s error=%s", self.service.name, error)
            return False

    def _tell(self, condition: Condition, *, reason: str = "") -> None:
        process = self._process
        pid = process.pid if process is not None else 0
        self._changed(Report(self.service.name, condition, time.time(), pid, self._restarts, reason))


def record_of(settings: state.Settings, name: str) -> Path:
    """The file that remembers a process across a death of the supervisor."""
    return settings.state_dir / "processes" / f"{name}.json"


def end_left_behind(settings: state.Settings, order: tuple[Service, ...]) -> tuple[str, ...]:
    """End what a killed supervisor left running, last started first; the names of what there was."""
    ended = []
    for service in reversed(order):
        record = record_of(settings, service.name)
        try:
            process = processes.Identity(**json.loads(record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            continue
        if processes.alive(process) or processes.group(process.pid, service.name):
            LOG.warning("left_behind_ended name=%s pid=%d", service.name, process.pid)
            processes.end(process, seconds=service.stop_seconds, name=service.name)
            ended.append(service.name)
        record.unlink(missing_ok=True)
    return tuple(ended)
