"""The network namespace of the outer dockerd and its one routed link to the host.

All bridges and iptables rules of the nodes live in the namespace, so the host's iptables stay as
they are; one route on the host reaches every bay. All of it vanishes at a reboot, so everything here
is "ensure", and cheap when it is there.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from magnum_lite.local import state


class CommandFailedError(Exception):
    """A command of the system failed: ``command`` and what it printed."""

    def __init__(self, command: tuple[str, ...], output: str) -> None:
        super().__init__(f"{' '.join(command)}: {output.strip()}")
        self.command = command
        self.output = output


def run(*command: str) -> str:
    """Standard output of a command. Raises CommandFailedError."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CommandFailedError(command, str(error)) from None
    if answer.returncode != 0:
        raise CommandFailedError(command, answer.stderr or answer.stdout)
    return answer.stdout


def succeeds(*command: str) -> bool:
    """Whether a command is there and exits with 0."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def inside(settings: state.Settings, *command: str) -> tuple[str, ...]:
    """The command, to be run in the namespace. ``ip netns exec`` would remount /sys and hide the
    control groups from it.
    """
    return ("nsenter", f"--net={settings.netns_path}", *command)


def ensure(settings: state.Settings) -> None:
    """Namespace, link, addresses and routes. Raises CommandFailedError."""
    name, prefix = settings.instance, settings.network_prefix
    if not _namespace_is_alive(settings.netns_path):
        settings.netns_path.unlink(missing_ok=True)  # a file without a mount is left after a kill
        run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    run(*inside(settings, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
    if not succeeds("ip", "link", "show", settings.host_link):
        run("ip", "link", "add", settings.host_link, "type", "veth",
            "peer", "name", settings.inner_link, "netns", name)  # fmt: skip
    run("ip", "addr", "replace", f"{settings.transit_address}/30", "dev", settings.host_link)
    run("ip", "link", "set", settings.host_link, "up")
    run("ip", "-n", name, "addr", "replace", f"{prefix}.255.2/30", "dev", settings.inner_link)
    run("ip", "-n", name, "link", "set", settings.inner_link, "up")
    run("ip", "-n", name, "route", "replace", "default", "via", settings.transit_address)
    run("ip", "route", "replace", f"{prefix}.0.0/16", "via", f"{prefix}.255.2", "dev", settings.host_link)
    if settings.way_out:
        _open_way_out(settings)


def admit_transit(settings: state.Settings) -> None:
    """Let the link through Docker's FORWARD chain, whose policy is DROP; DOCKER-USER is made for that.

    Call when dockerd is up, each time. It makes the chain with its first bridge only, and keeps one
    that is there: after a reboot there is none until a bay is made.
    """
    if not succeeds(*inside(settings, "iptables", "-w", "-n", "-L", "DOCKER-USER")):
        run(*inside(settings, "iptables", "-w", "-N", "DOCKER-USER"))
    for direction in ("-i", "-o"):
        rule = ("DOCKER-USER", direction, settings.inner_link, "-j", "ACCEPT")
        if not succeeds(*inside(settings, "iptables", "-w", "-C", *rule)):
            run(*inside(settings, "iptables", "-w", "-I", *rule))


def remove(settings: state.Settings) -> None:
    """Take everything away again; what is not there is no error."""
    for table, rule in _way_out_rules(settings):
        while succeeds("iptables", "-w", "-t", table, "-C", *rule):
            run("iptables", "-w", "-t", table, "-D", *rule)
    if succeeds("ip", "link", "show", settings.host_link):
        run("ip", "link", "delete", settings.host_link)  # its peer and the routes go with it
    if settings.netns_path.exists():
        if succeeds("mountpoint", "-q", str(settings.netns_path)):
            run("ip", "netns", "delete", settings.instance)
        else:
            settings.netns_path.unlink(missing_ok=True)


def leftovers(settings: state.Settings) -> tuple[str, ...]:
    """What of this instance the host's network still has, for tests and for ``doctor``."""
    links: list[dict[str, Any]] = json.loads(run("ip", "-json", "link") or "[]")
    found = [link["ifname"] for link in links if link["ifname"] == settings.host_link]
    routes = [line for line in run("ip", "route").splitlines() if f"{settings.network_prefix}." in line]
    namespace = [str(settings.netns_path)] if settings.netns_path.exists() else []
    return (*found, *routes, *namespace)


def _namespace_is_alive(path: Path) -> bool:
    return path.exists() and succeeds("nsenter", f"--net={path}", "true")


def _open_way_out(settings: state.Settings) -> None:
    """The one thing that changes the host's own iptables, and only when it was asked for."""
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    for table, rule in _way_out_rules(settings):
        if not succeeds("iptables", "-w", "-t", table, "-C", *rule):
            run("iptables", "-w", "-t", table, "-I", *rule)


def _way_out_rules(settings: state.Settings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    mark = ("-m", "comment", "--comment", settings.instance)
    nodes, link = f"{settings.network_prefix}.0.0/16", settings.host_link
    return (
        ("nat", ("POSTROUTING", "-s", nodes, "!", "-o", link, *mark, "-j", "MASQUERADE")),
        ("filter", ("FORWARD", "-i", link, *mark, "-j", "ACCEPT")),
        ("filter", ("FORWARD", "-o", link, *mark, "-j", "ACCEPT")),
    )
