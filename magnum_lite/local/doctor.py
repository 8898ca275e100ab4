"""What of this machine is missing, too small or untested for the cloud, and what to do about it."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from magnum_lite.local import claims, dockerd, doctor_host, image, processes, runtime, state
from magnum_lite.local.finding import ExitClass, Finding, Severity

DISK_NEEDED = 6 * 2**30


def check(state_dir: Path) -> list[Finding]:
    """Look at everything; nothing is changed. The order is from the ground up. Advice is given only
    where something is not well, and with notes.
    """
    settings = state.load(state_dir.resolve())
    findings = list(doctor_host.check())
    findings.append(_disk(state_dir))
    findings.append(_dockerd())
    findings.append(_node_image())
    findings.extend(_ports(settings))
    findings.extend(_services(state_dir))
    findings.append(
        Finding(
            "NOTE_BAY_CERTIFICATE_IS_ROOT",
            ok=True,
            severity=Severity.NOTE,
            message="whoever holds the certificate of a bay on this machine is root on this machine: "
            "a node is a system container, and that is no security boundary",
            advice="give bays here only to people who may be root here",
        )
    )
    return [
        item if not item.ok or item.severity is Severity.NOTE else dataclasses.replace(item, advice="")
        for item in findings
    ]


def exit_code(findings: list[Finding]) -> int:
    """0, or the class of the first error; warnings and notes do not count."""
    errors = (item for item in findings if not item.ok and item.severity is Severity.ERROR)
    return int(next((item.exit_class for item in errors), ExitClass.OK))


def _disk(state_dir: Path) -> Finding:
    place = next(path for path in (state_dir.resolve(), *state_dir.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    return Finding(
        "RSRC_INSUFFICIENT_DISK",
        ok=free >= DISK_NEEDED,
        severity=Severity.ERROR,
        message=f"{free / 2**30:.1f} GiB free at {place}, {DISK_NEEDED / 2**30:.0f} needed",
        advice="free some space, or choose another --state-dir",
        exit_class=ExitClass.RESOURCE,
    )


def _dockerd() -> Finding:
    engine = dockerd.installed()
    if engine is None:
        message, advice = "there is no dockerd", "apt-get install --no-remove docker.io"
    else:
        found = ".".join(map(str, engine.version))
        message = f"dockerd {found} at {engine.path}"
        advice = f"at least {'.'.join(map(str, dockerd.OLDEST))} is needed: upgrade your Docker"
    missing = engine is None
    return Finding(
        "PROVIDER_DOCKERD_MISSING" if missing else "PROVIDER_DOCKERD_VERSION",
        ok=engine is not None and engine.good,
        severity=Severity.ERROR,
        message=message,
        advice=advice,
        exit_class=ExitClass.PROVIDER,
    )


def _node_image() -> Finding:
    cached = image.path().exists()
    return Finding(
        "PROVIDER_NODE_IMAGE",
        ok=cached or shutil.which("mmdebstrap") is not None,
        severity=Severity.ERROR,
        message="the node image is in the cache" if cached else "the node image will be built by mmdebstrap",
        advice="apt-get install --no-remove mmdebstrap",
        exit_class=ExitClass.PROVIDER,
    )


def _ports(settings: state.Settings | None) -> Iterator[Finding]:
    """A port of ours that somebody else holds while we are down. A new state directory chooses freely."""
    if settings is None or processes.of_instance(settings.state_dir):
        return  # also when only what a killed supervisor left runs: ``up`` ends that
    for port in sorted(settings.ports()):
        if not claims.port_is_free(port):
            yield Finding(
                "PORT_TAKEN",
                ok=False,
                severity=Severity.ERROR,
                message=f"another program listens on 127.0.0.1:{port}, which this state directory uses",
                advice=f"see who it is: ss -ltnp 'sport = :{port}'",
                exit_class=ExitClass.LOCAL_NETWORK_CONFLICT,
            )


def _services(state_dir: Path) -> Iterator[Finding]:
    for process in runtime.status(state_dir):
        if process.state in {"failed", "restarting"}:
            yield Finding(
                "SVC_NOT_RUNNING",
                ok=False,
                severity=Severity.ERROR,
                message=f"{process.name} is {process.state}: {process.reason}",
                advice=f"see {state_dir / 'log'}; then: magnum-lite down && magnum-lite up",
                exit_class=ExitClass.SERVICE,
            )
