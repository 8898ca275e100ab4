"""The outer engine: a containerd and a dockerd of our own, whose containers are the nodes.

The machine's own Docker, if it runs, is not touched: data, sockets, control groups, containerd and
network namespace are separate. containerd is started by us, as dockerd would otherwise share the
system's. The nodes outlive both processes (``--live-restore``).
"""

import contextlib
import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import docker
import docker.errors

from magnum_lite.local import host_network, state

OLDEST = (20, 10)

_CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{address}"

[ttrpc]
  address = "{address}.ttrpc"
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """The dockerd that the machine has: where and which."""

    path: str
    version: tuple[int, int]

    @property
    def good(self) -> bool:
        """Whether it is new enough for private control group namespaces."""
        return self.version >= OLDEST


def installed() -> Engine | None:
    """The machine's dockerd, or None."""
    path = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        return None
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)", answer.stdout)
    return Engine(path, (int(match[1]), int(match[2])) if match else (0, 0))


def containerd_socket(settings: state.Settings) -> Path:
    """containerd's gRPC socket."""
    return settings.run_dir / "containerd.sock"


def containerd_command(settings: state.Settings) -> tuple[str, ...]:
    """Run in the namespace, like dockerd, as the runtime's network hook runs below it."""
    return host_network.inside(settings, "containerd", "--config", str(_containerd_config(settings)))


def dockerd_command(settings: state.Settings) -> tuple[str, ...]:
    """No default bridge: each subnet of the local cloud is a bridge of its own."""
    engine = installed()
    return host_network.inside(
        settings,
        engine.path if engine else "dockerd",
        "--data-root", str(settings.state_dir / "docker"),
        "--exec-root", str(settings.run_dir / "docker"),
        "--pidfile", str(settings.run_dir / "dockerd.pid"),
        "--host", f"unix://{settings.docker_socket}",
        "--containerd", str(containerd_socket(settings)),
        "--cgroup-parent", f"/{settings.instance}",
        "--exec-opt", "native.cgroupdriver=cgroupfs",
        "--storage-driver", "overlay2",
        "--bridge", "none",
        "--live-restore",
        "--config-file", str(settings.run_dir / "daemon.json"),
    )  # fmt: skip


def prepare(settings: state.Settings) -> None:
    """Network, directories and configuration, before containerd and dockerd start."""
    host_network.ensure(settings)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("docker", "containerd"):
        (settings.state_dir / name).mkdir(parents=True, exist_ok=True, mode=0o711)
    # The machine's own /etc/docker/daemon.json must not apply here.
    state.write_atomically(settings.run_dir / "daemon.json", "{}\n")
    text = _CONTAINERD.format(
        root=settings.state_dir / "containerd",
        state=settings.run_dir / "containerd",
        address=containerd_socket(settings),
    )
    state.write_atomically(_containerd_config(settings), text)


def connect(settings: state.Settings, *, timeout: float = 120) -> Any:
    """A client of the outer dockerd (``docker.DockerClient``); close it after use."""
    return docker.DockerClient(base_url=f"unix://{settings.docker_socket}", timeout=timeout)


def ready(settings: state.Settings) -> bool:
    """Whether the outer dockerd answers."""
    if not settings.docker_socket.exists():
        return False
    with contextlib.suppress(docker.errors.DockerException, OSError):
        client = connect(settings, timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    return False


def _containerd_config(settings: state.Settings) -> Path:
    return settings.run_dir / "containerd.toml"
