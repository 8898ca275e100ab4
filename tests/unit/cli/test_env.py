"""Keys and certificates on disk."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from magnum_lite.local.commands import credentials, exports
from magnum_lite.local.commands.failure import Failure


def variables(text):
    """What bash makes of it."""
    script = f'{text}\nprintf \'%s\\n\' "$DOCKER_HOST" "$DOCKER_TLS_VERIFY" "$DOCKER_CERT_PATH"'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_env_gives_a_certificate_of_the_bays_ca(bay, run):
    result = run("env", bay)
    assert result.exit_code == 0, result.output
    host, verify, directory = variables(result.stdout)
    assert host.startswith("tcp://")
    assert host.endswith(":2376")
    assert verify == "1"
    files = Path(directory)
    assert stat.S_IMODE(files.stat().st_mode) == 0o700
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in files.iterdir()} == dict.fromkeys(
        ("ca.pem", "cert.pem", "key.pem", "bay.json"), 0o600
    )
    authority = x509.load_pem_x509_certificate((files / "ca.pem").read_bytes())
    certificate = x509.load_pem_x509_certificate((files / "cert.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    key = serialization.load_pem_private_key((files / "key.pem").read_bytes(), None)
    assert key.public_key() == certificate.public_key()


def test_a_second_run_replaces_all_of_it(bay, run, tmp_path):
    target = tmp_path / "certs"
    first, second = (
        (run("env", bay, "--dir", target, "--ttl", ttl), (target / "cert.pem").read_text())[1]
        for ttl in ("3600", "7200")
    )
    assert first != second
    certificate = x509.load_pem_x509_certificate(second.encode())
    assert 7000 < (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() < 12000
    key = serialization.load_pem_private_key((target / "key.pem").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    assert [p.name for p in tmp_path.iterdir() if "certs" in p.name] == ["certs"], "no draft is left"


def test_fish_and_json(bay, run):
    fish = run("env", bay, "--shell", "fish").stdout
    assert fish.splitlines()[0].startswith("set -gx DOCKER_HOST 'tcp://")
    assert json.loads(run("env", bay, "--shell", "json").stdout)["DOCKER_TLS_VERIFY"] == "1"


def test_a_directory_with_other_files_is_not_replaced(bay, run, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    result = run("env", bay, "--dir", tmp_path)
    assert result.exit_code == 2
    assert "thesis.txt" in result.stderr or "other files" in result.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_delete_forgets_the_credentials(bay, run):
    _, _, directory = variables(run("env", bay).stdout)
    assert run("delete", bay).exit_code == 0
    assert not Path(directory).exists()


def test_only_the_very_bays_credentials_are_forgotten(home):
    target = credentials.default_directory("b1")
    credentials.write(target, {"key.pem": "k", "bay.json": json.dumps({"uuid": "another"})})
    assert not credentials.forget("b1", "this one")
    assert (target / "key.pem").exists()


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker command here")
def test_a_docker_context_comes_and_goes(bay, run):
    result = run("env", bay, "--context")
    assert result.exit_code == 0, result.output
    again = run("env", bay, "--context")
    assert again.exit_code == 0, again.output
    assert "export DOCKER_HOST=" in again.stdout
    assert "magnum-lite-b1" in contexts()
    assert run("delete", bay).exit_code == 0
    assert "magnum-lite-b1" not in contexts()


def contexts():
    command = ["docker", "context", "ls", "--format", "{{.Name}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_files_are_closed_to_others_from_the_start(tmp_path, monkeypatch):
    """Also under the most careless umask: there is no moment in which a chmod is still to come."""
    modes = []
    real = os.open

    def watched(path, flags, mode=0o777, **more):
        handle = real(path, flags, mode, **more)
        if str(path).endswith(".pem"):
            modes.append((stat.S_IMODE(os.fstat(handle).st_mode), bool(flags & os.O_EXCL)))
        return handle

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        credentials.write(tmp_path / "a/b", {"key.pem": "secret"})
    finally:
        os.umask(before)
    assert modes == [(0o600, True)]
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


def test_where_the_file_system_can_not_exchange(tmp_path, monkeypatch):
    target = tmp_path / "certs"
    credentials.write(target, {"key.pem": "old"})

    class Libc:
        @staticmethod
        def renameat2(*_):
            return -1

    monkeypatch.setattr(credentials.ctypes, "CDLL", lambda *_, **__: Libc)
    monkeypatch.setattr(credentials.ctypes, "get_errno", lambda: 22)
    credentials.write(target, {"key.pem": "new"})
    assert (target / "key.pem").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir() if "certs" in p.name] == ["certs"]


def test_a_failure_keeps_the_old_files(tmp_path):
    target = tmp_path / "certs"
    credentials.write(target, {"key.pem": "old"})
    with pytest.raises(OSError):
        credentials.write(target, {"key.pem": "new", "no/such": "x"})
    assert (target / "key.pem").read_text() == "old"
    assert len(list(tmp_path.glob("*certs*"))) + len(list(tmp_path.glob(".certs*"))) == 1
    (target / "other").write_text("")
    with pytest.raises(Failure):
        credentials.refuse_foreign(target)


@pytest.mark.parametrize("value", ["plain", "two words", "it's", '$(rm -rf /) `x` "q"', "back\\slash"])
def test_values_are_quoted_for_the_shell(value):
    text = exports.render({"DOCKER_CERT_PATH": value}, "bash")
    assert variables(text)[2] == value
    assert exports.render({"A": "it's \\"}, "fish") == "set -gx A 'it\\'s \\\\';"
