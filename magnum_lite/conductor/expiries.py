"""What ends when: CAs and nodes' certificates that need somebody's attention, long before."""

from magnum_lite.conductor.renewing import retirement, utc_text
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates
from magnum_lite.models import renewal

_DAY = 86400.0
_NAMED = 3


def look(work: Work) -> tuple[dict[str, str], bool]:
    """Entries of health_status_reason, and whether one of them means that the cluster is not well. Texts
    hold dates, no countdowns, so that they change only when something does.
    """
    with work.ports.database.read() as connection:
        known = certificates.public_parts(connection, work.uuid)
    out: dict[str, str] = {}
    bad = False
    now, conf = work.ports.clock(), work.ports.conf.certificates
    ends = min((r["not_after"] for r in known if r["state"] == renewal.ACTIVE), default=None)
    if ends is not None and ends - now < conf.authority_warn_days * _DAY:
        bad = ends <= now
        out["ca"] = f"the CA {'ended' if bad else 'ends'} on {utc_text(ends)}: rotate it"
    retire = retirement(known)
    if retire is not None:
        out["ca_rotation"] = f"the old CA is trusted until {utc_text(retire)}: fetch new credentials by then"
    late = []
    for node in work.members():
        until = renewal.ends(node)
        # A certificate of short life is named when it should have been renewed, not all its life long.
        if until and until - now < conf.node_warn_days * _DAY and renewal.missed(node, now):
            late.append(f"{node['hostname']} {'ended' if until <= now else 'ends'} on {utc_text(until)}")
            bad = bad or until <= now
    if late:
        more = f" and {len(late) - _NAMED} more" if late[_NAMED:] else ""
        out["node_certificates"] = f"not renewed in time: {', '.join(late[:_NAMED])}{more}"
    return out, bad
