"""The one daemon of one-machine mode: it starts everything in order and by readiness, keeps it
running, and stops it in reverse. ``python -m magnum_lite.local.supervisor STATE_DIR``.

It knows nothing of Keystone or Heat; ``plan.py`` says what there is.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from magnum_lite.local import keeper, processes, state
from magnum_lite.local.keeper import Condition, Keeper, Report
from magnum_lite.local.service_unit import Service, Task, Unit, in_order

LOG = logging.getLogger(__name__)
TASK_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


class AlreadyRunningError(Exception):
    """Another supervisor holds this state directory."""


class Supervisor:
    """Runs the units of one instance until ``stop`` is called, in the thread that calls ``run``."""

    def __init__(self, settings: state.Settings, units: tuple[Unit, ...]) -> None:
        self._settings = settings
        self._units = in_order(units)
        self._services = tuple(unit for unit in self._units if isinstance(unit, Service))
        self._keepers = {unit.name: Keeper(unit, settings, self._changed) for unit in self._services}
        self._done = {unit.name: threading.Event() for unit in self._units if isinstance(unit, Task)}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._reports = {unit.name: Report(unit.name, Condition.WAITING, time.time()) for unit in self._units}

    def run(self) -> None:
        """Start, keep, and after ``stop`` end everything. Raises AlreadyRunningError."""
        self._settings.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = take_lock(self._settings)
        try:
            keeper.end_left_behind(self._settings, self._services)
            self._write_status()
            threads = [
                threading.Thread(target=self._bring_up, args=(unit,), name=unit.name) for unit in self._units
            ]
            for thread in threads:
                thread.start()
            self._stopping.wait()
            self._stop_all()
            for thread in threads:
                thread.join()
            self._write_status()
        finally:
            os.close(lock)

    def stop(self) -> None:
        """Ask ``run`` to end everything; may be called from a signal handler."""
        self._stopping.set()

    def _bring_up(self, unit: Unit) -> None:
        for name in unit.after:
            event = self._keepers[name].ready if name in self._keepers else self._done[name]
            while not event.wait(0.2):
                if self._stopping.is_set():
                    return
        if self._stopping.is_set():
            return
        if isinstance(unit, Service):
            self._keepers[unit.name].run()
        else:
            self._do(unit)

    def _do(self, task: Task) -> None:
        started = time.monotonic()
        self._changed(Report(task.name, Condition.STARTING, time.time()))
        for attempt, pause in enumerate((*TASK_PAUSES, None)):
            try:
                task.run()
            except Exception as error:
                LOG.exception("task_failed name=%s attempt=%d", task.name, attempt)
                condition = Condition.RESTARTING if pause else Condition.FAILED
                self._changed(Report(task.name, condition, time.time(), 0, attempt, str(error)))
                if pause is None or self._stopping.wait(pause):
                    return
            else:
                LOG.info("task_done name=%s seconds=%.1f", task.name, time.monotonic() - started)
                self._done[task.name].set()
                self._changed(Report(task.name, Condition.READY, time.time(), 0, attempt))
                return

    def _stop_all(self) -> None:
        for service in reversed(self._services):
            mine = self._keepers[service.name]
            if mine.ready.is_set():
                for action in service.before_stop:
                    try:
                        action()
                    except Exception:  # a service must be stopped whatever its farewell does
                        LOG.exception("before_stop_failed name=%s", service.name)
            mine.stop()
            LOG.info("service_stopped name=%s", service.name)

    def _changed(self, report: Report) -> None:
        with self._lock:
            before = self._reports[report.name]
            if before.condition == report.condition and before.pid == report.pid:
                report = dataclasses.replace(report, since=before.since)
            self._reports[report.name] = report
            self._write_status()

    def _write_status(self) -> None:
        me = processes.identify(os.getpid())
        document = {
            "supervisor": dataclasses.asdict(me) if me else None,
            "units": [dataclasses.asdict(report) for report in self._reports.values()],
        }
        state.write_atomically(self._settings.status_file, json.dumps(document, indent=1))


def take_lock(settings: state.Settings) -> int:
    """Be the one supervisor of this state directory until the handle is closed or the process ends.

    Raises AlreadyRunningError.
    """
    handle = os.open(settings.state_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise AlreadyRunningError(str(settings.state_dir)) from None
    return handle


def main(state_dir: Path, without: frozenset[str] = frozenset()) -> None:
    """Run as a daemon's body: standard output and error are its log. ``without``: services to leave out."""
    from magnum_lite.local import plan  # late: only the daemon needs to know all services

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = state.load(state_dir)
    if settings is None:
        raise SystemExit(f"{state_dir} has no {state.SETTINGS_FILE}")
    units = tuple(unit for unit in plan.units(settings) if unit.name not in without)
    supervisor = Supervisor(settings, units)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    with contextlib.suppress(OSError):  # sh's "exit" of the terminal must not end it
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        supervisor.run()
    except AlreadyRunningError as error:
        raise SystemExit(f"a supervisor already runs on {error}") from None


if __name__ == "__main__":
    main(Path(sys.argv[1]), frozenset(sys.argv[2:]))
