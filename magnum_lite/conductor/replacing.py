"""Nodes that are not made from what their group wants are replaced, never changed: new ones come beside them,
and once those are ready the old ones are drained and leave. Masters first, one at a time.

Each batch is a step of one generation: wherever it stops, all nodes that there are belong to the cluster, and
the next look goes on from there. Going back is the same with another wish.
"""

from magnum_lite.conductor.node_records import is_outdated, value_of
from magnum_lite.conductor.outcome import DONE, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import events, nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.models.status import NodeState


def replace_outdated(work: Work) -> Outcome:
    """Done when no node is outdated. Comes after ``observe``: all nodes that there are to be are ready."""
    for group in sorted(work.groups, key=lambda g: (g["role"] != "master", not g["is_default"])):
        mine = [n for n in work.members() if n["nodegroup_id"] == group["uuid"]]
        old = [n for n in mine if is_outdated(group, n)]
        if (old or group["surge"]) and not group["deleting"]:
            return _step(work, group, mine, old)
    return DONE


def _step(work: Work, group: Row, mine: list[Row], old: list[Row]) -> Outcome:
    """As many old ones leave as new ones came for them, and room is made for the next."""
    most = 1 if group["role"] == "master" else work.cluster["batch_size"]
    leaving = sorted(old, key=lambda n: (*value_of(group, n)[:2], n["index"]))[: group["surge"]]
    surge = min(most, len(old) - len(leaving))
    done, total = len(mine) - len(old), max(group["node_count"], 1)
    text = f"{group['name']}: {min(done, total)} of {total} nodes are new."
    if leaving:
        text += f" {', '.join(n['hostname'] for n in leaving[:5])} will leave."
    with work.write(applied_generation=0, step_since=work.ports.database.now()) as connection:
        for node in leaving:
            nodes.update(connection, node["uuid"], {"state": NodeState.LEAVING.value})
        nodegroups.update(connection, group["uuid"], {"surge": surge})
        percent = min(99, 100 * done // total)
        events.add(connection, work.cluster, "replacement", text, percent=percent)
    for node in leaving:
        node["state"] = NodeState.LEAVING.value
    group["surge"] = surge
    return Wait(0.0, text)
