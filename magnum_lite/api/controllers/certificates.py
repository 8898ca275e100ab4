"""``/v1/certificates``."""

from typing import Any

from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import links
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.certificate import Certificate
from magnum_lite.models.views import present
from magnum_lite.services import certificates as services

_IDENT_FIELDS = ("cluster_uuid", "bay_uuid")
_ISSUED_PAGE = 1000


def _answer(call: Call, uuid: str, pem: str, **more: Any) -> dict[str, Any]:
    """Old clients read bay_uuid, new ones cluster_uuid: both are there."""
    return {
        "cluster_uuid": uuid,
        "bay_uuid": uuid,
        "pem": pem,
        "links": links(call, "certificates", uuid),
        **more,
    }


def show(call: Call, ident: str) -> Answer:
    """The certificate of a cluster's CA."""
    row, pem = services.ca(call.deps, call.context, ident, call.query.get("ca_cert_type"))
    return Answer(body=_answer(call, row["uuid"], pem))


def create(call: Call) -> Answer:
    """Have a CSR signed by a cluster's CA. The profile decides about subject and lifetime: harmless wishes
    are replaced, wishes for more power refused.
    """
    body = call.mapping("certificate")
    problems = [
        Problem(n[:100], "Unknown attribute")
        for n in sorted(set(body) - {*_IDENT_FIELDS, "csr", "ttl", "ca_cert_type", "pem"})
    ]
    given = [f for f in _IDENT_FIELDS if body.get(f)]
    if len(given) != 1 or not isinstance(body[given[0]], str):
        problems.append(Problem("cluster_uuid", "give exactly one of cluster_uuid and bay_uuid, as a text"))
    csr, ttl = body.get("csr"), body.get("ttl")
    if not isinstance(csr, str) or not csr:
        problems.append(Problem("csr", "must be a certificate signing request in PEM form"))
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int) or not 60 <= ttl <= 10**9):
        problems.append(Problem("ttl", "must be a number of seconds, 60 or more"))
    if problems:
        raise InvalidInput(*problems)
    row, pem = services.sign(call.deps, call.context, body[given[0]], str(csr), field=given[0], ttl=ttl)
    return Answer(201, _answer(call, row["uuid"], pem, csr=csr))


def issued(call: Call, ident: str) -> Answer:
    """What a cluster's CAs issued, newest first: serial, subject, who asked, until when."""
    rows = services.issued(call.deps, call.context, ident, _ISSUED_PAGE)
    return Answer(body={"certificates": [present(Certificate, r, rename={}) for r in rows]})
