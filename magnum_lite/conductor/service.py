"""The conductor as a process: RPC server, work loop, heartbeat, sweeper."""

import collections
import concurrent.futures
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_log import log

from magnum_lite import concurrency, metrics, rpc
from magnum_lite.conductor import work
from magnum_lite.conductor.endpoint import Endpoint
from magnum_lite.conductor.glance import glance
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.reconciler import reconcile
from magnum_lite.conductor.sweeper import expire_events, sweep, sweep_credentials
from magnum_lite.conductor.watching import watch
from magnum_lite.context import in_request
from magnum_lite.db import leases, services
from magnum_lite.db.interruptions import again
from magnum_lite.errors import Unavailable

LOG = log.getLogger(__name__)
BINARY = "magnum-conductor"
_HEARTBEAT = 10.0
_WATCH = 5.0
_SHORTEST_GLANCE = 1.0
_AHEAD = 8
_LONGEST_BACKOFF = 60.0
_LAST_CALLS = 3.0


class ConductorService:
    """Start it, stop it. ``at_point`` is for crash tests."""

    def __init__(self, ports: Ports, bus: Any, *, at_point: Callable[[str], None] = lambda _: None) -> None:
        self._ports = ports
        self._at_point = at_point
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._busy: set[str] = set()
        self._candidates: collections.deque[tuple[str, int]] = collections.deque()
        self._old_at = 0.0
        self._lock = threading.Lock()
        count = ports.conf.conductor.workers
        self._pool = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="reconcile")
        self._server = oslo_messaging.get_rpc_server(
            bus,
            oslo_messaging.Target(topic=rpc.TOPIC, server=ports.owner),
            [Endpoint(ports, self._nudged)],
            executor=concurrency.executor(),
        )
        self._threads = [
            threading.Thread(target=self._loop, name="work", daemon=True),
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch, name="watch", daemon=True),
            threading.Thread(target=self._sweep, name="sweeper", daemon=True),
            threading.Thread(target=self._glance, name="glance", daemon=True),
        ]

    def start(self) -> None:
        """Returns at once."""
        self._server.start()
        for thread in self._threads:
            thread.start()

    def stop(self, grace: float = 8.0) -> bool:
        """Takes no new work and no new calls; what is under way gets ``grace`` seconds altogether. Whether
        all of it ended: else the process must go without it, and its leases end by themselves.
        """
        end = time.monotonic() + grace
        self._stop.set()
        self._wake.set()
        ending = threading.Thread(target=self._end_calls, name="end of calls", daemon=True)
        ending.start()
        for thread in (*self._threads, ending):
            thread.join(max(0.1, end - time.monotonic()))
        self._pool.shutdown(wait=False, cancel_futures=True)
        while self._busy and time.monotonic() < end:
            time.sleep(0.05)
        self._ports.last_words(max(0.1, end - time.monotonic()))
        return not (self._busy or ending.is_alive())

    def _end_calls(self) -> None:
        with contextlib.suppress(oslo_messaging.MessagingException):
            rpc.stop_taking(self._server, _LAST_CALLS)
            self._server.stop()
            self._server.wait()

    def _loop(self) -> None:
        conf = self._ports.conf.conductor
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._take_due(conf.workers)
            except Exception:  # a database that is away for a moment must not end the conductor
                LOG.exception("can't look for work")
                self._stop.wait(1.0)
            self._wake.wait(conf.poll_interval)

    def _take_due(self, most: int) -> None:
        with self._lock:
            free = most - len(self._busy)
        if free <= 0:
            return
        if not self._candidates or time.monotonic() > self._old_at:
            # More than are taken now: who else takes one of them meanwhile is noticed by its claim.
            self._old_at = time.monotonic() + self._ports.conf.conductor.poll_interval
            with self._ports.database.read() as connection:
                self._candidates = collections.deque(leases.due(connection, most * _AHEAD))
        while self._candidates and free > 0:
            uuid, token = self._candidates.popleft()
            with self._lock:
                if uuid in self._busy:
                    continue
                self._busy.add(uuid)
            self._submit(uuid, token)
            free -= 1

    def _nudged(self) -> None:
        """Something new is due, and goes first."""
        self._old_at = 0.0
        self._wake.set()

    def _submit(self, uuid: str, token: int) -> None:
        # one that is cancelled at the end never comes to its own clean-up
        done = self._pool.submit(self._handle, uuid, token)
        done.add_done_callback(lambda found: self._busy.discard(uuid) if found.cancelled() else None)

    def _handle(self, uuid: str, token: int) -> None:
        try:
            self._at_point("claim")
            held = work.claim(self._ports, uuid, token)
            if held is not None:
                self._work_on(held)
        except work.LeaseLost:
            metrics.count("leases_lost")
            LOG.info("lease lost cluster=%s", uuid)
        except Unavailable as error:
            LOG.warning("reconcile interrupted cluster=%s reason=%s", uuid, error)
        except Exception:
            metrics.count("reconcile_failures")
            LOG.exception("reconcile failed cluster=%s", uuid)
        finally:
            with self._lock:
                self._busy.discard(uuid)
            if not self._stop.is_set():
                self._wake.set()

    def _work_on(self, held: work.Work) -> None:
        try:
            with in_request(held.cluster["request_id"]):
                wait = reconcile(held, at_point=self._at_point)
        except work.LeaseLost:
            raise
        except Exception:
            attempts = held.cluster["attempts"] + 1
            again(lambda: work.release(held, min(_LONGEST_BACKOFF, 2.0**attempts), attempts=attempts))
            raise
        if wait is not None:
            self._at_point("release")
            again(lambda: work.release(held, wait))

    def _beat(self) -> None:
        host = socket.gethostname()
        while not self._stop.is_set():
            try:
                with self._ports.database.write() as connection:
                    services.beat(connection, host, BINARY)
            except Exception:
                LOG.exception("no heartbeat")
            self._stop.wait(_HEARTBEAT)

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH):
            try:
                watch(self._ports)
            except Exception:
                LOG.exception("no look for silent nodes")

    def _glance(self) -> None:
        shortest, last = max(self._ports.conf.conductor.busy_interval, _SHORTEST_GLANCE), 0.0
        while not self._stop.wait(shortest):
            try:
                every = self._every(shortest)
                if every is None or time.monotonic() - last < every:
                    continue
                last = time.monotonic()
                if glance(self._ports):
                    self._nudged()
            except Exception:
                LOG.exception("no look at all stacks")

    def _every(self, shortest: float) -> float | None:
        """Seconds between two looks at all stacks in progress; None where they are not this conductor's."""
        with self._ports.database.read() as connection:
            self._ports.pace.waiting = leases.busy(connection)
            every = self._ports.pace.glances(shortest)
            down_after = self._ports.conf.conductor.down_after
            mine = every is not None and services.is_first(
                connection, socket.gethostname(), BINARY, down_after
            )
        return every if mine else None

    def _sweep(self) -> None:
        while not self._stop.wait(self._ports.conf.conductor.sweep_interval):
            try:
                sweep(self._ports)
                sweep_credentials(self._ports)
                expire_events(self._ports)
            except Exception:
                LOG.exception("no sweep")
