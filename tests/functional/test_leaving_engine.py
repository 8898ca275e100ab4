"""A node that leaves while nobody reaches the engine: it does not stay on the engine's list."""

import types

import pytest

from magnum_lite.conductor import engine as engines
from magnum_lite.native.engine import EngineUnreachable
from tests.functional.test_conductor import nodes, scale


class Engine:
    """What `native.engine.Engine` says of a cluster, by what its masters saw; ``away``: it can't be reached."""

    def __init__(self):
        self.away, self.removed, self.work = False, set(), None

    def _answer(self, value):
        if self.away:
            raise EngineUnreachable("no manager")
        return value

    def nodes(self):
        seen = {i: n for i, n in engines.view(self.work).items() if i not in self.removed}
        return self._answer(
            [types.SimpleNamespace(id=i, state=n["state"], reason="") for i, n in seen.items()]
        )

    def check(self):
        return self._answer("")

    def drain(self, _node_id):
        return self._answer(True)

    def set_labels(self, _node_id, _changes):
        self._answer(None)

    def remove(self, node_id):
        self._answer(None)
        self.removed.add(node_id)
        return True

    def close(self):
        pass


@pytest.fixture
def engine(monkeypatch, stand):
    found = Engine()

    def reach(work):
        found.work = work
        return found

    monkeypatch.setattr(engines, "reach", reach)
    monkeypatch.setattr(stand, "instructed", lambda _answer: None)  # no agent helps
    stand.conf.set_override("reach_engines", True, group="conductor")
    return found


@pytest.fixture
def leaving(stand, engine):
    """A cluster one of whose two workers has left, its stack too, while the engine was away; and its engine id."""
    uuid = stand.cluster(node_count=2)
    assert stand.settle(uuid)["status"] == "CREATE_COMPLETE"
    out = nodes(stand, uuid)["worker-1"]["engine_id"]
    engine.away = True
    scale(stand, uuid, 1)

    def is_out(found):
        stand.offset += 5.0
        return "taken out of" in (found["status_reason"] or "")

    stand.converge(uuid, passes=200, until=is_out)
    (stack,) = stand.stacks.look(list)
    assert len(stack.nodes) == 2
    return uuid, out


def test_it_is_taken_out_once_somebody_answers(stand, engine, leaving):
    uuid, out = leaving
    assert stand.get(uuid)["status"] == "UPDATE_IN_PROGRESS"
    engine.away = False
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert engine.removed == {out}
    assert "worker-1" not in nodes(stand, uuid)


def test_an_engine_that_stays_away_holds_nobody_up_for_ever(stand, engine, leaving):
    uuid, _ = leaving
    assert stand.settle(uuid)["status"] == "UPDATE_COMPLETE"
    assert engine.removed == set()
    assert "worker-1" not in nodes(stand, uuid)
