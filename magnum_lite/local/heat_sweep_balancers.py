"""The same as ``heat_sweep`` for load balancers: one that Heat forgot holds an address of its subnet, and a
part that Heat forgot holds its load balancer and the port that the next try wants.
"""

import logging
from collections.abc import Collection, Iterator
from typing import Any

LOG = logging.getLogger(__name__)

#: Of ``common/load_balancer.yaml``: what a tenant made himself is not ours to judge.
DESCRIPTION = "Before the masters of a bay (magnum-lite)"


def sweep(url: str, known: Collection[str], session: Any) -> list[str]:
    """Delete a project's orphans; their ids. ``url`` of the API with ``/lbaas``; ``known``: what Heat knows.
    Raises keystoneauth's exceptions.
    """
    ours = [lb for lb in _listed(session, url, "loadbalancers") if lb["description"] == DESCRIPTION]
    orphans = [lb["id"] for lb in ours if lb["id"] not in known]
    paths = [f"loadbalancers/{ident}?cascade=true" for ident in orphans]
    for balancer in ours:
        if balancer["id"] in known:
            # first what others are made of
            paths += [p for p in _parts(session, url, balancer["id"]) if p.rpartition("/")[2] not in known]
    for path in paths:
        session.delete(f"{url}/{path}")
        LOG.warning("orphan_removed path=%s", path)
    return [path.rpartition("/")[2].partition("?")[0] for path in paths]


def _parts(session: Any, url: str, balancer: str) -> Iterator[str]:
    pools = [p for p in _listed(session, url, "pools") if _of(p, "loadbalancers", [balancer])]
    for pool in pools:
        yield from (
            f"pools/{pool['id']}/members/{member['id']}"
            for member in _listed(session, url, f"pools/{pool['id']}/members")
        )
    mine = [pool["id"] for pool in pools]
    for monitor in _listed(session, url, "healthmonitors"):
        if _of(monitor, "pools", mine):
            yield f"healthmonitors/{monitor['id']}"
    yield from (f"pools/{ident}" for ident in mine)
    for listener in _listed(session, url, "listeners"):
        if _of(listener, "loadbalancers", [balancer]):
            yield f"listeners/{listener['id']}"


def _of(part: dict[str, Any], field: str, idents: Collection[str]) -> bool:
    return any(one["id"] in idents for one in part[field])


def _listed(session: Any, url: str, path: str) -> list[dict[str, Any]]:
    return list(session.get(f"{url}/{path}").json()[path.rpartition("/")[2]])
