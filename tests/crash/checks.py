"""What has to be true when everybody is alive again and all is quiet."""

import collections
import time

import sqlalchemy as sa

from magnum_lite.db import schema
from magnum_lite.models.stack import TAG
from magnum_lite.orchestration.heat import HeatStacks
from tests.crash.workload import NoAnswer

PURPOSES = {"cluster", "node"}


def settled(world, tenants, seconds):
    """Waits until nothing is in progress; uuid → (status, reason), None for one that is gone. What is
    still in progress when the time is over is in it as it is.
    """
    deadline = time.monotonic() + seconds
    found = {}
    while time.monotonic() < deadline:
        try:
            tenants.settle_doubts()
            found = {uuid: tenants.status(bay) for uuid, bay in tenants.bays.items()}
        except NoAnswer:
            time.sleep(0.5)
            continue
        if not any(told and told[0].endswith("IN_PROGRESS") for told in found.values()):
            break
        time.sleep(1.0)
    return found


def rows(world, table):
    with world.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def stacks(world):
    """All of ours, by the uuid of their bay."""
    from magnum_lite.cloud.sessions import ServiceSessions

    sessions = ServiceSessions(world.service_conf)
    found = collections.defaultdict(list)
    for stack in HeatStacks(sessions.session_for).find(None, [TAG]):
        (uuid,) = (tag.removeprefix(f"{TAG}-") for tag in stack.tags if tag.startswith(f"{TAG}-"))
        found[uuid].append(stack)
    return found


def ends(tenants, found):
    """Every accepted bay is complete, failed with a reason, or gone."""
    for uuid, told in found.items():
        bay = tenants.bays[uuid]
        if told is None:
            if bay.asked_to_go is False:
                yield f"{uuid} is gone and nobody deleted it"
        elif told[0].endswith("FAILED") and not told[1]:
            yield f"{uuid} is {told[0]} without a reason"
        elif not told[0].endswith(("COMPLETE", "FAILED")):
            yield f"{uuid} is still {told[0]}: {told[1]}"
        elif bay.asked_to_go and not told[0].startswith("DELETE"):
            yield f"{uuid} is {told[0]}, its deletion was accepted and is forgotten"


def stacks_equal_bays(world):
    clusters, found = {c["uuid"]: c for c in rows(world, schema.cluster)}, stacks(world)
    for uuid, some in found.items():
        if uuid not in clusters:
            yield f"stack {some[0].id} ({some[0].action}_{some[0].status}) has no bay {uuid}"
        elif len(some) > 1:
            yield f"{uuid} has {len(some)} stacks"
        elif some[0].id != clusters[uuid]["stack_id"]:
            yield f"{uuid} knows stack {clusters[uuid]['stack_id']} and has {some[0].id}"
    for uuid, cluster in clusters.items():
        if uuid not in found and cluster["status"].endswith("COMPLETE"):
            yield f"{uuid} is {cluster['status']} and has no stack"


def authorities(world):
    """One of each purpose and number, and none of bays that are gone."""
    clusters = {c["uuid"]: c for c in rows(world, schema.cluster)}
    made = collections.Counter()
    for row in rows(world, schema.authority):
        made[row["cluster_id"], row["purpose"], row["epoch"]] += 1
        if row["cluster_id"] not in clusters:
            yield f"CA {row['uuid']} is left of bay {row['cluster_id']}"
    yield from (f"{count} CAs of {key}" for key, count in made.items() if count > 1)
    for uuid, cluster in clusters.items():
        have = {purpose for ident, purpose, epoch in made if (ident, epoch) == (uuid, cluster["ca_epoch"])}
        if cluster["status"].endswith("COMPLETE") and have != PURPOSES:
            yield f"{uuid} has CAs only for {have}"


def credentials(world):
    """Nothing secret outlives its bay, and no token its use."""
    clusters = {c["uuid"] for c in rows(world, schema.cluster)}
    for table in (schema.secret, schema.node, schema.nodegroup):
        for row in rows(world, table):
            if row["cluster_id"] not in clusters:
                yield f"{table.name} {row['id']} is left of bay {row['cluster_id']}"
    for node in rows(world, schema.node):
        if node["state"] == "ready" and node["sealed_token"]:
            yield f"{node['hostname']} is ready and its bootstrap token is still there"


def nodes(world):
    """No place in a stack ever had two servers, and each record names the one that is there."""
    for place, servers in world.fleet.seen.items():
        if len(servers) > 1:
            yield f"{place} was rebuilt: {servers}"
    there = {server: item for server, item in world.fleet.told.items()}
    clusters = {c["uuid"]: c for c in rows(world, schema.cluster)}
    for node in rows(world, schema.node):
        if node["server_id"] and node["server_id"] not in there:
            yield f"{node['hostname']} ({node['state']}) has server {node['server_id']}, which is not there"
        elif node["server_id"] and there[node["server_id"]]["index"] != node["index"]:
            yield f"{node['hostname']} has the server of another index"
    counts = collections.Counter(n["cluster_id"] for n in rows(world, schema.node))
    wanted = collections.Counter()
    for group in rows(world, schema.nodegroup):
        wanted[group["cluster_id"]] += group["node_count"]
    for uuid, cluster in clusters.items():
        if cluster["status"].endswith("COMPLETE") and counts[uuid] != wanted[uuid]:
            yield f"{uuid} is {cluster['status']} with {counts[uuid]} of {wanted[uuid]} nodes"
    yield from world.fleet.failures


def everything(world, tenants, found):
    """All that is wrong."""
    world.fleet.look()
    return [
        *ends(tenants, found),
        *stacks_equal_bays(world),
        *authorities(world),
        *credentials(world),
        *nodes(world),
    ]
