"""Everything about one ``--state-dir``: which names, addresses and ports this instance has.

Several instances may live on one machine (tests do that), so each takes an address prefix
``10.N`` of its own and derives its network namespace, interfaces and run directory from N.
Settings are chosen once (``claims.py``), saved, and read by every process.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Self

SETTINGS_FILE = "settings.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """One instance. ``octet`` is the N of its network ``10.N.0.0/16``: bays have ``10.N.0.0`` up to
    ``10.N.253.255``, floating IPs ``10.N.254.0/24``, the link to the host ``10.N.255.0/30``.
    """

    state_dir: Path
    octet: int
    keystone_port: int
    heat_port: int
    heat_cfn_port: int
    cloud_port: int
    api_port: int
    door_port: int
    way_out: bool = False
    """Whether nodes may reach the outside through the host (forwarding and masquerading there)."""

    @property
    def network_prefix(self) -> str:
        """The first two bytes of every address of this instance: ``10.79``."""
        return f"10.{self.octet}"

    @property
    def instance(self) -> str:
        """Name of this instance on the machine: netns, control group and run directory have it."""
        return f"magnum-lite-{self.octet}"

    @property
    def host_link(self) -> str:
        """The host's end of the transit link (an interface name has at most 15 characters)."""
        return f"mlite{self.octet}-host"

    @property
    def inner_link(self) -> str:
        """The end of the transit link in the network namespace."""
        return f"mlite{self.octet}-in"

    @property
    def transit_address(self) -> str:
        """The host's address that nodes can reach; only the node door listens there."""
        return f"{self.network_prefix}.255.1"

    @property
    def netns_path(self) -> Path:
        """Handle of the network namespace, as ``ip netns add`` makes it."""
        return Path("/run/netns") / self.instance

    @property
    def run_dir(self) -> Path:
        """Sockets and pid files. In /run: they must vanish at a reboot, and a socket's path has at
        most 107 characters, which a state directory may exceed.
        """
        return Path("/run") / self.instance

    @property
    def docker_socket(self) -> Path:
        """The outer dockerd's socket: whoever may open it is root on this machine."""
        return self.run_dir / "docker.sock"

    @property
    def log_dir(self) -> Path:
        """One log file for each process."""
        return self.state_dir / "log"

    @property
    def status_file(self) -> Path:
        """What the supervisor last knew of its processes (JSON)."""
        return self.state_dir / "status.json"

    @property
    def keystone_url(self) -> str:
        """Keystone's v3 endpoint."""
        return f"http://127.0.0.1:{self.keystone_port}/v3"

    @property
    def cloud_url(self) -> str:
        """Root of the local cloud's REST services."""
        return f"http://127.0.0.1:{self.cloud_port}"

    @property
    def heat_url(self) -> str:
        """Root of Heat's native API."""
        return f"http://127.0.0.1:{self.heat_port}"

    @property
    def api_url(self) -> str:
        """Root of our own API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def door_url(self) -> str:
        """What nodes call."""
        return f"https://{self.transit_address}:{self.door_port}"

    def ports(self) -> frozenset[int]:
        """The TCP ports on loopback that belong to this instance."""
        return frozenset(
            (self.keystone_port, self.heat_port, self.heat_cfn_port, self.cloud_port, self.api_port)
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reverse of ``to_json``. Raises ValueError or TypeError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "state_dir": Path(fields["state_dir"])})

    def to_json(self) -> str:
        """Readable JSON; there is no secret among the settings."""
        return json.dumps(dataclasses.asdict(self), default=str, indent=2) + "\n"


def default_state_dir() -> Path:
    """/var/lib/magnum-lite for root, a directory below the home directory for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/magnum-lite")
    return Path.home() / ".local/share/magnum-lite"


def load(state_dir: Path) -> Settings | None:
    """The settings of a state directory, or None where ``up`` was never run.

    A state directory that was moved is taken where it is found.
    """
    try:
        text = (state_dir / SETTINGS_FILE).read_text()
    except FileNotFoundError:
        return None
    return dataclasses.replace(Settings.from_json(text), state_dir=state_dir.resolve())


def save(settings: Settings) -> None:
    """Write the settings into their state directory (made, 0700, if it does not exist)."""
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(settings.state_dir / SETTINGS_FILE, settings.to_json())


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader, or a kill, sees the old text or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
