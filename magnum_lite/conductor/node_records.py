"""Which nodes there are to be: one record for each wanted index, and which ones leave."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

from magnum_lite.conductor import group_status
from magnum_lite.conductor.healing import give_up_lost
from magnum_lite.conductor.outcome import DONE, Outcome
from magnum_lite.conductor.watching import ask_now
from magnum_lite.conductor.work import Work
from magnum_lite.db import nodegroups, nodes
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly
from magnum_lite.drivers.contract import desired_indices, hostname
from magnum_lite.models.node import Node
from magnum_lite.models.status import NodeState
from magnum_lite.models.views import new_row
from magnum_lite.pki.sealing import SealContext

AWAY = {NodeState.LEAVING, NodeState.GONE, NodeState.FAILED}


def token_context(node_id: str) -> SealContext:
    """Where a sealed bootstrap token belongs."""
    return SealContext("node", node_id, "bootstrap")


def token_hash(token: str) -> str:
    """What is kept of a token once it is used. It has 256 random bits: a plain hash will do."""
    return hashlib.sha256(token.encode()).hexdigest()


def ensure_node_records(work: Work) -> Outcome:
    """Records follow the wanted counts; what failed in an earlier generation, or is lost, is replaced."""
    if work.cluster["applied_generation"] != work.cluster["generation"]:
        ask_now(work)
        give_up_lost(work)
    for group in work.groups:
        mine = [n for n in work.nodes if n["nodegroup_id"] == group["uuid"]]
        _need_fewer(work, group, mine)
        _choose_leaving(work, group, mine)
        _add_missing(work, group)
    group_status.note_changes(work)
    _renew_tokens(work)
    return DONE


def value_of(group: Row, node: Row) -> tuple[bool, bool, bool, int]:
    """The least valuable leaves first: not ready, not healthy, outdated, youngest."""
    well = node["healthy"] is not False
    return (node["state"] == NodeState.READY, well, not is_outdated(group, node), -node["index"])


def is_outdated(group: Row, node: Row) -> bool:
    """Made from something else than its group's nodes are to be made from now."""
    return bool(node["make"] != group["make"])


def wanted_count(group: Row) -> int:
    """Nodes of a group, those included that are there while others are replaced."""
    return int(group["node_count"] + (group.get("surge") or 0))


def _need_fewer(work: Work, group: Row, mine: list[Row]) -> None:
    """A new wish may leave less to be replaced than the one before."""
    if not group["surge"] or work.cluster["applied_generation"] == work.cluster["generation"]:
        return
    old = [n for n in mine if n["state"] not in AWAY and is_outdated(group, n)]
    work.save_group(group, surge=min(group["surge"], len(old)))


def who_leaves(group: Row, mine: Sequence[Row], *, told: bool) -> tuple[list[Row], list[Row]]:
    """Nodes that have to leave for the group's count and wishes, and records that can simply be forgotten.
    ``told``: Heat has this generation's request, so what failed since is this generation's fault (see
    ``progress``) and stays.
    """
    staying = [n for n in mine if n["state"] not in {NodeState.LEAVING, NodeState.GONE}]
    wanted = set(group["nodes_to_remove"] or ())
    failed = [] if told else [n["uuid"] for n in staying if n["state"] == NodeState.FAILED]
    leaving = [n for n in staying if n["uuid"] in wanted or n["uuid"] in failed]
    rest = sorted((n for n in staying if n not in leaving), key=lambda n: value_of(group, n))
    while len(rest) > wanted_count(group):
        leaving.append(rest.pop(0))
    # Heat was never told of these: simply forget as many, the highest first, so that no gap is left.
    unborn = sorted((n for n in staying if not n["in_stack"]), key=lambda n: -n["index"])
    kept_unborn = sum(not n["in_stack"] for n in staying) - sum(not n["in_stack"] for n in leaving)
    return [n for n in leaving if n["in_stack"]], unborn[: len(unborn) - kept_unborn]


def _choose_leaving(work: Work, group: Row, mine: list[Row]) -> None:
    told = work.cluster["applied_generation"] == work.cluster["generation"]
    leaving, forget = who_leaves(group, mine, told=told)
    if not leaving and not forget and not group["nodes_to_remove"]:
        return
    with work.write() as connection:
        for node in leaving:
            nodes.update(connection, node["uuid"], {"state": NodeState.LEAVING.value})
            node["state"] = NodeState.LEAVING.value
        for node in forget:
            nodes.delete(connection, node["uuid"])
            work.nodes.remove(node)
        nodegroups.update(connection, group["uuid"], {"nodes_to_remove": []})
        group["nodes_to_remove"] = []


def missing_indices(group: Row, mine: Sequence[Row]) -> list[int]:
    """Indices that new nodes of the group get."""
    there = [n for n in mine if n["state"] != NodeState.GONE]
    leaving = [n["index"] for n in there if n["state"] == NodeState.LEAVING]
    have = {n["index"] for n in there if n["state"] != NodeState.LEAVING}
    blocked = tuple({*(group["removed_indices"] or ()), *leaving})
    return [i for i in desired_indices(wanted_count(group), blocked) if i not in have]


def _add_missing(work: Work, group: Row) -> None:
    missing = missing_indices(group, [n for n in work.nodes if n["nodegroup_id"] == group["uuid"]])
    if not missing:
        return
    with work.write() as connection:
        for index in missing:
            work.nodes.append(nodes.insert(connection, _new(work, group, index)))


def _new(work: Work, group: Row, index: int) -> dict[str, Any]:
    ports, ident, token = work.ports, str(uuid.uuid4()), secrets.token_hex(32)
    role = "master" if group["role"] == "master" else "worker"
    word = assembly.word_of(group, work.driver.words)
    values = {
        "uuid": ident,
        "cluster_id": work.uuid,
        "nodegroup_id": group["uuid"],
        "role": role,
        "index": index,
        "hostname": hostname(work.uuid, work.cluster["name"], word, index, work.driver.slug_length),
        "image_id": group["image_id"],
        "flavor_id": group["flavor_id"],
        "boot_volume": assembly.boot_volume(work.cluster, group),
        "make": group["make"],
        "token_hash": token_hash(token),
        "sealed_token": ports.sealer.seal(token.encode(), token_context(ident)),
        "token_expires": ports.clock() + ports.conf.node_door.token_ttl,
    }
    return new_row(Node, values)


def _renew_tokens(work: Work) -> None:
    """A machine that boots slowly must still find its token valid."""
    ttl, now = work.ports.conf.node_door.token_ttl, work.ports.clock()
    for node in work.members():
        if node["sealed_token"] and node["token_expires"] < now + ttl / 2:
            work.save_node(node, token_expires=now + ttl)


def credentials(work: Work) -> dict[str, dict[int, str]]:
    """What goes into the user data of nodes that have not enrolled: group → index → text."""
    out: dict[str, dict[int, str]] = {}
    for node in work.members():
        if node["sealed_token"]:
            token = work.ports.sealer.unseal(node["sealed_token"], token_context(node["uuid"])).decode()
            out.setdefault(node["nodegroup_id"], {})[node["index"]] = f"{node['uuid']}:{token}"
    return out
