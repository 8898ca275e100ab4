"""The conductor's own way to a cluster's engine API. Where the engine can't be reached, the masters'
agents do the same on instruction (see ``nodes/instructions.py``).
"""

import datetime as dt
import threading
from typing import Any, NamedTuple

from magnum_lite.conductor import authorities, reachable
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates
from magnum_lite.models import renewal
from magnum_lite.models.status import NodeState
from magnum_lite.native.engine import Engine, connect
from magnum_lite.pki import csr, profiles
from magnum_lite.pki.requests import client_request

_LIFETIME = dt.timedelta(hours=1)
_SPARE = 600.0
_NAME = "magnum-lite-conductor"


class _Identity(NamedTuple):
    ca: str
    signer: str
    certificate: str
    key: str
    until: float


# Keys live in this process's memory for an hour at most; nothing else has them.
_identities: dict[str, _Identity] = {}
_lock = threading.Lock()


def addresses(work: Work) -> list[str]:
    """``host:port`` of the masters that are up and that we may call, floating addresses first; then those of
    their load balancer, which may be the one way in.
    """
    out = []
    for node in work.members("master"):
        if node["state"] == NodeState.READY:
            out += [a for a in (node["floating_address"], node["address"]) if a]
    out += (work.cluster["lb_addresses"] or ()) if out else ()
    forbidden = reachable.networks(tuple(work.ports.conf.conductor.never_reach))
    return [f"{a}:{work.driver.api_port}" for a in out if reachable.is_allowed(a, forbidden)]


def reach(work: Work) -> Engine | None:
    """The cluster's engine; None when no master is up, or engines are not to be reached."""
    known = addresses(work) if work.ports.conf.conductor.reach_engines else []
    if not known:
        return None
    identity = _identity(work)
    return connect(
        work.driver.coe, known, ca_pem=identity.ca, cert_pem=identity.certificate, key_pem=identity.key
    )


def _identity(work: Work) -> _Identity:
    now = work.ports.clock()
    with work.ports.database.read() as connection:
        known = certificates.public_parts(connection, work.uuid)
    mine = [r for r in known if r["purpose"] == "cluster"]
    ca = "".join(r["certificate"] for r in mine)
    signer = next((r["uuid"] for r in mine if r["state"] == renewal.ACTIVE), "")
    with _lock:
        have = _identities.get(work.uuid)
        if have is not None and have.until > now and (have.ca, have.signer) == (ca, signer):
            return have
    key, request = client_request(_NAME)
    pem = authorities.issue(
        work.ports,
        work.cluster,
        profiles.PROFILES[work.driver.conductor_profile],
        csr.verify(request),
        common_name=_NAME,
        lifetime=_LIFETIME,
        requester={"requester_user": _NAME},
    )
    made = _Identity(ca, signer, pem, key, now + _LIFETIME.total_seconds() - _SPARE)
    with _lock:
        for uuid in [u for u, i in _identities.items() if i.until <= now]:
            del _identities[uuid]
        _identities[work.uuid] = made
    return made


def view(work: Work) -> dict[str, dict[str, Any]]:
    """What the master that reported last sees: engine id → its entry."""
    masters = [n for n in work.members("master") if n["engine_view"]]
    if not masters:
        return {}
    newest = max(masters, key=lambda n: n["last_report"] or 0)
    return {str(n.get("id")): n for n in newest["engine_view"]}
