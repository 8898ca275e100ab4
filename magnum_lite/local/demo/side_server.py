"""A small server on this machine's link to the nodes, for the time of a demo: every node can reach it. It
may be left running, and is ended by what was recorded of it.
"""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from magnum_lite.local import processes, state
from magnum_lite.local.commands.failure import Failure

START_SECONDS = 20.0


@contextlib.contextmanager
def serving(
    settings: state.Settings,
    name: str,
    command: Callable[[str, int, Path], tuple[str, ...]],
    probe: str,
    *,
    keep: bool,
) -> Iterator[str]:
    """The running server; its ``host:port``. ``name`` is its directory below the state directory,
    ``command`` makes the words to run from host, port and that directory, a GET of ``probe`` answers once it
    is there. ``keep`` leaves it running (see ``end``). Raises Failure.
    """
    end(settings, name)
    directory = settings.state_dir / name
    directory.mkdir(mode=0o700, exist_ok=True)
    host = settings.transit_address
    port = _free_port(host)
    with (directory / "log").open("ab") as log:
        server = subprocess.Popen(
            command(host, port, directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={processes.MARK_INSTANCE: str(settings.state_dir), "OTEL_TRACES_EXPORTER": "none"},
        )
    identity = processes.identify(server.pid)
    if identity is not None:
        record = json.dumps([identity.pid, identity.start_ticks, identity.boot_id])
        state.write_atomically(directory / "process.json", record)
    try:
        _wait(f"{host}:{port}", probe, server, directory)
        yield f"{host}:{port}"
    finally:
        if not keep:
            end(settings, name)
            server.wait(timeout=10)


def end(settings: state.Settings, name: str) -> None:
    """Stop the server of that name, if one runs, and remove its files."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        record = (settings.state_dir / name / "process.json").read_text()
        identity = processes.Identity(*json.loads(record))
        processes.send(identity, signal.SIGTERM)
        if not processes.wait_gone(identity, 5):
            processes.send(identity, signal.SIGKILL)
    shutil.rmtree(settings.state_dir / name, ignore_errors=True)


def _wait(address: str, probe: str, server: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), opener.open(f"http://{address}{probe}", timeout=2):
            return
        time.sleep(0.1)
    tail = (directory / "log").read_text(errors="replace")[-400:]
    raise Failure(f"{directory.name} did not start on {address}: {tail.strip()}")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
