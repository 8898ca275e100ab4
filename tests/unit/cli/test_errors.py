"""Exit codes by class, and texts that say what to do."""

import socket

import pytest

from tests.support.stand import headers


def test_not_found_names_what_there_is(bay, run):
    result = run("show", "nothing")
    assert result.exit_code == 3
    assert "Bay nothing could not be found" in result.stderr
    assert "there are: b1" in result.stderr


def test_every_fault_of_a_body_is_told(service, run):
    result = run("create", "b1", "--image", "no-such-image", "--flavor", "no-such-flavor")
    assert result.exit_code == 5
    assert "no-such-image" in result.stderr
    assert "no-such-flavor" in result.stderr
    assert "request id req-" in result.stderr


def test_a_reader_is_refused(service, run, run_json):
    service.who = headers(roles="reader")
    result = run("template-create", "model", "--image", "fedora-atomic-23")
    assert result.exit_code == 5
    assert "Traceback" not in result.output
    assert run_json("templates") == []


def test_not_running(run, tmp_path):
    result = run("list", state_dir=tmp_path / "nowhere")
    assert result.exit_code == 4
    assert f"magnum-lite --state-dir {tmp_path}/nowhere up" in result.stderr


def test_nobody_listens(service, run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        service.write_clouds(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        result = run("list")
    assert result.exit_code == 4
    assert "is not running" in result.stderr


def test_an_unknown_cloud(service, run):
    result = run("--os-cloud", "elsewhere", "list")
    assert result.exit_code == 2
    assert "elsewhere" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "b1", "--label", "nonsense"),
        ("create", "b1", "--template", "model", "--image", "x"),
        ("resize", "b1", "-1"),
        ("resize", "b1", "many"),
        ("env", "b1", "--shell", "tcsh"),
        ("frobnicate",),
    ],
)
def test_usage(service, run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert service.asked == [], "nothing was asked of the service"


def test_status_and_image_load_where_nothing_is(run, tmp_path):
    for command in (("status",), ("image", "load")):
        result = run(*command, state_dir=tmp_path / "nowhere")
        assert result.exit_code == 4
        assert " up" in result.stderr


def test_an_answer_that_is_not_json(service, run):
    def strange(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<html>hello</html>"]

    service._server.wsgi_app = strange
    result = run("list")
    assert result.exit_code == 1
    assert "not JSON" in result.stderr
