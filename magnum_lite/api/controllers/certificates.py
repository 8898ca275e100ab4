"""``/v1/certificates``."""

import urllib.parse
from typing import Any

from magnum_lite.api.call import Answer, Call
from magnum_lite.api.controllers.cluster_templates import body_of, links
from magnum_lite.errors import Problem
from magnum_lite.models.actions import SigningRequest
from magnum_lite.models.certificate import Certificate
from magnum_lite.models.views import present
from magnum_lite.services import certificates as services
from magnum_lite.services import rotation

_IDENT_FIELDS = ("cluster_uuid", "bay_uuid")


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
    asked = body_of(call, SigningRequest, "certificate", *wrong)
    field, ident = given[0], str(body[given[0]])
    row, pem = services.sign(call.deps, call.context, ident, asked.csr, field=field, ttl=asked.ttl)
    return Answer(201, _answer(call, row["uuid"], pem, csr=asked.csr))


def rotate(call: Call, ident: str) -> Answer:
    """Rotate a cluster's CAs, in two steps. The first call makes new ones, trusted beside the old ones: new
    client certificates are of the new CA, and those of the old one stay good. A second call, or the end of
    the operator's grace time (rotation_grace), ends the trust in the old CAs. Only while the status is
    *_COMPLETE, or after a rotation that failed, which is then tried again.
    """
    row = rotation.rotate_ca(call.deps, call.context, ident)
    return Answer(202, {"uuid": row["uuid"]})


def rotate_credentials(call: Call, ident: str) -> Answer:
    """Rotate what a cluster's nodes hold: their identities, the certificates of its API, and the join
    tokens. Client certificates stay good. Only while the status is *_COMPLETE.
    """
    row = rotation.rotate_credentials(call.deps, call.context, ident)
    return Answer(202, {"uuid": row["uuid"]})


def issued(call: Call, ident: str) -> Answer:
    """What a cluster's CAs issued, newest first: serial, subject, who asked, until when. The marker is the
    serial of the last one of the page before.
    """
    most = call.deps.conf.api.max_limit
    limit = min(call.integer("limit", most, low=1) or most, most)
    row, found = services.issued(call.deps, call.context, ident, limit, call.query.get("marker"))
    body: dict[str, Any] = {"certificates": [present(Certificate, r, rename={}) for r in found]}
    if len(found) == limit:
        query = urllib.parse.urlencode({"limit": limit, "marker": found[-1]["serial"]})
        body["next"] = f"{call.base}/v1/certificates/{row['uuid']}/issued?{query}"
    return Answer(body=body)
