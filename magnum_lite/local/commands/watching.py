"""Watching a bay until it settles: what happens is told node by node and step by step.

Everything is read from the REST API, so it works for any cloud. A service that is away for a moment
(it was killed, its supervisor starts it again) interrupts nothing but the telling.
"""

import time
from collections.abc import Callable
from typing import Any

from magnum_lite.local.commands.display import Display
from magnum_lite.local.commands.failure import Exit, Failure
from magnum_lite.local.commands.rest import Rest

STEPS = ("boot", "enrol", "engine", "join", "ready")
_JOIN = {"swarm", "kubernetes"}  # each engine's own word for it
INTERVAL = 1.0
PATIENCE = 90.0
"""Seconds without any answer until the watch is given up."""

EVENTS_PAGE = 500


class Watch:
    """One bay, from now on: ``marker`` is the id of the last event before. With 0 the bay is a new one,
    and the steps that its nodes have behind them are news, too.
    """

    def __init__(self, rest: Rest, uuid: str, display: Display, *, marker: int = 0) -> None:
        self._told_nodes = marker == 0
        self._rest, self._uuid, self._display = rest, uuid, display
        self._marker = marker
        self._started = time.monotonic()
        self._last: dict[str, dict[str, Any]] = {}
        self.nodes: list[dict[str, Any]] = []
        self.problems: list[str] = []

    @property
    def seconds(self) -> float:
        """Since the watch began."""
        return time.monotonic() - self._started

    def until(self, settled: Callable[[dict[str, Any]], bool], *, seconds: float) -> dict[str, Any] | None:
        """Follow the bay until ``settled``; its last state, or None when it is gone.

        Raises Failure when ``seconds`` are over, or when nobody answers any more.
        """
        heard = time.monotonic()
        try:
            while True:
                try:
                    bay = self._look()
                    heard = time.monotonic()
                except Failure as failure:
                    if failure.exit_code != Exit.UNREACHABLE or time.monotonic() - heard > PATIENCE:
                        raise
                    self._display.status("the service does not answer; still trying")
                    time.sleep(INTERVAL)
                    continue
                if bay is None or settled(bay):
                    return bay
                if self.seconds > seconds:
                    raise Failure(
                        f"Bay {bay['name']} is still {bay['status']} after {seconds:.0f} s: "
                        f"{bay['status_reason'] or 'no reason given'}",
                        f"it goes on by itself; watch it:  magnum-lite events {bay['name']} --follow",
                    )
                time.sleep(INTERVAL)
        finally:
            self._display.close()

    def _look(self) -> dict[str, Any] | None:
        try:
            bay: dict[str, Any] | None = self._rest.get(f"/bays/{self._uuid}")
            self.nodes = self._rest.get(f"/bays/{self._uuid}/nodes")["nodes"]
        except Failure as failure:
            if failure.exit_code != Exit.NOT_FOUND:
                raise
            bay, self.nodes = None, []
        self._tell_events()
        self._tell_nodes()
        if bay is not None:
            self._display.status(bay["status_reason"] or bay["status"])
        return bay

    def _tell_events(self) -> None:
        for event in new_events(self._rest, self._uuid, self._marker):
            self._marker = event["id"]
            who = f"{event['node']}: " if event.get("node") else ""
            if event["level"] != "info":
                self._display.trouble(who + event["message"], error=event["level"] == "error")
                self.problems.append(who + event["message"])
            elif event["kind"] != "node" or event.get("step") in {"drain", "leave", "gone"}:
                self._display.done(who + event["message"], self.seconds)

    def _tell_nodes(self) -> None:
        for node in sorted(self.nodes, key=lambda n: (n["role"], n["index"])):
            before = self._last.get(node["hostname"], {})
            for step in finished(before, node) if self._told_nodes else ():
                self._display.step(node["hostname"], step, self.seconds)
        self._told_nodes = True
        self._last = {node["hostname"]: node for node in self.nodes}
        self._display.nodes(self.nodes)


def finished(before: dict[str, Any], node: dict[str, Any]) -> tuple[str, ...]:
    """Steps that a node has completed between two looks at it, in order."""
    if node["state"] not in {"booting", "ready"}:
        return ()
    done, was = _completed(node), _completed(before) if before else 0
    word = next((n["step"] for n in (node, before) if n and n["step"] in _JOIN), "join")
    return tuple(word if step == "join" else step for step in STEPS[was:done])


def _completed(node: dict[str, Any]) -> int:
    """How many steps a node has behind it: the one that it reports is under way, unless it is ready."""
    if node["state"] == "ready":
        return len(STEPS)
    step = "join" if node["step"] in _JOIN else node["step"]
    return STEPS.index(step) if step in STEPS else 0


def new_events(rest: Rest, uuid: str, marker: int) -> list[dict[str, Any]]:
    """Events after an id, oldest first. A bay that never had any, and is gone, has none."""
    out: list[dict[str, Any]] = []
    while True:
        try:
            page = rest.get(f"/bays/{uuid}/events", marker=marker, limit=EVENTS_PAGE)["events"]
        except Failure as failure:
            if failure.exit_code != Exit.NOT_FOUND:
                raise
            return out
        out += page
        if len(page) < EVENTS_PAGE:
            return out
        marker = page[-1]["id"]


def last_event(rest: Rest, uuid: str) -> int:
    """The id of the newest event, 0 if there is none."""
    found = new_events(rest, uuid, 0)
    return int(found[-1]["id"]) if found else 0


def is_settled(bay: dict[str, Any]) -> bool:
    """Nothing is under way."""
    return not str(bay["status"]).endswith("IN_PROGRESS")
