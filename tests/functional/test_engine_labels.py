"""Labels that a conductor sets itself, where it reaches the engine: nobody waits for a node that is out."""

import types

import pytest

from magnum_lite.conductor import labels
from magnum_lite.native.engine import EngineRefused, EngineUnreachable
from tests.functional.test_conductor import nodes
from tests.functional.test_nodegroup_life import V, add


class Engine:
    """The one method of ``native.docker.SwarmEngine`` that is used; it was tested on a real swarm."""

    def __init__(self):
        self.labels, self.refused, self.away = {}, set(), False

    def set_labels(self, node_id, changes):
        if self.away:
            raise EngineUnreachable("no manager")
        if node_id in self.refused:
            raise EngineRefused(f"The swarm has no node {node_id}.")
        merged = self.labels.get(node_id, {}) | changes
        self.labels[node_id] = {k: v for k, v in merged.items() if v is not None}

    def close(self):
        pass


@pytest.fixture
def engine(monkeypatch):
    found = Engine()
    # Only for labels: all else goes by what the masters report.
    mine = types.SimpleNamespace(reach=lambda _work: found, view=labels.engines.view)
    monkeypatch.setattr(labels, "engines", mine)
    return found


def of(stand, engine, bay):
    """Host name's end → the user's labels in the engine."""
    return {
        name: {k: v for k, v in engine.labels.get(n["engine_id"], {}).items() if "magnum" not in k}
        for name, n in nodes(stand, bay).items()
    }


def test_others_get_their_labels_when_one_is_refused(stand, engine, monkeypatch):
    monkeypatch.setattr(stand, "instructed", lambda _answer: None)  # no agent helps
    bay = stand.cluster(node_count=1)
    stand.settle(bay)
    add(stand, bay, node_labels={"storage": "ssd"})
    stand.settle(bay)
    assert of(stand, engine, bay) == {
        "manager-0": {}, "worker-0": {}, "gpu-0": {"storage": "ssd"}, "gpu-1": {"storage": "ssd"}
    }  # fmt: skip
    out = nodes(stand, bay)["gpu-0"]["engine_id"]
    engine.refused.add(out)
    change = [{"op": "replace", "path": "/node_labels", "value": {"tier": "1"}}]
    stand.api.patch_json(f"/v1/clusters/{bay}/nodegroups/gpu", change, headers=V)
    for _ in range(3):
        stand.pass_once()
    assert stand.get(bay)["status"] == "UPDATE_IN_PROGRESS"  # the user waits for gpu-0's
    assert of(stand, engine, bay)["gpu-1"] == {"tier": "1"}
    engine.refused.clear()
    engine.away = True
    stand.pass_once()
    engine.away = False
    assert stand.settle(bay)["status"] == "UPDATE_COMPLETE"
    assert of(stand, engine, bay)["gpu-0"] == {"tier": "1"}
