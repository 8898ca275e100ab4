"""What runs on one machine, in which order, as data for the supervisor."""

import contextlib
import socket
import subprocess

from magnum_lite.local import (
    catalog,
    cloud_settings,
    dockerd,
    heat,
    host_network,
    http_probe,
    keystone,
    node_power,
    service_settings,
    state,
)
from magnum_lite.local.service_unit import Action, Service, Task, Unit


class PreparationError(Exception):
    """A one-shot command before a service failed; the text is the end of what it printed."""


def units(settings: state.Settings) -> tuple[Unit, ...]:
    """Every service and task of an instance. Those without ``after`` start at once, side by side:
    Python imports are most of the time, and Heat waits for what it needs by itself.
    """
    return (
        Service(
            name="containerd",
            command=dockerd.containerd_command(settings),
            prepare=(lambda: dockerd.prepare(settings),),
            ready=lambda: _socket_answers(settings),
        ),
        Service(
            name="dockerd",
            command=dockerd.dockerd_command(settings),
            after=("containerd",),
            prepare=(lambda: dockerd.prepare(settings),),
            ready=lambda: _dockerd_ready(settings),
            before_stop=(lambda: node_power.stop_all(settings),),
            stop_seconds=30,
        ),
        Task(name="nodes", run=lambda: node_power.start_all(settings), after=("dockerd",)),
        Service(
            name="keystone",
            command=keystone.server_command(settings),
            environment=keystone.environment(settings),
            prepare=(lambda: keystone.write_settings(settings), _keystone_database(settings)),
            ready=lambda: http_probe.answers(settings.keystone_url),
        ),
        Task(name="catalog", run=lambda: catalog.ensure(settings), after=("keystone",)),
        Service(
            name="local-cloud",
            command=cloud_settings.server_command(settings),
            after=("dockerd",),
            prepare=(lambda: cloud_settings.write(settings),),
            ready=lambda: http_probe.answers(f"{settings.cloud_url}/compute"),
        ),
        Service(
            name="heat",
            command=heat.server_command(settings),
            prepare=(lambda: heat.write_settings(settings), _heat_database(settings)),
            ready=lambda: http_probe.answers(f"{settings.heat_url}/healthcheck"),
            start_seconds=240,  # it waits for Keystone and the local cloud
        ),
        Service(
            name="magnum-lite",
            command=service_settings.server_command(settings),
            after=("containerd",),  # the node door's address is there then
            prepare=(
                lambda: service_settings.write(settings),
                lambda: _do(service_settings.database_command(settings)),
            ),
            ready=lambda: http_probe.answers(settings.api_url),
            stop_seconds=15,
        ),
    )


def _keystone_database(settings: state.Settings) -> Action:
    def make() -> None:
        if not keystone.bootstrapped(settings):
            _do(keystone.bootstrap_command(settings))

    return make


def _heat_database(settings: state.Settings) -> Action:
    def make() -> None:
        if not heat.database_ready(settings):
            _do(heat.database_command(settings))

    return make


def _dockerd_ready(settings: state.Settings) -> bool:
    if not dockerd.ready(settings):
        return False
    host_network.admit_transit(settings)
    return True


def _socket_answers(settings: state.Settings) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(dockerd.containerd_socket(settings)))
        return True
    return False


def _do(command: tuple[str, ...]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if answer.returncode != 0:
        output = (answer.stdout + answer.stderr).strip().splitlines()
        raise PreparationError(f"{' '.join(command[1:4])}: " + " / ".join(output[-5:]))
