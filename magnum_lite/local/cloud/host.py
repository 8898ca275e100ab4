"""The port to the machine itself: DNAT rules of floating IPs, loop devices of volumes.

The rules live in two chains of our own which are always written as a whole, in one atomic
iptables-restore, from the records: so writing them is also repairing them.
"""

import ipaddress
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class HostError(Exception):
    """A command of the machine failed; the text is its own."""


class Host(Protocol):
    """What the local cloud asks of the machine. Calls raise HostError."""

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Make exactly these floating addresses lead to these fixed ones."""

    def attach(self, file: Path) -> tuple[int, int]:
        """Put a file behind a loop device, the one that it has already if any: major, minor."""

    def release(self, file: Path) -> None:
        """Take the file's loop devices away, as soon as nobody uses them; none is fine."""

    def attached(self, file: Path) -> bool:
        """Whether a loop device still holds the file."""

    def grow(self, file: Path) -> None:
        """Make the file's loop device see its new size; none is fine."""


class LinuxHost:
    """iptables in the dockerd's network namespace, losetup on the host."""

    def __init__(self, netns: str | None, chain: str) -> None:
        self._enter = ("nsenter", f"--net={netns}") if netns else ()
        # packets that start on this very machine pass OUTPUT instead of PREROUTING
        self._hooks = ("PREROUTING",) if netns else ("PREROUTING", "OUTPUT")
        self._chain = chain

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Make exactly these floating addresses lead to these fixed ones."""
        to, back = f"{self._chain}-FIP", f"{self._chain}-HAIRPIN"
        lines = ["*nat", f":{to} - [0:0]", f":{back} - [0:0]"]
        for floating, fixed in sorted(addresses.items()):
            ipaddress.IPv4Address(floating), ipaddress.IPv4Address(fixed)
            lines.append(f"-A {to} -d {floating}/32 -j DNAT --to-destination {fixed}")
            # a node that calls its neighbour's floating address must get the answer the same way
            near = ipaddress.IPv4Network(f"{fixed}/24", strict=False)
            lines.append(
                f"-A {back} -s {near} -d {fixed}/32 -m conntrack --ctorigdst {floating} -j MASQUERADE"
            )
        rules = "\n".join([*lines, "COMMIT", ""])
        _run(*self._enter, "iptables-restore", "--noflush", "-w", "10", text=rules)
        for hook, chain in (*((hook, to) for hook in self._hooks), ("POSTROUTING", back)):
            rule = (hook, "-j", chain)
            iptables = (*self._enter, "iptables", "-w", "-t", "nat")
            if subprocess.run([*iptables, "-C", *rule], capture_output=True, check=False).returncode:
                _run(*iptables, "-I", *rule)

    def attach(self, file: Path) -> tuple[int, int]:
        """Put a file behind a loop device, the one that it has already if any: major, minor."""
        device = next(iter(_loops(file)), None) or _run("losetup", "--find", "--show", str(file)).strip()
        major, _, minor = (
            _run("losetup", "--noheadings", "--output", "MAJ:MIN", device).strip().partition(":")
        )
        return int(major), int(minor)

    def release(self, file: Path) -> None:
        """Take the file's loop devices away, as soon as nobody uses them; none is fine."""
        for device in _loops(file):
            _run("losetup", "--detach", device)

    def attached(self, file: Path) -> bool:
        """Whether a loop device still holds the file."""
        return bool(_loops(file))

    def grow(self, file: Path) -> None:
        """Make the file's loop device see its new size; none is fine."""
        for device in _loops(file):
            _run("losetup", "--set-capacity", device)


def _loops(file: Path) -> list[str]:
    listed = _run("losetup", "--json", "--list", "--associated", str(file)) if file.exists() else ""
    return [str(device["name"]) for device in json.loads(listed)["loopdevices"]] if listed.strip() else []


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout
