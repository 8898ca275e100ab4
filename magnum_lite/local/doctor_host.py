"""Checks of the machine itself: permissions, kernel, firewall, memory, tools. Nothing is changed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from magnum_lite.local import host_network
from magnum_lite.local.finding import ExitClass, Finding, Severity

MEMORY_NEEDED = 3 * 2**30
INOTIFY_INSTANCES = 512
INOTIFY_WATCHES = 65536


def check() -> Iterator[Finding]:
    """Every check of this module, from the ground up."""
    for look in CHECKS:
        yield look()
    yield from _tools()


def _root() -> Finding:
    return Finding(
        "HOST_NOT_ROOT",
        ok=os.geteuid() == 0,
        severity=Severity.ERROR,
        message=f"running as user id {os.geteuid()}; namespaces and nodes need root",
        advice="sudo magnum-lite up",
        exit_class=ExitClass.HOST,
    )


def _cgroup() -> Finding:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return Finding(
            "HOST_CGROUP",
            ok=True,
            severity=Severity.WARNING,
            message="cgroup version 2: handled as kind does, but this program was tested on version 1 only",
        )
    missing = [name for name in ("cpu", "memory", "pids", "devices") if not any(root.glob(f"*{name}*"))]
    return Finding(
        "HOST_CGROUP",
        ok=not missing,
        severity=Severity.ERROR,
        message=f"cgroup version 1, controllers missing: {', '.join(missing)}"
        if missing
        else "cgroup version 1",
        advice="mount the control groups (Debian: apt-get install cgroupfs-mount)",
        exit_class=ExitClass.HOST,
    )


def _overlay() -> Finding:
    return Finding(
        "HOST_NO_OVERLAYFS",
        ok="\toverlay\n" in Path("/proc/filesystems").read_text()
        or host_network.succeeds("modprobe", "overlay"),
        severity=Severity.ERROR,
        message="the kernel's overlay file system holds images and nodes",
        advice="modprobe overlay",
        exit_class=ExitClass.HOST,
    )


def _inotify() -> Finding:
    wanted = {"max_user_instances": INOTIFY_INSTANCES, "max_user_watches": INOTIFY_WATCHES}
    directory = Path("/proc/sys/fs/inotify")
    low = {name: least for name, least in wanted.items() if int((directory / name).read_text()) < least}
    return Finding(
        "HOST_INOTIFY_LIMIT",
        ok=not low,
        severity=Severity.WARNING,
        message=f"inotify limits too low for many nodes: {', '.join(low)}" if low else "inotify limits",
        advice="sysctl -w " + " ".join(f"fs.inotify.{name}={least}" for name, least in low.items()),
        exit_class=ExitClass.HOST,
    )


def _ipvs() -> Finding:
    there = Path("/proc/net/ip_vs").exists() or host_network.succeeds("modprobe", "--dry-run", "ip_vs")
    return Finding(
        "HOST_NO_IPVS",
        ok=there,
        severity=Severity.WARNING,
        message="IPVS"
        if there
        else "this kernel has no IPVS: swarm's virtual IPs and its ingress mesh will not work",
        advice="publish with mode=host and use endpoint_mode dnsrr, or boot a kernel with ip_vs",
        exit_class=ExitClass.HOST,
    )


def _forwarding_firewall() -> Finding:
    answer = subprocess.run(["iptables", "-S", "INPUT"], capture_output=True, text=True, check=False)
    closed = answer.stdout.startswith(("-P INPUT DROP", "-P INPUT REJECT"))
    return Finding(
        "HOST_FIREWALL_INPUT",
        ok=not closed,
        severity=Severity.WARNING,
        message="the host's firewall drops what comes in: nodes may not reach the node door"
        if closed
        else "nodes may reach the host",
        advice="iptables -I INPUT -i 'mlite+' -p tcp --dport 9512 -j ACCEPT",
        exit_class=ExitClass.HOST,
    )


def _memory() -> Finding:
    text = Path("/proc/meminfo").read_text()
    available = next(
        int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable")
    )
    return Finding(
        "RSRC_INSUFFICIENT_MEMORY",
        ok=available >= MEMORY_NEEDED,
        severity=Severity.WARNING,
        message=f"{available / 2**30:.1f} GiB of memory available, {MEMORY_NEEDED / 2**30:.0f} wanted "
        "for a bay of three",
        advice="close something, or start smaller bays",
        exit_class=ExitClass.RESOURCE,
    )


CHECKS: tuple[Callable[[], Finding], ...] = (
    _root,
    _cgroup,
    _overlay,
    _inotify,
    _ipvs,
    _forwarding_firewall,
    _memory,
)


def _tools() -> Iterator[Finding]:
    packages = {
        "ip": "iproute2",
        "iptables": "iptables",
        "nsenter": "util-linux",
        "containerd": "containerd",
        "sysctl": "procps",
        "losetup": "mount",
    }
    for tool, package in packages.items():
        if shutil.which(tool) is None:
            yield Finding(
                f"HOST_MISSING_{tool.upper()}",
                ok=False,
                severity=Severity.ERROR,
                message=f"{tool} is not installed",
                advice=f"apt-get install --no-remove {package}",
                exit_class=ExitClass.HOST,
            )
