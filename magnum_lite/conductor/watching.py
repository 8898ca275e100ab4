"""Nodes that fell silent: their cluster is looked at, and the cloud is asked whether their server is still
there, for all nodes of a project in one call.
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
THERE = frozenset({None, "ACTIVE"})  # states of a server with which nothing is wrong
_AGAIN = 30.0
_MOST = 5000


def watch(ports: Ports) -> int:
    """One look at all clusters; the number of calls to the cloud. A cluster is woken by what is learnt of its
    servers, and when a node has been silent for too long: settled ones are looked at rarely, and an owner is
    to hear of a machine that is gone within a minute.
    """
    now = ports.clock()
    beats = _BEATS * ports.conf.node_door.report_interval
    limit = ports.conf.conductor.silent_after
    silence = nodes.Silence(asked_after=min(beats, limit), again=_AGAIN, named_after=limit)
    with ports.database.read() as connection:
        found = nodes.silent(connection, silence, now, _MOST)
    _wake(ports, [node for node in found if node["unnamed"]])  # before it is noted: better twice than never
    calls = 0
    for project_id, group in itertools.groupby(found, key=lambda n: n["project_id"]):
        mine = list(group)
        with ports.database.write() as connection:
            if not nodes.ask(connection, silence, [n["uuid"] for n in mine], now):
                continue
        calls += ports.servers is not None
        _learn(ports, project_id, mine)
    return calls


def _learn(ports: Ports, project_id: str, silent: list[Row]) -> None:
    changed = _changed(ports, project_id, silent)
    if not changed:
        return
    with ports.database.write() as connection:
        for node, state in changed:
            nodes.update(connection, node["uuid"], {"server_state": state})
    _wake(ports, [node for node, state in changed if not {node["server_state"], state} <= THERE])


def _wake(ports: Ports, found: list[Row]) -> None:
    for uuid in {node["cluster_id"] for node in found}:
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
