"""Heat's API and engine in one process: ``python -m ... STATE_DIR``.

oslo.messaging's ``fake://`` does not cross processes, and ``heat-all`` is no more; this is what it
did. It stays a process of its own: Heat owns global configuration and leaves by ``os._exit``.
The imports come first and take seconds, while Keystone and the local cloud start beside it; the
engine waits for both, as it sweeps before it starts.
"""

# The order of imports is Heat's own (heat/cmd/engine.py): the backend before anything of oslo.service.
# ruff: noqa: E402

import fcntl
import logging as std_logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

import oslo_i18n
from cheroot import wsgi
from oslo_config import cfg
from oslo_log import log as logging

oslo_i18n.enable_lazy()

from magnum_lite.local import heat, heat_fixes, heat_sweep, http_probe, sqlite, state

sqlite.install(foreign_keys=True)  # before Heat makes its engines

from heat.common import config, messaging, profiler
from heat.engine import template  # registers options that must be there before they are parsed
from heat.rpc import api as rpc_api
from heat.version import version_info

LOG = std_logging.getLogger("magnum_lite.local.heat_server")
DEPENDENCY_SECONDS = 120
API_THREADS = 16


def main(state_dir: Path) -> None:
    """Serve until SIGTERM."""
    settings = state.load(state_dir)
    if settings is None:
        raise SystemExit(f"{state_dir} has no {state.SETTINGS_FILE}")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _lock = _be_the_only_engine(settings)
    _configure(heat.files(settings).config)
    if not _wait_for(settings, stopping):
        raise SystemExit("Keystone or the local cloud did not answer")
    heat_sweep.sweep(settings)
    engine = _start_engine()
    servers = [
        _serve(config.load_paste_app(), settings.heat_port),
        _serve(config.load_paste_app("heat-api-cfn"), settings.heat_cfn_port),
    ]
    LOG.info("ready port=%d", settings.heat_port)
    stopping.wait()
    for server in servers:
        server.stop()
    threading.Thread(target=engine.stop, daemon=True).start()
    time.sleep(0.5)  # what the engine writes within this time is well; a stack in progress is not waited for
    std_logging.shutdown()
    os._exit(0)


def _be_the_only_engine(settings: state.Settings) -> int:
    """Two engines on one database would take each other's stacks; the lock ends with the process."""
    handle = os.open(heat.files(settings).directory / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("another Heat engine runs on this state directory") from None
    return handle


def _configure(config_file: Path) -> None:
    conf = cfg.CONF
    logging.register_options(conf)
    # load_paste_app() takes the program's name for the application's name in the paste file.
    conf(
        ["--config-file", str(config_file)],
        project="heat",
        prog="heat-api",
        version=version_info.version_string(),
    )
    logging.setup(conf, "heat")
    config.set_config_defaults()
    messaging.setup()  # one fake:// transport for the API's client and the engine's server
    config.startup_sanity_check()
    template._get_template_extension_manager()  # noqa: SLF001 -- as Heat's own launcher
    profiler.setup(conf.prog, conf.host)


def _start_engine() -> Any:
    from heat.engine import service  # after the configuration, as Heat's own launcher

    heat_fixes.apply()
    engine = service.EngineService(cfg.CONF.host, rpc_api.ENGINE_TOPIC)
    engine.start()
    return engine


def _serve(application: Any, port: int) -> wsgi.Server:
    server = wsgi.Server(
        ("127.0.0.1", port), application, numthreads=API_THREADS, request_queue_size=128, timeout=60
    )
    server.prepare()
    threading.Thread(target=server.serve, name=f"http-{port}", daemon=True).start()
    return server


def _wait_for(settings: state.Settings, stopping: threading.Event) -> bool:
    """Whether Keystone and the local cloud answered before the deadline."""
    deadline = time.monotonic() + DEPENDENCY_SECONDS
    waiting = [settings.keystone_url, f"{settings.cloud_url}/compute"]
    if not heat.files(settings).database.exists():
        return False
    while waiting and time.monotonic() < deadline and not stopping.is_set():
        if http_probe.answers(waiting[0]):
            waiting.pop(0)
        else:
            stopping.wait(0.1)
    return not waiting


if __name__ == "__main__":
    main(Path(sys.argv[1]))
