"""``/v1/certificates``."""

from typing import Any

import pydantic

from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import links
from magnum_lite.errors import InvalidInput, Problem
from magnum_lite.models.actions import SigningRequest
from magnum_lite.models.certificate import Certificate
from magnum_lite.models.views import present, problems
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
    given = [f for f in _IDENT_FIELDS if body.get(f)]
    wrong = [] if len(given) == 1 else [Problem("cluster_uuid", "give one of cluster_uuid and bay_uuid")]
    try:
        asked = SigningRequest.model_validate(body)
    except pydantic.ValidationError as error:
        raise InvalidInput(*wrong, *problems(error, {})) from None
    if wrong:
        raise InvalidInput(*wrong)
    field, ident = given[0], str(body[given[0]])
    row, pem = services.sign(call.deps, call.context, ident, asked.csr, field=field, ttl=asked.ttl)
    return Answer(201, _answer(call, row["uuid"], pem, csr=asked.csr))


def issued(call: Call, ident: str) -> Answer:
    """What a cluster's CAs issued, newest first: serial, subject, who asked, until when."""
    rows = services.issued(call.deps, call.context, ident, _ISSUED_PAGE)
    return Answer(body={"certificates": [present(Certificate, r, rename={}) for r in rows]})
