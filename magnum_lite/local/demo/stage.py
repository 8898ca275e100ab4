"""What the chapters of both engines share: where they play, a page of the bay, more workers."""

import dataclasses
import urllib.request
from pathlib import Path
from typing import Any

import click

from magnum_lite.local import state
from magnum_lite.local.commands import bay_life, display
from magnum_lite.local.commands.rest import Rest
from magnum_lite.local.demo.narration import Narrator


@dataclasses.dataclass(frozen=True)
class Stage:
    """``registry`` is the host:port that serves the demo's images, ``busybox`` what they are made of."""

    rest: Rest
    tell: Narrator
    bay: dict[str, Any]
    registry: str
    busybox: Path
    settings: state.Settings

    def image(self, name: str) -> str:
        """A reference that every node can pull."""
        return f"{self.registry}/{name}"


def fetch(url: str) -> str:
    """A page, without proxies; '' when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return str(answer.read(4096).decode(errors="replace"))
    except OSError:
        return ""


def until_all_three(stage: Stage, url: str, what: str) -> list[int]:
    """Ask for the page until each of the three behind it has answered; the numbers of the visits."""
    seen: set[str] = set()
    visits: list[int] = []

    def all_three() -> bool:
        words = fetch(url).replace(",", " ").split()
        if len(words) == 5 and words[4].isdigit():
            seen.add(words[2])
            visits.append(int(words[4]))
        return len(seen) == 3

    stage.tell.until(all_three, what, seconds=60)
    return visits


def grow(stage: Stage, count: int) -> None:
    """More workers; the old ones are not rebuilt."""
    tell, rest, uuid, name = stage.tell, stage.rest, stage.bay["uuid"], stage.bay["name"]
    tell.title(f"{count} workers")
    tell.command(f"magnum-lite resize {name} {count}")
    click.echo(f"  (2016: magnum bay-update {name} replace node_count={count})")
    before = {n["hostname"]: n["server_id"] for n in rest.get(f"/bays/{uuid}/nodes")["nodes"]}
    bay_life.change(rest, stage.bay, count, (), display=display.choose())
    after = {n["hostname"]: n["server_id"] for n in rest.get(f"/bays/{uuid}/nodes")["nodes"]}
    tell.check(before.items() <= after.items(), "The nodes that ran are the same ones")
