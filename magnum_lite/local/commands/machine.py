"""``up``, ``down``, ``status``, ``doctor``: this machine's cloud."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.failure import Exit, Failure
from magnum_lite.local.commands.invocation import Invocation, output_option, pass_invocation


@click.command()
@click.option("--way-out", is_flag=True, help="Let nodes reach the Internet through this host (NAT there).")
@pass_invocation
def up(invocation: Invocation, *, way_out: bool) -> None:
    """Start the cloud of this machine, and wait until all of it serves. Safe to repeat."""
    started = time.monotonic()
    start(invocation.state_dir, way_out=way_out)
    output.done(f"The cloud is up ({time.monotonic() - started:.0f} s)")
    clouds = invocation.state_dir / "clouds.yaml"
    output.next_commands(
        ("magnum-lite create bay1 --node-count 2", "a bay of one manager and two workers"),
        ("magnum-lite demo", "the whole tour"),
        (f"export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=magnum-lite", "for: openstack coe cluster list"),
        ("magnum-lite status", "what runs"),
        ("magnum-lite down", "stop it all; bays come back with the next up"),
    )


def start(state_dir: Path, *, way_out: bool = False) -> None:
    """``up`` with a ✓ line for each step. Raises Failure with the finding of doctor that explains it."""
    from magnum_lite.local import claims, host_network, image, runtime

    _refuse_hopeless(state_dir)
    try:
        runtime.up(state_dir, progress=output.done, way_out=way_out)
    except (runtime.NotReadyError, image.BuildError, claims.NoRoomError) as error:
        raise Failure(
            str(error),
            "what may be missing:  magnum-lite doctor",
            "start anew:  magnum-lite down && magnum-lite up",
        ) from None
    except (host_network.CommandFailedError, OSError) as error:
        raise Failure(str(error), "what may be missing:  magnum-lite doctor") from None


def _refuse_hopeless(state_dir: Path) -> None:
    """What doctor calls an error would only fail later, and less clearly."""
    from magnum_lite.local import doctor
    from magnum_lite.local.finding import ExitClass, Severity

    wrong = [f for f in doctor.check(state_dir) if not f.ok and f.severity is Severity.ERROR]
    fatal = [f for f in wrong if f.exit_class is not ExitClass.SERVICE]
    if fatal:
        lines = [f"{f.reason_id}: {f.message}" for f in fatal]
        raise Failure("\n  ".join(lines), *[f.advice for f in fatal if f.advice])


@click.command()
@click.option("--purge", is_flag=True, help="Also remove everything that was ever made, bays included.")
@pass_invocation
def down(invocation: Invocation, *, purge: bool) -> None:
    """Stop the cloud of this machine. Its bays come back with the next up."""
    stop(invocation.state_dir, purge=purge)
    if purge:
        output.done(f"Everything in {invocation.state_dir} is gone.")
    else:
        output.done("The cloud is down.")
        output.next_commands(
            ("magnum-lite up", "start it again"), ("magnum-lite down --purge", "remove it all")
        )


def stop(state_dir: Path, *, purge: bool) -> None:
    """Raises Failure."""
    from magnum_lite.local import purge as purging
    from magnum_lite.local import runtime

    try:
        runtime.down(state_dir, purge_all=purge)
    except purging.NotOursError as error:
        raise Failure(str(error), "name the right one:  --state-dir DIRECTORY", code=Exit.USAGE) from None


@click.command()
@output_option
@pass_invocation
def status(invocation: Invocation, how: str) -> None:
    """Show the processes of this machine's cloud. Exits with 4 unless all of them are ready."""
    from magnum_lite.local import runtime

    found = runtime.status(invocation.state_dir)
    if how == "json":
        output.document([dataclasses.asdict(process) for process in found])
    elif found:
        output.table(
            ("name", "state", "pid", "memory", "up", "restarts", "reason"),
            [(p.name, p.state, p.pid or "-", _megabytes(p), _age(p), p.restarts, p.reason) for p in found],
        )
    if not found:
        raise Failure(
            f"There is no cloud in {invocation.state_dir}.", "magnum-lite up", code=Exit.UNREACHABLE
        )
    if any(process.state not in {"ready", "done"} for process in found):
        raise click.exceptions.Exit(int(Exit.UNREACHABLE))


def _megabytes(process: Any) -> str:
    return f"{process.rss_bytes / 1e6:.0f} MB" if process.rss_bytes else "-"


def _age(process: Any) -> str:
    if not process.pid or not process.since:
        return "-"
    seconds = max(0, int(time.time() - process.since))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@click.command()
@output_option
@pass_invocation
def doctor(invocation: Invocation, how: str) -> None:
    """Look at what this machine lacks. Exit code: 0, or the class of the worst finding (see doc/cli.rst)."""
    from magnum_lite.local import doctor as checks

    findings = checks.check(invocation.state_dir)
    if how == "json":
        output.document([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    raise click.exceptions.Exit(checks.exit_code(findings))


def _print(finding: Any) -> None:
    from magnum_lite.local.finding import Severity

    line = f"{finding.reason_id}: {finding.message}"
    if finding.severity is Severity.NOTE:
        output.warn(line)
    elif finding.ok:
        output.done(line)
        return
    elif finding.severity is Severity.ERROR:
        output.failed(line)
    else:
        output.warn(line)
    if finding.advice:
        click.echo(f"  → {finding.advice}")
