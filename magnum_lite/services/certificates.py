"""Use cases of certificates. The API reads public parts; everything with a key is the conductor's."""

from magnum_lite.context import Context
from magnum_lite.db import certificates as db
from magnum_lite.db import clusters
from magnum_lite.db.rows import Row
from magnum_lite.errors import Conflict, InvalidInput, NotFound, Problem
from magnum_lite.models.certificate import Purpose
from magnum_lite.services.deps import Deps, scope

_PURPOSES = {
    "kubernetes": Purpose.CLUSTER,
    "kubelet": Purpose.CLUSTER,
    "etcd": Purpose.ETCD,
    "front-proxy": Purpose.FRONT_PROXY,
}


def ca(deps: Deps, context: Context, ident: str, ca_type: str | None) -> tuple[Row, str]:
    """The cluster and the PEM of its CA; an unknown type means the cluster's CA, as upstream."""
    with deps.database.read() as connection:
        row = clusters.owner(connection, ident, scope(deps, context, "cluster:get_one"))
        deps.policy.check(context, "certificate:get", row["project_id"], row["user_id"])
        purpose = _PURPOSES.get(ca_type or "kubernetes", Purpose.CLUSTER)
        pem = db.ca_bundle(connection, row["uuid"], purpose.value)
        if not pem and purpose is not Purpose.CLUSTER:
            raise NotFound(f"CA certificate for {ca_type} of cluster", ident)
    if not pem:
        raise Conflict(f"The CA of cluster {ident} is being made; please try again in a moment.")
    return row, pem


def sign(
    deps: Deps, context: Context, ident: str, csr: str, *, field: str, ttl: int | None
) -> tuple[Row, str]:
    """The cluster and a client certificate. An unknown cluster is the field's fault (400)."""
    try:
        with deps.database.read() as connection:
            row = clusters.owner(connection, ident, scope(deps, context, "cluster:get_one"))
    except NotFound as error:
        raise InvalidInput(Problem(field, error.message)) from None
    deps.policy.check(context, "certificate:create", row["project_id"], row["user_id"])
    return row, deps.conductors.sign(context, row["uuid"], csr, ttl)


def issued(deps: Deps, context: Context, ident: str, limit: int, marker: str | None) -> tuple[Row, list[Row]]:
    """The cluster and a page of what was issued for it, newest first. Raises InvalidInput for a marker that
    is no serial of it.
    """
    with deps.database.read() as connection:
        row = clusters.owner(connection, ident, scope(deps, context, "cluster:get_one"))
        deps.policy.check(context, "certificate:get", row["project_id"], row["user_id"])
        try:
            return row, db.of_cluster(connection, row["uuid"], limit, marker)
        except NotFound:
            message = "must be the serial of the last certificate of the page before"
            raise InvalidInput(Problem("marker", message)) from None
