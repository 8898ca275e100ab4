"""The process: starts without dockerd and Keystone, answers, refuses a second one, ends in time."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.support.waiting import eventually


@pytest.fixture
def command(tmp_path):
    """The command line of a cloud, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    content = {
        "host": "127.0.0.1",
        "port": port,
        "keystone_url": "http://127.0.0.1:1/v3",
        "username": "u",
        "password": "a-secret-word",
        "docker_socket": str(tmp_path / "docker.sock"),
        "state_dir": str(tmp_path / "state"),
    }
    (tmp_path / "cloud.json").write_text(json.dumps(content))
    return [sys.executable, "-m", "magnum_lite.local.cloud", str(tmp_path / "cloud.json")], port


def _status(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_life_of_the_process(command, tmp_path):
    line, port = command
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            # no dockerd: it says so, and serves what needs none
            eventually(lambda: _status(port, "/healthcheck") == 503, 60)
            assert _status(port, "/compute/v2.1") == 200
            assert _status(port, "/compute/v2.1/servers") == 401
            assert subprocess.run(line, capture_output=True, timeout=60, check=False).returncode == 1
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - began < 3  # 2 on a machine that is not overloaded
        finally:
            process.kill()
            process.wait()
    assert "a-secret-word" not in (tmp_path / "log").read_text()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_bad_settings(command, tmp_path):
    line, _ = command
    (tmp_path / "cloud.json").write_text('{"password": "a-secret-word", "nonsense": 1}')
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "unknown field nonsense" in ended.stderr
    assert "a-secret-word" not in ended.stderr
