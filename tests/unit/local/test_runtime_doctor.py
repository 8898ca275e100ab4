"""Doctor names what is wrong by a stable id, says what to do, and chooses the exit code."""

import dataclasses
import socket

import pytest

from magnum_lite.local import dockerd, doctor, state
from magnum_lite.local.finding import ExitClass, Finding, Severity


def found(findings, reason_id):
    return next(item for item in findings if item.reason_id == reason_id)


def test_a_new_state_directory_gets_a_whole_examination(tmp_path):
    findings = doctor.check(tmp_path / "new")
    ids = {item.reason_id for item in findings}
    assert {
        "HOST_NOT_ROOT",
        "HOST_CGROUP",
        "HOST_INOTIFY_LIMIT",
        "HOST_NO_IPVS",
        "RSRC_INSUFFICIENT_DISK",
    } <= ids
    assert found(findings, "NOTE_BAY_CERTIFICATE_IS_ROOT").advice
    assert all(item.advice for item in findings if not item.ok)
    assert not [item for item in findings if item.ok and item.advice and item.severity is not Severity.NOTE]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("engine", "reason_id"),
    [
        (None, "PROVIDER_DOCKERD_MISSING"),
        (dockerd.Engine("/usr/bin/dockerd", (19, 3)), "PROVIDER_DOCKERD_VERSION"),
    ],
)
def test_no_dockerd_or_an_old_one(tmp_path, monkeypatch, engine, reason_id):
    monkeypatch.setattr(dockerd, "installed", lambda: engine)
    finding = found(doctor.check(tmp_path), reason_id)
    assert not finding.ok
    assert finding.exit_class == ExitClass.PROVIDER
    assert "docker" in finding.advice.lower()


def test_a_port_of_ours_that_a_stranger_holds(tmp_path):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        settings = state.Settings(tmp_path, 93, port, 2, 3, 4, 5, 6)
        state.save(settings)
        finding = next(
            item
            for item in doctor.check(tmp_path)
            if item.reason_id == "PORT_TAKEN" and str(port) in item.message
        )
    assert finding.exit_class == ExitClass.LOCAL_NETWORK_CONFLICT


def test_only_errors_decide_the_exit_code():
    note = Finding("A", ok=False, severity=Severity.WARNING, message="", exit_class=ExitClass.HOST)
    assert doctor.exit_code([note]) == 0
    error = dataclasses.replace(note, severity=Severity.ERROR)
    later = dataclasses.replace(error, exit_class=ExitClass.PROVIDER)
    assert doctor.exit_code([note, error, later]) == ExitClass.HOST
    assert doctor.exit_code([dataclasses.replace(error, ok=True)]) == 0
