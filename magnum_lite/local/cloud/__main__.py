"""``python -m magnum_lite.local.cloud SETTINGS.json``: serve one local cloud until SIGTERM.

A second one on the same state directory refuses to start. Ends within two seconds; what was in
flight is done again at the next start, as it is after a kill.
"""

import fcntl
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from cheroot import wsgi

from magnum_lite.local.cloud import app
from magnum_lite.local.cloud.docker_engine import DockerEngine
from magnum_lite.local.cloud.host import LinuxHost
from magnum_lite.local.cloud.settings import CloudSettings, SettingsError, load
from magnum_lite.local.cloud.stamps import new_id
from magnum_lite.local.cloud.store import Store

LOG = logging.getLogger(__name__)

_BODY_LIMIT = 1 << 20
#: How long requests may take to end after SIGTERM, in seconds.
_GRACE = 1.2


def main() -> int:
    """The process. Exit codes: 0 ended by a signal, 1 state in use, 2 bad settings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    # it does not know the options of the auth plug-in that it loads
    logging.getLogger("keystonemiddleware._common.config").setLevel(logging.ERROR)
    if len(sys.argv) != 2:
        LOG.error("usage: python -m magnum_lite.local.cloud SETTINGS.json")
        return 2
    try:
        settings = load(Path(sys.argv[1]))
    except SettingsError as error:
        LOG.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(settings.state_dir / "cloud.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        LOG.error("another local cloud uses %s", settings.state_dir)  # noqa: TRY400
        return 1
    serve(settings)
    return 0


def serve(settings: CloudSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    store = Store(settings.state_dir / "cloud.sqlite")
    engine = DockerEngine(settings.docker_socket, _cloud_id(store))
    cloud = app.build(settings, store, engine, LinuxHost(settings.netns, f"MGL-{settings.network_prefix}"))
    server = wsgi.Server(
        (settings.host, settings.port),
        app.application(cloud),
        numthreads=24,
        request_queue_size=128,
        server_name="magnum-lite-local-cloud",
        shutdown_timeout=1,
    )
    server.max_request_body_size = _BODY_LIMIT
    first = threading.Event()

    def back() -> None:
        """The engine answers (again): make things true; the first time also end what was cut off."""
        resume = not first.is_set()
        first.set()
        cloud.restore(resume=resume)

    def end(*_signal: Any) -> None:
        # from a thread: stopping waits for the serving thread, which this signal has interrupted
        threading.Thread(target=server.stop, daemon=True).start()
        late = threading.Timer(_GRACE, os._exit, (0,))
        late.daemon = True
        late.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.prepare()
    threading.Thread(target=engine.watch, args=(cloud.volumes.remake, back), daemon=True).start()
    LOG.info("ready host=%s port=%d", settings.host, settings.port)
    try:
        server.serve()
    finally:
        cloud.servers.close()
        engine.close()
        logging.shutdown()
        # tasks in worker threads must not hold the process up: each can be repeated
        os._exit(0)


def _cloud_id(store: Store) -> str:
    """The id by which this cloud knows its own nodes, the same for the life of its state."""
    record = store.get("cloud", "self") or store.put(
        "cloud", {"id": "self", "project_id": "", "cloud": new_id()}
    )
    return str(record["cloud"])


if __name__ == "__main__":
    sys.exit(main())
