"""Accepting rotations: of a cluster's CAs, in two steps, and of what its nodes identify themselves with.

What is wanted are numbers in the row (``models.renewal``); a conductor does the rest. The first request makes
new CAs beside the old ones, the next one takes the old ones away; without it the conductor does that when
the operator's grace time is over, so that a client which knows only one call is served as well.
"""

from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import clusters as db
from magnum_lite.db import events
from magnum_lite.db.rows import Row
from magnum_lite.db.session import Connection
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models import renewal
from magnum_lite.models.status import COMPLETE, Action, shown
from magnum_lite.services import acceptance
from magnum_lite.services.deps import Deps, scope


def rotate_ca(deps: Deps, context: Context, ident: str) -> Row:
    """Accept the next step of a CA rotation. Raises NotFound, Forbidden, InvalidInput (no TLS, or another
    change is not complete), Conflict (being deleted).
    """
    row = _changeable(deps, context, ident, "certificate:rotate_ca")

    def store(connection: Connection, now: Row) -> None:
        _refuse_unfit(now | {"action": row["action"], "generation": now["generation"] - 1})
        values, message = _next_step(now)
        _write(connection, now, values, message)

    return acceptance.accept(deps, row["uuid"], Action.UPDATE, store)


def _next_step(row: Row) -> tuple[dict[str, Any], str]:
    newest, oldest, _ = renewal.epochs(row["renewed"])
    if (newest, oldest) != (row["ca_epoch"], row["ca_floor"]):
        return {}, "The CA rotation is tried again."
    if row["ca_floor"] < row["ca_epoch"]:
        message = "Completion of the CA rotation accepted: the old CA will not be trusted any more."
        return {"ca_floor": row["ca_epoch"]}, message
    message = "CA rotation accepted: new CAs are made, and trusted beside the old ones."
    return {"ca_epoch": row["ca_epoch"] + 1}, message


def rotate_credentials(deps: Deps, context: Context, ident: str) -> Row:
    """Accept new identities for all nodes, new certificates for its API, and new join tokens: the
    credentials that a cluster's nodes hold. Raises as ``rotate_ca``.
    """
    row = _changeable(deps, context, ident, "credential:rotate")

    def store(connection: Connection, now: Row) -> None:
        _refuse_unfit(now | {"action": row["action"], "generation": now["generation"] - 1})
        _, _, had = renewal.epochs(now["renewed"])
        more = 0 if had < now["credentials_epoch"] else 1  # one that failed is tried again
        message = "Rotation of credentials accepted: node certificates and join tokens."
        _write(connection, now, {"credentials_epoch": now["credentials_epoch"] + more}, message)

    return acceptance.accept(deps, row["uuid"], Action.UPDATE, store)


def _changeable(deps: Deps, context: Context, ident: str, rule: str) -> Row:
    with deps.database.read() as connection:
        row = db.get(connection, ident, scope(deps, context, "cluster:update"))
    deps.policy.check(context, rule, row["project_id"])
    if row["template"]["tls_disabled"]:
        raise InvalidInput(Problem("", f"Cluster {row['uuid']} has no TLS, so it has no CA to rotate."))
    _refuse_unfit(row)
    return row


def _unfinished(row: Row) -> bool:
    return not (renewal.means(row["renewed"], renewal.wanted(row)) and row["renewed"] == row["renewal"])


def _refuse_unfit(row: Row) -> None:
    """Only what is complete is rotated, as upstream has it; a rotation that failed may be tried again."""
    names = ("action", "status", "generation", "observed_generation")
    status = shown(**{name: row[name] for name in names})
    settled = row["generation"] == row["observed_generation"]
    if status.endswith(f"_{COMPLETE}") or (settled and _unfinished(row)):
        return
    raise InvalidInput(
        Problem("", f"Cluster {row['uuid']} is {status}; it can be rotated once its status is *_COMPLETE.")
    )


def _write(connection: Connection, now: Row, values: dict[str, Any], message: str) -> None:
    db.want(connection, now, values)
    db.keep_stack(connection, now)
    events.add(connection, now, "accepted", message)
