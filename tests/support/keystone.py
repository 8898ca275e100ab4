"""A real Keystone alone, on SQLite, with the users, projects and the catalogue of the one-machine cloud; and a
local cloud on in-memory twins behind the real keystonemiddleware.
"""

import contextlib
import dataclasses
import os
import subprocess
import threading
import wsgiref.simple_server

from oslo_config import cfg

from magnum_lite import config
from magnum_lite.cloud.sessions import ServiceSessions
from magnum_lite.local import catalog, http_probe, keystone, passwords, state
from magnum_lite.local.cloud import app
from tests.support.local_cloud import LocalCloud
from tests.support.processes import Server, free_port


@contextlib.contextmanager
def running(where):
    """Its settings, while it answers; ``where`` is an empty directory."""
    names = ("keystone_port", "heat_port", "heat_cfn_port", "cloud_port", "api_port", "door_port")
    settings = state.Settings(state_dir=where, octet=1, **{name: free_port() for name in names})
    settings.log_dir.mkdir(parents=True)
    state.save(settings)
    subprocess.run(keystone.bootstrap_command(settings), check=True, capture_output=True, timeout=400)
    server = Server(
        keystone.server_command(settings),
        where / "keystone.out",
        lambda: http_probe.answers(settings.keystone_url),
        url=settings.keystone_url,
        env=os.environ | keystone.environment(settings),
    )
    server.start(180)
    try:
        catalog.ensure(settings)
        yield settings
    finally:
        server.stop()


def service_conf(settings):
    """The service's configuration, as the user of the conductor."""
    conf = config.load([], cfg.ConfigOpts())
    known = {
        "auth_url": settings.keystone_url,
        "password": passwords.password(settings.state_dir, catalog.SERVICE_USER),
    }
    for name, value in known.items():
        conf.set_override(name, value, group="service_user")
    return conf


def sessions(settings):
    """The service user's."""
    return ServiceSessions(service_conf(settings))


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def cloud(settings, directory):
    """The local cloud's APIs at the place where the catalogue says that they are."""
    local = LocalCloud(directory)
    password = passwords.password(settings.state_dir, "local-cloud")
    told = dataclasses.replace(local.settings, keystone_url=settings.keystone_url, password=password)
    served = dataclasses.replace(local.cloud, settings=told)
    server = wsgiref.simple_server.make_server(
        "127.0.0.1", settings.cloud_port, app.application(served), handler_class=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        server.server_close()
        local.kill()
