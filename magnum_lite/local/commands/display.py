"""Where progress goes: lines for pipes and logs, a live region with a bar for each node on a terminal."""

import time
from typing import Any, Protocol

from magnum_lite.local.commands import output

BAR = 20


class Display(Protocol):
    """What a watch tells."""

    def done(self, text: str, seconds: float) -> None:
        """Something of the bay as a whole is finished."""

    def step(self, node: str, step: str, seconds: float) -> None:
        """A node has finished a step."""

    def trouble(self, text: str, *, error: bool) -> None:
        """A warning, or an error."""

    def status(self, text: str) -> None:
        """What goes on now."""

    def nodes(self, nodes: list[dict[str, Any]]) -> None:
        """All nodes as they are now."""

    def close(self) -> None:
        """No more comes for now."""


class Lines:
    """One line for each thing, never rewritten."""

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._status = ""

    def done(self, text: str, seconds: float) -> None:
        output.done(f"{output.plain(text)} ({seconds:.1f} s)", err=self._err)

    def step(self, node: str, step: str, seconds: float) -> None:
        output.done(f"{node}: {step} ({seconds:.1f} s)", err=self._err)

    def trouble(self, text: str, *, error: bool) -> None:
        (output.failed if error else output.warn)(output.plain(text), err=self._err)

    def status(self, text: str) -> None:
        if text.startswith("the service does not answer") and text != self._status:
            output.warn(text, err=self._err)
        self._status = text

    def nodes(self, nodes: list[dict[str, Any]]) -> None:
        pass

    def close(self) -> None:
        pass


class Live:
    """✓ lines above, a line for each node below, which goes away in the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as Region

        self._console = Console(highlight=False, soft_wrap=True)
        self._region = Region(console=self._console, transient=True, refresh_per_second=4)
        self._running = False
        self._since: dict[str, tuple[str, float]] = {}
        self._nodes: list[dict[str, Any]] = []
        self._status = ""

    def done(self, text: str, seconds: float) -> None:
        self._print("✓", "green", f"{output.plain(text)} ({seconds:.1f} s)")

    def step(self, node: str, step: str, seconds: float) -> None:
        if step == "ready":  # the others are in its live line
            self._print("✓", "green", f"{node} is ready ({seconds:.1f} s)")

    def trouble(self, text: str, *, error: bool) -> None:
        self._print("✗" if error else "!", "red" if error else "yellow", output.plain(text))

    def status(self, text: str) -> None:
        self._status = output.plain(text).splitlines()[0] if text else ""
        self._draw()

    def nodes(self, nodes: list[dict[str, Any]]) -> None:
        self._nodes = sorted(nodes, key=lambda n: (n["role"], n["index"]))
        self._draw()

    def close(self) -> None:
        if self._running:
            self._region.stop()
            self._running = False

    def _print(self, mark: str, colour: str, text: str) -> None:
        from rich.text import Text

        self._console.print(Text.assemble((mark, colour), " ", text))

    def _draw(self) -> None:
        from rich.table import Table
        from rich.text import Text

        if not self._running:
            self._region.start()
            self._running = True
        lines = Table.grid(padding=(0, 2))
        for node in self._nodes:
            filled = round(BAR * node["percent"] / 100)
            colour = {"ready": "green", "failed": "red"}.get(node["state"], "yellow")
            lines.add_row(
                f"  {node['hostname']}",
                Text("━" * filled, colour) + Text("─" * (BAR - filled), "dim"),
                node["state"]
                if node["state"] in {"ready", "failed", "leaving"}
                else node["step"] or "planned",
                Text(self._age(node), "dim"),
            )
        status = Text(f"  {self._status}", "dim", no_wrap=True, overflow="ellipsis")
        whole = Table.grid()
        whole.add_row(lines)
        whole.add_row(status)
        self._region.update(whole)

    def _age(self, node: dict[str, Any]) -> str:
        """How long a node has been at its step."""
        now, place = time.monotonic(), f"{node['state']} {node['step']}"
        if self._since.get(node["hostname"], ("", 0.0))[0] != place:
            self._since[node["hostname"]] = (place, now)
        return f"{now - self._since[node['hostname']][1]:.0f} s"


def choose() -> Display:
    """By what standard output is."""
    return Live() if output.is_terminal() else Lines()


def quiet() -> Display:
    """To standard error, where standard output is for a machine to read."""
    return Lines(err=True)
