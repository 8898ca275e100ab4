"""A pid is trusted only together with its start: no stranger is ever signalled."""

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from magnum_lite.local import processes


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def test_an_identity_is_of_one_process_only(sleeper):
    me = processes.identify(sleeper.pid)
    assert processes.alive(me)
    assert not processes.alive(dataclasses.replace(me, start_ticks=me.start_ticks - 1))
    assert not processes.alive(dataclasses.replace(me, boot_id="another"))


def test_a_recycled_pid_is_not_signalled(sleeper):
    stranger = dataclasses.replace(processes.identify(sleeper.pid), start_ticks=1)
    assert not processes.send(stranger, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_zombie_does_not_run(sleeper):
    me = processes.identify(sleeper.pid)
    sleeper.kill()
    assert processes.wait_gone(me, 5)
    assert processes.identify(sleeper.pid) is None


def test_end_kills_one_that_ignores_sigterm_and_its_children():
    program = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '300']); print(child.pid, flush=True); child.wait()"
    )
    leader = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, processes.MARK_NAME: "stubborn"},
    )
    child = processes.identify(int(leader.stdout.readline()))
    me = processes.identify(leader.pid)
    assert {process.pid for process in processes.group(leader.pid, "stubborn")} == {leader.pid, child.pid}
    assert processes.group(leader.pid, "another") == ()
    processes.end(me, seconds=0.2, name="stubborn")
    assert leader.wait(5) == -signal.SIGKILL
    assert processes.wait_gone(child, 5)
    leader.stdout.close()


def test_a_process_that_names_itself_is_still_found(tmp_path):
    """gunicorn does, with a name that is longer than its command line."""
    program = (
        "import setproctitle; setproctitle.setproctitle('gunicorn: ' + 'x' * 200);"
        "print('named', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **processes.KEPT, processes.MARK_INSTANCE: str(tmp_path)},
    )
    assert child.stdout.readline() == "named\n"
    assert [process.pid for process in processes.of_instance(tmp_path)] == [child.pid]
    child.communicate("\n", timeout=10)


def test_memory_and_start_of_this_process():
    me = processes.identify(os.getpid())
    assert processes.resident_bytes(me.pid) > 2**20
    import time

    assert 0 <= time.time() - processes.started_at(me) < 24 * 3600
