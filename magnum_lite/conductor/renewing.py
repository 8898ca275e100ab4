"""Rotations, as phases: new CAs, new certificates on every node, new join tokens, old CAs gone.

What the user wants are three numbers in the cluster's row (``models.renewal``); each phase compares them
with what there is, so a conductor that dies anywhere in between is simply followed by another.
"""

import datetime as dt
from typing import Any

from oslo_log import log

from magnum_lite.conductor import join_tokens
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates, clusters, events
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.errors import Stale
from magnum_lite.models import renewal
from magnum_lite.models.status import Action

LOG = log.getLogger(__name__)
_NAMED = 5
TOKENS = "join tokens"


def tell_nodes(work: Work) -> Outcome:
    """From now on each node's next report is answered with: renew. Nobody waits for them here."""
    wanted = renewal.wanted(work.cluster)
    if renewal.means(work.cluster["renewal"], wanted):
        return DONE
    before, after = renewal.epochs(work.cluster["renewed"]), renewal.epochs(wanted)
    tokens = None
    if after[2] != before[2] and work.driver.join_tokens:
        tokens = join_tokens.digest(work.ports, work.uuid)
    with work.write(
        renewal=wanted, renewal_since=work.ports.database.now(), outdated_tokens=tokens
    ) as connection:
        events.add(connection, work.cluster, "certificate", _told(work, before, after))
    return DONE


def _told(work: Work, before: tuple[int, int, int], after: tuple[int, int, int]) -> str:
    if after[1] != before[1]:
        return "Nodes are told to take the new CA's certificates, and to trust the old CA no more."
    if after[0] != before[0]:
        return "Nodes are told to trust both CAs, and to take new certificates."
    tokens = f"; {work.driver.place}'s join tokens are replaced" if work.driver.join_tokens else ""
    return f"Nodes are told to take new certificates{tokens}."


def confirm_nodes(work: Work) -> Outcome:
    """Done when every node has proved that it uses what it was told to take."""
    told = work.cluster["renewal"]
    if work.cluster["renewed"] == told:
        return DONE
    waiting = _waiting(work)
    if not waiting:
        _conclude(work)
        return DONE if work.cluster["renewal"] == told else Wait(0.0)
    limit = work.ports.conf.certificates.rotation_timeout
    since = max(work.cluster["accepted_at"], work.cluster["renewal_since"])
    names = ", ".join(waiting[:_NAMED]) + (f" and {len(waiting) - _NAMED} more" if waiting[_NAMED:] else "")
    if work.ports.database.now() - since < limit:
        return Wait(
            work.ports.conf.conductor.busy_interval, f"New certificates: waiting for {names}. {_state(work)}"
        )
    why = f"did not take its new certificates within {limit} s"
    faults = {name: _why(work, name, why) for name in waiting}
    return Failed(
        f"The rotation is not finished: {names} {why}. {_state(work)} Ask for the rotation again to go on "
        "with it; a node that is lost can be removed (nodes_to_remove) before.",
        faults,
    )


def _waiting(work: Work) -> list[str]:
    """Host names of nodes that are not done, and the join tokens if they are not."""
    with work.ports.database.read() as connection:
        known = certificates.public_parts(connection, work.uuid)
    told = work.cluster["renewal"]
    trust = renewal.bundle((r for r in known if r["purpose"] == "cluster"), told)
    out = [n["hostname"] for n in work.members() if not renewal.confirmed(n, told, trust)]
    old = work.cluster["outdated_tokens"]
    if old and join_tokens.digest(work.ports, work.uuid) == old:
        out.append(TOKENS)
    return out


def _why(work: Work, name: str, why: str) -> str:
    node = next((n for n in work.members() if n["hostname"] == name), None)
    if node is None:
        return why
    age = int(work.ports.clock() - (node["last_report"] or 0))
    return f"{why}; its last report was {age} s ago: {node['message'] or 'no message'}"


def _state(work: Work) -> str:
    """What holds meanwhile, for a user who reads that it is not finished."""
    newest, oldest, _ = renewal.epochs(work.cluster["renewal"])
    before = renewal.epochs(work.cluster["renewed"])
    if newest != before[0]:
        return "Both CAs are trusted; the old one still signs."
    return "Nodes that have changed trust the new CA only." if oldest != before[1] else ""


def _conclude(work: Work) -> None:
    """All nodes have it: the new CA signs for clients, the old one is retiring or gone. One transaction."""
    with work.ports.database.read() as connection:
        known = certificates.public_parts(connection, work.uuid)
    newest, oldest, _ = renewal.epochs(work.cluster["renewal"])
    grace = work.ports.conf.certificates.rotation_grace
    until = work.ports.clock() + grace
    done: dict[str, Any] = {"renewed": work.cluster["renewal"], "outdated_tokens": None}
    if work.driver.node_clients and newest != renewal.epochs(work.cluster["renewed"])[0]:
        since = work.ports.database.now()
        done |= {"renewal": renewal.follows(work.cluster["renewal"]), "renewal_since": since}
    with work.write(**done) as connection:
        gone = [r for r in known if r["epoch"] < oldest]
        for row in gone:
            certificates.drop_authority(connection, row["uuid"])
        retiring = [r for r in known if oldest <= r["epoch"] < newest and r["state"] != renewal.RETIRING]
        for row in retiring:
            values = {"state": renewal.RETIRING, "retire_at": until}
            certificates.change_authority(connection, row["uuid"], values)
        for row in known:
            if row["epoch"] == newest and row["state"] == renewal.INCOMING:
                certificates.change_authority(connection, row["uuid"], {"state": renewal.ACTIVE})
        for message in _news(work, gone=bool(gone), retiring=bool(retiring), until=until):
            events.add(connection, work.cluster, "certificate", message)


def _news(work: Work, *, gone: bool, retiring: bool, until: float) -> list[str]:
    out = [f"All {len(work.members())} nodes have their new certificates."]
    if retiring:
        out.append(
            "New client certificates are signed by the new CA. The old CA is trusted until "
            f"{utc_text(until)}: fetch new credentials by then. PATCH /v1/certificates/{work.uuid} once more "
            "ends it at once."
        )
    if gone:
        out.append("The old CA is gone: nothing trusts it any more, and certificates of it are refused.")
    return out


def utc_text(seconds: float) -> str:
    """To the minute."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M} UTC"


def retirement(known: list[Row]) -> float | None:
    """When the grace time of a retiring CA is over; None if none retires."""
    return min((r["retire_at"] for r in known if r["state"] == renewal.RETIRING), default=None)


def end_grace(work: Work) -> float | None:
    """Of a settled cluster: the time left of a rotated CA's grace, in seconds, None if there is none. When it
    is over, a new generation without it is accepted, as if the user had asked for it.
    """
    with work.ports.database.read() as connection:
        end = retirement(certificates.public_parts(connection, work.uuid))
    over = work.cluster["action"] == Action.DELETE or work.cluster["ca_floor"] >= work.cluster["ca_epoch"]
    if end is None or over:
        return None
    left = end - work.ports.clock()
    if left > 0:
        return left
    message = "The old CA's time is over: it is being taken out of all nodes."
    try:
        with work.write() as connection:
            complete(connection, work.cluster, message)
    except Stale:
        LOG.info("changed while its CA's time ran out cluster=%s", work.uuid)
    return 0.0


def complete(connection: Connection, cluster: Row, message: str) -> None:
    """Accept a generation in which only the newest CAs are trusted. Raises Stale."""
    values = {"ca_floor": cluster["ca_epoch"]}
    generation = clusters.accept(
        connection, cluster["uuid"], cluster["generation"], Action.UPDATE.value, values
    )
    now = {**cluster, "generation": generation}
    clusters.keep_stack(connection, now)
    events.add(connection, now, "accepted", message)
