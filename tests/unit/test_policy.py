"""Verdicts are kept, and follow the operator's file."""

import os

import pytest
from oslo_config import cfg

from magnum_lite import config, policy
from magnum_lite.context import Context
from magnum_lite.errors import Forbidden

MEMBER = Context(user_id="u", project_id="p", roles=frozenset({"member"}))
RULE = "cluster:create"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ruled(tmp_path):
    """Rules with a file of the operator, a way to write it, the clock, and what was really asked."""
    path, options, clock = tmp_path / "policy.yaml", tmp_path / "options", Clock()
    path.write_text("{}")
    options.write_text(f"[oslo_policy]\npolicy_file = {path}\n")
    found = policy.Policy(config.load(["--config-file", str(options)], cfg.ConfigOpts()), clock)
    asked = []
    really = found._verdict
    found._verdict = lambda *arguments: asked.append(arguments[1]) or really(*arguments)

    def write(text):
        changed = path.stat().st_mtime + 1  # two changes within a tick of the file system's clock are two
        path.write_text(text)
        os.utime(path, (changed, changed))

    return found, write, clock, asked


def test_a_verdict_is_made_once(ruled):
    found, _, clock, asked = ruled
    for _ in range(20):
        clock.now += 1.1
        assert found.allows(MEMBER, RULE)
    assert asked == [RULE]
    clock.now += policy._LONGEST
    assert found.allows(MEMBER, RULE)
    assert asked == [RULE, RULE]


def test_a_changed_file_counts_a_second_later(ruled):
    found, write, clock, _ = ruled
    assert found.allows(MEMBER, RULE)
    for text, allowed in ((f'"{RULE}": "!"', False), ("{}", True), (f'"{RULE}": "role:admin"', False)):
        write(text)
        clock.now += policy._FRESH + 0.1
        assert found.allows(MEMBER, RULE) is allowed
    with pytest.raises(Forbidden, match=RULE):
        found.check(MEMBER, RULE)


def test_verdicts_of_others_are_others(ruled):
    found, *_ = ruled
    reader = Context(user_id="u", project_id="p", roles=frozenset({"reader"}))
    elsewhere = found.allows(MEMBER, RULE, project_id="q")
    assert (found.allows(MEMBER, RULE), found.allows(reader, RULE), elsewhere) == (True, False, False)


def test_many_callers_fill_no_memory(ruled, monkeypatch):
    found, *_ = ruled
    monkeypatch.setattr(policy, "_MOST", 10)
    for number in range(50):
        caller = Context(user_id=f"u{number}", project_id="p", roles=frozenset({"member"}))
        assert found.allows(caller, RULE)
        assert len(found._verdicts) <= 11
