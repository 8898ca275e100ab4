"""Nodes that fell silent: is their server still there? Asked for all nodes of a project in one call, and only
where somebody is silent.
"""

import itertools

from oslo_log import log

from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.work import Work
from magnum_lite.db import clusters, nodes
from magnum_lite.db.rows import Row
from magnum_lite.errors import Unavailable
from magnum_lite.models.status import NodeState

LOG = log.getLogger(__name__)
GONE = "gone"
_BEATS = 2.5  # of reports that may be missing before the cloud is asked
_AGAIN = 30.0
_MOST = 5000


def watch(ports: Ports) -> int:
    """One look at all clusters; the number of calls to the cloud. What is learnt wakes its cluster."""
    if ports.servers is None:
        return 0
    now = ports.clock()
    before = now - _BEATS * ports.conf.node_door.report_interval
    with ports.database.read() as connection:
        found = nodes.silent(connection, before, now - _AGAIN, _MOST)
    calls = 0
    for project_id, group in itertools.groupby(found, key=lambda n: n["project_id"]):
        mine = list(group)
        with ports.database.write() as connection:
            if not nodes.ask(connection, [n["uuid"] for n in mine], now, now - _AGAIN):
                continue
        calls += 1
        _learn(ports, project_id, mine)
    return calls


def _learn(ports: Ports, project_id: str, silent: list[Row]) -> None:
    changed = _changed(ports, project_id, silent)
    if not changed:
        return
    with ports.database.write() as connection:
        for node, state in changed:
            nodes.update(connection, node["uuid"], {"server_state": state})
    for uuid in {node["cluster_id"] for node, _ in changed}:
        # By itself: a conductor locks its cluster first and then its nodes.
        with ports.database.write() as connection:
            clusters.wake(connection, uuid)


def _changed(ports: Ports, project_id: str, asked: list[Row]) -> list[tuple[Row, str]]:
    if ports.servers is None:
        return []
    try:
        states = ports.servers.states(project_id)
    except Unavailable as error:
        LOG.info("can't ask about servers project=%s: %s", project_id, error)
        return []
    told = [(n, states.get(n["server_id"], GONE)) for n in asked if n["server_id"]]
    return [(node, state) for node, state in told if state != node["server_state"]]


def ask_now(work: Work) -> None:
    """Before a change is made of a cluster: which of its servers are lost, whoever has noticed."""
    ready = [n for n in work.members() if n["state"] == NodeState.READY]
    for node, state in _changed(work.ports, work.project_id, ready):
        lost = state if is_lost(state) else None
        work.save_node(node, server_state=lost)


def is_lost(state: str | None) -> bool:
    """A server that does not come back by itself."""
    return state is not None and (state == GONE or state.startswith("ERROR"))
