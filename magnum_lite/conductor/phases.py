"""The phases of each action, in order: each looks, compares, acts, and answers Done, Wait or Failed."""

from collections.abc import Callable

from magnum_lite.conductor import authorities
from magnum_lite.conductor.leaving import drain_leaving
from magnum_lite.conductor.node_records import ensure_node_records
from magnum_lite.conductor.outcome import DONE, Outcome
from magnum_lite.conductor.progress import learn_facts, observe, release_left, signal_ready
from magnum_lite.conductor.stack import ensure_stack, ensure_stack_gone
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates, clusters, events
from magnum_lite.models.certificate import Purpose

Phase = Callable[[Work], Outcome]
_FOR = {
    Purpose.CLUSTER: "its API",
    Purpose.NODE: "its nodes",
    Purpose.ETCD: "etcd",
    Purpose.FRONT_PROXY: "the front proxy",
}


def ensure_authorities(work: Work) -> Outcome:
    """The cluster's CAs, each made once."""
    for purpose in authorities.missing(work.ports, work.cluster):
        row = authorities.make(work.ports, work.cluster, purpose)
        with work.write() as connection:
            if purpose.value not in certificates.authorities(connection, work.uuid):
                certificates.insert_authority(connection, row)
        work.tell("certificate", f"The cluster's own CA for {_FOR[purpose]} was made.")
    return DONE


def ensure_stack_or_help(work: Work) -> Outcome:
    """While an earlier change still goes on, its nodes need their certificates and signals."""
    outcome = ensure_stack(work)
    if outcome is not DONE:
        learn_facts(work)
        signal_ready(work)
        release_left(work)
    return outcome


def forget(work: Work) -> Outcome:
    """Last of all the row, with its CAs and secrets; its events stay for a while."""
    with work.ports.database.write() as connection:
        if clusters.forget(connection, work.uuid, work.token):
            events.add(connection, work.cluster, "status", "Deleted: nothing is left of it.")
    return DONE


UPDATE: tuple[Phase, ...] = (
    ensure_authorities,
    ensure_node_records,
    drain_leaving,
    ensure_stack_or_help,
    observe,
)
DELETE: tuple[Phase, ...] = (ensure_stack_gone, forget)
