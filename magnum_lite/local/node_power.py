"""Stop the nodes when the machine's cloud goes down, and start the same ones when it comes up.

Nodes that a tenant had stopped stay stopped. The list of those to start is written before the first
is stopped, and kept until all of them run, so that a kill at any point loses none.
"""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker.errors

from magnum_lite.local import dockerd, state

LOG = logging.getLogger(__name__)
STOP_SECONDS = 10
PARALLEL = 4


def stop_all(settings: state.Settings) -> int:
    """Stop every running node; how many there were. Raises docker.errors.DockerException."""
    client = dockerd.connect(settings)
    try:
        running = client.containers.list(sparse=True)
        if not running:
            return 0
        names = {container.id for container in running}
        state.write_atomically(_list_file(settings), json.dumps(sorted(names | set(_read(settings)))))
        with ThreadPoolExecutor(PARALLEL) as pool:
            for _ in pool.map(lambda container: container.stop(timeout=STOP_SECONDS), running):
                pass
        return len(running)
    finally:
        client.close()


def start_all(settings: state.Settings) -> int:
    """Start what ``stop_all`` stopped; how many. Nodes deleted meanwhile are skipped."""
    wanted = _read(settings)
    if not wanted:
        return 0
    client = dockerd.connect(settings)
    started = 0
    try:
        for ident in wanted:
            try:
                client.api.start(ident)  # starting a running container is no error
                started += 1
            except docker.errors.NotFound:
                continue
            except docker.errors.APIError as error:
                LOG.warning("node_not_started container=%s error=%s", ident[:12], error)
        _list_file(settings).unlink(missing_ok=True)
        return started
    finally:
        client.close()


def _list_file(settings: state.Settings) -> Path:
    return settings.state_dir / "nodes-to-start.json"


def _read(settings: state.Settings) -> list[str]:
    try:
        return list(json.loads(_list_file(settings).read_text()))
    except FileNotFoundError:
        return []
