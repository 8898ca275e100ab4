"""A registry for the time of a demo: every node can pull from it, and the bay's managers push to it."""

import contextlib
import json
from pathlib import Path

from magnum_lite.local import state
from magnum_lite.local.demo import side_server

DIRECTORY = "demo-registry"


def serving(settings: state.Settings, program: Path, *, keep: bool) -> contextlib.AbstractContextManager[str]:
    """A running registry; its ``host:port``. ``keep`` leaves it there (see ``end``). Raises Failure."""

    def command(host: str, port: int, directory: Path) -> tuple[str, ...]:
        config = {
            "version": "0.1",
            "storage": {
                "filesystem": {"rootdirectory": str(directory / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"{host}:{port}"},
            "log": {"accesslog": {"disabled": True}, "level": "warn"},
        }
        state.write_atomically(directory / "config.yml", json.dumps(config))  # JSON is YAML
        return (str(program), "serve", str(directory / "config.yml"))

    return side_server.serving(settings, DIRECTORY, command, "/v2/", keep=keep)


def end(settings: state.Settings) -> None:
    """Stop the registry, if one runs, and remove its files."""
    side_server.end(settings, DIRECTORY)
