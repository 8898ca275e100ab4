"""A registry on this machine's link to the nodes, for the time of a demo: every node can pull from it, and
the bay's managers push to it.
"""

import contextlib
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from magnum_lite.local import processes, state
from magnum_lite.local.commands.failure import Failure

DIRECTORY = "demo-registry"
START_SECONDS = 20.0


@contextlib.contextmanager
def serving(settings: state.Settings, program: Path, *, keep: bool) -> Iterator[str]:
    """A running registry; its ``host:port``. ``keep`` leaves it there (see ``end``). Raises Failure."""
    end(settings)
    directory = settings.state_dir / DIRECTORY
    directory.mkdir(mode=0o700, exist_ok=True)
    address = f"{settings.transit_address}:{_free_port(settings.transit_address)}"
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address},
        "log": {"accesslog": {"disabled": True}, "level": "warn"},
    }
    state.write_atomically(directory / "config.yml", json.dumps(config))  # JSON is YAML
    with (directory / "log").open("ab") as log:
        server = subprocess.Popen(
            (str(program), "serve", str(directory / "config.yml")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={processes.MARK_INSTANCE: str(settings.state_dir), "OTEL_TRACES_EXPORTER": "none"},
        )
    identity = processes.identify(server.pid)
    if identity is not None:
        state.write_atomically(
            _pid_file(settings), json.dumps([identity.pid, identity.start_ticks, identity.boot_id])
        )
    try:
        _wait(address, server, directory)
        yield address
    finally:
        if not keep:
            end(settings)
            server.wait(timeout=10)


def end(settings: state.Settings) -> None:
    """Stop the registry, if one runs, and remove its files."""
    import shutil
    import signal

    with contextlib.suppress(OSError, ValueError, TypeError):
        identity = processes.Identity(*json.loads(_pid_file(settings).read_text()))
        processes.send(identity, signal.SIGTERM)
        if not processes.wait_gone(identity, 5):
            processes.send(identity, signal.SIGKILL)
    shutil.rmtree(settings.state_dir / DIRECTORY, ignore_errors=True)


def _wait(address: str, server: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), opener.open(f"http://{address}/v2/", timeout=2):
            return
        time.sleep(0.1)
    tail = (directory / "log").read_text(errors="replace")[-400:]
    raise Failure(f"The demo's registry did not start on {address}: {tail.strip()}")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _pid_file(settings: state.Settings) -> Path:
    return settings.state_dir / DIRECTORY / "process.json"
