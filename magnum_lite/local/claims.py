"""Which address prefix and which ports an instance gets, so that instances never collide.

An instance that is down has neither a network nor listeners, yet its bays keep their addresses.
So a prefix is claimed on the machine: a symbolic link named after it that points to the state
directory. Making a link is atomic; a link whose state directory does not name that prefix is stale.
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from magnum_lite.local import state

CLAIMS_DIR = Path("/var/lib/magnum-lite.claims")
OCTETS = range(79, 128)
DOOR_PORT = 9512  # on the transit address, which nobody shares
PORT_STEP = 10
PORT_TRIES = 70  # so that the ranges of two services never meet


class NoRoomError(Exception):
    """No prefix or no port is free for another instance."""


def choose(state_dir: Path, *, claims_dir: Path = CLAIMS_DIR, way_out: bool = False) -> state.Settings:
    """Claim a free prefix for this state directory and find free ports; saves the settings.

    Raises NoRoomError when all prefixes or ports are taken.
    """
    state_dir = state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    claims_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    with _alone(claims_dir):
        reserved = {port for other in others(state_dir, claims_dir) for port in other.ports()}
        octet = _claim_prefix(state_dir, claims_dir)
        settings = state.Settings(
            state_dir=state_dir,
            octet=octet,
            keystone_port=_free_port(15000, reserved),
            heat_port=_free_port(18004, reserved),
            heat_cfn_port=_free_port(18000, reserved),
            cloud_port=_free_port(18774, reserved),
            api_port=_free_port(9511, reserved),
            door_port=DOOR_PORT,
            way_out=way_out,
        )
        state.save(settings)
    return settings


def release(settings: state.Settings, *, claims_dir: Path = CLAIMS_DIR) -> None:
    """Give the prefix back, if it is this instance's."""
    link = claims_dir / str(settings.octet)
    if link.is_symlink() and link.readlink() == settings.state_dir:
        link.unlink(missing_ok=True)


def others(state_dir: Path, claims_dir: Path = CLAIMS_DIR) -> Iterator[state.Settings]:
    """The settings of the machine's other instances, running or not."""
    if not claims_dir.is_dir():
        return
    for link in sorted(claims_dir.iterdir()):
        if link.is_symlink() and link.readlink() != state_dir and _holds(link):
            settings = state.load(link.readlink())
            if settings is not None:
                yield settings


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def networks_in_use() -> tuple[ipaddress.IPv4Network, ...]:
    """Every IPv4 network that the host routes to, but for the default route."""
    answer = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True
    )
    routes = json.loads(answer.stdout or "[]")
    return tuple(
        ipaddress.IPv4Network(route["dst"]) for route in routes if route.get("dst", "default") != "default"
    )


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two instances that are born at once must not choose the same ports."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _claim_prefix(state_dir: Path, claims_dir: Path) -> int:
    """Take over this state directory's own half-made claim, else the first prefix nobody uses."""
    for link in claims_dir.iterdir():
        if link.is_symlink() and link.readlink() == state_dir:
            return int(link.name)
    used = networks_in_use()
    for octet in OCTETS:
        network = ipaddress.ip_network(f"10.{octet}.0.0/16")
        if any(network.overlaps(other) for other in used):
            continue
        link = claims_dir / str(octet)
        if link.is_symlink() and not _holds(link):
            link.unlink(missing_ok=True)
        try:
            link.symlink_to(state_dir)
        except FileExistsError:
            continue
        return octet
    raise NoRoomError(f"every network from 10.{OCTETS[0]}.0.0/16 to 10.{OCTETS[-1]}.0.0/16 is in use")


def _holds(link: Path) -> bool:
    """Whether a claim is alive: its state directory exists, and names this prefix or none yet."""
    target = link.readlink()
    try:
        settings = state.load(target)
    except (ValueError, TypeError, KeyError):
        return True  # unreadable is not unused
    if settings is None:
        return target.is_dir()
    return str(settings.octet) == link.name


def _free_port(default: int, reserved: set[int]) -> int:
    for port in range(default, default + PORT_STEP * PORT_TRIES, PORT_STEP):
        if port not in reserved and port_is_free(port):
            return port
    raise NoRoomError(f"no free TCP port from {default} on in steps of {PORT_STEP}")
