"""The supervisor with real, small processes: order, restarts, giving up, stopping, adoption."""

import json
import os
import signal
import sys
import threading

import pytest

from magnum_lite.local import keeper, processes, state, supervisor
from magnum_lite.local.keeper import Condition
from magnum_lite.local.service_unit import PlanError, Service, Task, in_order
from tests.support.waiting import eventually

SLEEP = (sys.executable, "-c", "import time; time.sleep(300)")


@pytest.fixture
def settings(tmp_path):
    settings = state.Settings(tmp_path, 79, 1, 2, 3, 4, 5, 6)
    state.save(settings)
    return settings


@pytest.fixture
def start(settings):
    """Run a supervisor of these units in a thread; it is stopped in the end."""
    running = []

    def go(*units):
        mine = supervisor.Supervisor(settings, units)
        thread = threading.Thread(target=mine.run)
        thread.start()
        running.append((mine, thread))
        return mine

    yield go
    for mine, thread in running:
        mine.stop()
        thread.join(20)
        assert not thread.is_alive()


def unit(settings, name):
    try:
        units = json.loads(settings.status_file.read_text())["units"]
    except FileNotFoundError:
        return {}
    return next((each for each in units if each["name"] == name), {})


def ready_pid(settings, name, *, other_than=0):
    def look():
        found = unit(settings, name)
        good = found.get("condition") == Condition.READY and found["pid"] != other_than
        return found["pid"] if good else None

    return eventually(look)


def test_units_are_ordered_by_what_they_need():
    a = Service("a", SLEEP, lambda: True, after=("b",))
    b = Task("b", lambda: None)
    assert in_order((a, b)) == (b, a)
    with pytest.raises(PlanError):
        in_order((a,))
    with pytest.raises(PlanError):
        in_order((b, b))


def test_a_unit_starts_only_when_what_it_needs_is_ready(settings, start):
    gate = threading.Event()
    done = threading.Event()
    start(Service("first", SLEEP, gate.is_set), Task("second", done.set, after=("first",)))
    eventually(lambda: unit(settings, "first").get("pid"))
    assert not done.wait(0.3)
    gate.set()
    assert done.wait(10)


def test_a_killed_service_is_started_again(settings, start):
    prepared = []
    start(Service("s", SLEEP, lambda: True, prepare=(lambda: prepared.append(1),)))
    first = ready_pid(settings, "s")
    os.kill(first, signal.SIGKILL)
    second = ready_pid(settings, "s", other_than=first)
    assert processes.identify(second)
    assert unit(settings, "s")["restarts"] == 1
    assert len(prepared) == 2


def test_a_service_that_flaps_is_given_up(settings, start, monkeypatch):
    monkeypatch.setattr(keeper, "LONGEST_PAUSE_SECONDS", 0.01)
    start(Service("s", ("false",), lambda: True))
    eventually(lambda: unit(settings, "s").get("condition") == Condition.FAILED)
    assert "exited with 1" in unit(settings, "s")["reason"]


def test_what_can_not_be_prepared_says_why(settings, start, monkeypatch):
    monkeypatch.setattr(keeper, "LONGEST_PAUSE_SECONDS", 0.01)

    def fail():
        raise OSError("the disk is full")

    start(Service("s", SLEEP, lambda: True, prepare=(fail,)))
    eventually(lambda: "the disk is full" in unit(settings, "s").get("reason", ""))


def test_one_that_never_serves_is_started_again(settings, start):
    start(Service("s", SLEEP, lambda: False, start_seconds=0.2, stop_seconds=1))
    eventually(lambda: unit(settings, "s").get("restarts", 0) >= 1)


def test_a_look_that_fails_is_repeated(settings, start):
    looks = []

    def look():
        looks.append(1)
        if len(looks) < 3:
            raise ConnectionError("not yet")
        return True

    start(Service("s", SLEEP, look))
    assert ready_pid(settings, "s")


def test_a_task_is_repeated_until_it_succeeds(settings, start, monkeypatch):
    monkeypatch.setattr(supervisor, "TASK_PAUSES", (0.01, 0.01, 0.01))
    tries = []

    def sometimes():
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")

    start(Task("t", sometimes))
    eventually(lambda: unit(settings, "t").get("condition") == Condition.READY)
    assert len(tries) == 3


def test_everything_ends_in_reverse_and_farewells_are_said(settings):
    said = []
    first = Service("first", SLEEP, lambda: True, before_stop=(lambda: said.append("first"),))
    second = Service(
        "second", SLEEP, lambda: True, after=("first",), before_stop=(lambda: said.append("second"),)
    )
    mine = supervisor.Supervisor(settings, (first, second))
    thread = threading.Thread(target=mine.run)
    thread.start()
    pids = [ready_pid(settings, name) for name in ("first", "second")]
    mine.stop()
    thread.join(20)
    assert said == ["second", "first"]
    assert [processes.identify(pid) for pid in pids] == [None, None]
    assert {unit(settings, name)["condition"] for name in ("first", "second")} == {Condition.STOPPED}


def test_there_is_one_supervisor_for_a_state_directory(settings, start):
    start(Service("s", SLEEP, lambda: True))
    ready_pid(settings, "s")
    with pytest.raises(supervisor.AlreadyRunningError):
        supervisor.Supervisor(settings, ()).run()


def test_what_a_killed_supervisor_left_is_ended_first(settings, start):
    service = Service("s", SLEEP, lambda: True)
    left = keeper.Keeper(service, settings, lambda _report: None)
    settings.log_dir.mkdir()
    thread = threading.Thread(target=left.run, daemon=True)
    thread.start()
    assert left.ready.wait(10)
    orphan = processes.Identity(**json.loads(keeper.record_of(settings, "s").read_text()))
    assert keeper.end_left_behind(settings, (service,)) == ("s",)
    assert not processes.alive(orphan)
    left.stop()
    thread.join(10)


def test_a_record_of_a_stranger_ends_nobody(settings):
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "300")
    try:
        stranger = processes.identify(child)
        record = keeper.record_of(settings, "s")
        record.parent.mkdir()
        record.write_text(json.dumps({"pid": child, "start_ticks": 1, "boot_id": stranger.boot_id}))
        assert keeper.end_left_behind(settings, (Service("s", SLEEP, lambda: True),)) == ()
        assert processes.alive(stranger)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_pause_before_a_restart_grows_and_is_limited():
    pauses = [keeper.pause_before_restart(deaths) for deaths in range(1, 20)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == keeper.LONGEST_PAUSE_SECONDS
