"""The command line as a program: how it starts, prints and completes."""

import os
import subprocess
import sys

import pytest

from magnum_lite.local.commands import output, watching

PROGRAM = (sys.executable, "-m", "magnum_lite.local.cli")


def program(*arguments, **environment):
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_start_imports_nothing_heavy():
    heavy = "rich requests keystoneauth1 openstack docker sqlalchemy pydantic cryptography yaml"
    script = f"import sys, magnum_lite.local.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_help_shows_every_command():
    answer = program("--help")
    assert answer.returncode == 0
    for name in ("up", "down", "status", "doctor", "image", "create", "list", "show", "delete", "resize",
                 "events", "logs", "templates", "template-create", "env", "demo", "completion"):  # fmt: skip
        assert f"\n  {name} " in answer.stdout


def test_in_a_pipe_there_are_no_colours(service, run):
    answer = program("--state-dir", str(service.state_dir), "create", "b1", "--image", "fedora-atomic-23")
    assert answer.returncode == 0, answer.stderr
    assert "✓" in answer.stdout
    assert "\x1b" not in answer.stdout + answer.stderr


def test_exit_codes_reach_the_shell(tmp_path):
    assert program("--state-dir", str(tmp_path), "list").returncode == 4
    assert program("nonsense").returncode == 2


def test_state_dir_from_the_environment(service):
    answer = program("list", "-o", "json", MAGNUM_LITE_STATE_DIR=str(service.state_dir))
    assert (answer.returncode, answer.stdout) == (0, "[]\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell):
    answer = program("completion", shell)
    assert answer.returncode == 0
    assert "_MAGNUM_LITE_COMPLETE" in answer.stdout


def complete(*words, **environment):
    asked = {
        "_MAGNUM_LITE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("magnum-lite", *words)),
        "COMP_CWORD": str(len(words)),
    }
    return program(**asked, **environment).stdout.split()


def test_completion_of_commands_and_bays(bay, service, tmp_path):
    assert complete("re") == ["plain,resize"]
    assert complete("show", "b", MAGNUM_LITE_STATE_DIR=str(service.state_dir)) == ["plain,b1"]
    assert complete("show", "b", MAGNUM_LITE_STATE_DIR=str(tmp_path / "nowhere")) == []


def test_doctor_prints_reason_ids(tmp_path):
    answer = program("--state-dir", str(tmp_path), "doctor", "-o", "json")
    assert "NOTE_BAY_CERTIFICATE_IS_ROOT" in answer.stdout
    assert answer.returncode in {0, 14, 20, 30, 60, 80}


def test_tables_are_aligned_and_harmless(capsys):
    output.table(("name", "labels"), [("a", {"x": "1"}), ("longer\x1b[2J", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["NAME       LABELS", "a          x=1", "longer[2J  -"]


def node(state, step="", **more):
    return {"state": state, "step": step} | more


@pytest.mark.parametrize(
    ("before", "now", "finished"),
    [
        ({}, node("planned"), ()),
        ({}, node("booting", "boot"), ()),
        ({}, node("booting", "engine"), ("boot", "enrol")),
        (node("booting", "enrol"), node("booting", "swarm"), ("enrol", "engine")),
        (node("booting", "swarm"), node("ready", "ready"), ("swarm", "ready")),
        (node("ready", "ready"), node("ready", "ready"), ()),
        (node("booting", "engine"), node("failed", "engine"), ()),
        (node("booting", "swarm"), node("booting", "boot"), ()),
        ({}, node("booting", "unheard-of"), ()),
        (node("ready", "ready"), node("leaving", "ready"), ()),
    ],
)
def test_finished_steps(before, now, finished):
    assert watching.finished(before, now) == finished
