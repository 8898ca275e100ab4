"""One state directory's settings and secrets: saved, found again, private, never half-made."""

import dataclasses
import os
import stat
import threading

import pytest

from magnum_lite.local import passwords, state


@pytest.fixture
def settings(tmp_path):
    return state.Settings(tmp_path, 79, 15000, 18004, 18000, 18774, 9511, 9512)


def test_settings_survive_a_round_trip(settings):
    state.save(settings)
    assert state.load(settings.state_dir) == settings


def test_a_moved_state_directory_is_taken_where_it_is(settings, tmp_path):
    state.save(settings)
    (tmp_path / "settings.json").rename((tmp_path / "b").mkdir() or tmp_path / "b" / "settings.json")
    assert state.load(tmp_path / "b") == dataclasses.replace(settings, state_dir=tmp_path / "b")


def test_nothing_is_loaded_where_up_was_never_run(tmp_path):
    assert state.load(tmp_path) is None


def test_names_fit_the_kernel(settings):
    for octet in (79, 127):
        other = dataclasses.replace(settings, octet=octet)
        assert max(len(other.host_link), len(other.inner_link)) <= 15
        assert len(str(other.docker_socket)) <= 107


def test_a_password_is_made_once_and_is_private(tmp_path):
    first = passwords.password(tmp_path, "heat")
    assert first == passwords.password(tmp_path, "heat")
    assert first != passwords.password(tmp_path, "admin")
    assert len(first) == 32
    mode = (tmp_path / "secrets" / "heat").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_makers_at_once_agree_on_one_secret(tmp_path):
    start = threading.Barrier(8)
    seen = []

    def make():
        start.wait()
        seen.append(passwords.once(tmp_path / "s", lambda: os.urandom(8).hex()))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_maker_that_fails_leaves_no_secret(tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        passwords.once(tmp_path / "s", fail)
    assert not (tmp_path / "s").exists()
    assert passwords.once(tmp_path / "s", lambda: "x") == "x\n"
