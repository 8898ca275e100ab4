"""Lost nodes, and their repair: they are given up, and a new generation replaces them as it does with nodes
that failed. A user's update does it, and for clusters with ``auto_healing_enabled`` the conductor by itself.
"""

from magnum_lite.conductor.watching import GONE, is_lost
from magnum_lite.conductor.work import Work
from magnum_lite.db import clusters, events, nodes
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly
from magnum_lite.errors import Stale
from magnum_lite.models import label_values, labels
from magnum_lite.models.status import Action, NodeState


def why_lost(work: Work, node: Row) -> str | None:
    """Why a ready node will not come back by itself, in words; None if it may."""
    if node["state"] != NodeState.READY:
        return None
    if is_lost(node["server_state"]):
        state = node["server_state"]
        return "its server is gone" if state == GONE else f"its server is in {state}"
    after = work.ports.conf.conductor.heal_after
    if node["down_since"] is not None and work.ports.clock() - node["down_since"] >= after:
        return f"{work.driver.place} calls it down for more than {after} s"
    return None


def give_up_lost(work: Work) -> None:
    """For a change that a user asked for: all that is lost is replaced. A repair has its own choice."""
    if work.cluster["repair"] == work.cluster["generation"]:
        return
    for node in work.members():
        if reason := why_lost(work, node):
            _give_up(work, node, reason)


def _give_up(work: Work, node: Row, reason: str) -> None:
    work.save_node(node, state=NodeState.FAILED.value, message=reason, healthy=False)
    work.tell("node", f"Lost: {reason}. It is replaced.", node=node["hostname"], level="warning")


def heal(work: Work) -> bool:
    """Begin a repair of a settled cluster if it wants that and needs it; True if one begins."""
    conf = work.ports.conf.conductor
    own = assembly.labels(work.cluster, work.cluster["template"])
    wanted = label_values.is_true(labels.value_of(own, "auto_healing_enabled"))
    if not wanted or work.cluster["action"] == Action.DELETE:
        return False
    failed = work.cluster["status"].endswith("_FAILED")
    if failed and work.ports.database.now() - work.cluster["accepted_at"] < conf.heal_retry:
        return False
    chosen = choose(work)
    return bool(chosen) and _begin(work, chosen)


def choose(work: Work) -> list[Row]:
    """Whom a repair begins with: one master, if the others can agree on it; else workers, a share at most.
    Many that are merely called down, and whose servers are there, are rather a fault of the network.
    """
    lost = [n for n in work.members() if why_lost(work, n)]
    masters = work.members("master")
    dead = [n for n in masters if n in lost]
    if dead:
        enough = 2 * (len(masters) - len(dead)) > len(masters)
        return dead[:1] if enough else []
    workers = work.members("worker")
    most = max(1, int(len(workers) * work.ports.conf.conductor.heal_share))
    certain = [n for n in lost if is_lost(n["server_state"])]
    doubtful = [n for n in lost if n not in certain]
    return (certain + (doubtful if len(doubtful) <= most else []))[:most]


def _begin(work: Work, chosen: list[Row]) -> bool:
    """A generation of our own, accepted as a user's would be."""
    reasons = {n["uuid"]: why_lost(work, n) or "" for n in chosen}
    names = ", ".join(n["hostname"] for n in chosen[:5])
    try:
        with work.write() as connection:
            now = clusters.accept_own(connection, work.cluster)
            for node in chosen:
                lost = {"state": NodeState.FAILED.value, "message": reasons[node["uuid"]], "healthy": False}
                nodes.update(connection, node["uuid"], lost)
            message = f"Repair: {names} ({reasons[chosen[0]['uuid']]}) will be replaced."
            events.add(connection, now, "repair", message, level="warning")
    except Stale:
        return False  # the user changed it just now
    return True
