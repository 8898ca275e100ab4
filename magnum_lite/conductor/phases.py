"""The phases of each action, in order: each looks, compares, acts, and answers Done, Wait or Failed."""

from collections.abc import Callable

from magnum_lite.conductor import authorities, cluster_secrets
from magnum_lite.conductor.cloud_credential import end_credentials, ensure_credential, ensure_credentials_gone
from magnum_lite.conductor.leaving import drain_leaving
from magnum_lite.conductor.node_records import ensure_node_records
from magnum_lite.conductor.outcome import DONE, Outcome, Wait
from magnum_lite.conductor.progress import learn_facts, observe, release_left, signal_again, signal_ready
from magnum_lite.conductor.renewing import confirm_nodes, tell_nodes
from magnum_lite.conductor.replacing import replace_outdated
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
    """The CAs of the wanted number, each made once."""
    for purpose in authorities.missing(work.ports, work.cluster):
        row = authorities.make(work.ports, work.cluster, purpose)
        with work.write() as connection:
            there = certificates.public_parts(connection, work.uuid)
            if (purpose.value, row["epoch"]) not in {(r["purpose"], r["epoch"]) for r in there}:
                certificates.insert_authority(connection, row)
        which = "The cluster's own" if row["epoch"] == 1 else "A new"
        work.tell("certificate", f"{which} CA for {_FOR[purpose]} was made.")
    cluster_secrets.ensure(work)
    return DONE


def ensure_stack_or_help(work: Work) -> Outcome:
    """While an earlier change still goes on, its nodes need their certificates and signals."""
    outcome = ensure_stack(work)
    if isinstance(outcome, Wait):
        learn_facts(work)
        signal_ready(work)
        release_left(work)
        signal_again(work)
    return outcome


def forget(work: Work) -> Outcome:
    """Last of all the row, with its CAs and secrets; its events stay for a while."""
    with work.ports.database.write() as connection:
        if clusters.forget(connection, work.uuid, work.token):
            message = "Deleted: nothing is left of it."
            events.add(connection, work.cluster, "status", message, step=events.DELETED)
    work.announce("success")
    return DONE


UPDATE: tuple[Phase, ...] = (
    ensure_authorities,
    ensure_credential,
    tell_nodes,
    ensure_node_records,
    drain_leaving,
    ensure_stack_or_help,
    observe,
    replace_outdated,
    confirm_nodes,
    end_credentials,
)
DELETE: tuple[Phase, ...] = (ensure_stack_gone, ensure_credentials_gone, forget)
