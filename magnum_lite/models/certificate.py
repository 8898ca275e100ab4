"""CAs of a cluster by purpose, the certificates that they issued, and sealed secrets."""

import enum

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field

READ, PRIVATE = Access.READ, Access.PRIVATE


class Purpose(enum.StrEnum):
    """One CA for each: a certificate for one opens nothing of another."""

    CLUSTER = "cluster"
    NODE = "node"
    ETCD = "etcd"
    FRONT_PROXY = "front-proxy"


class Authority(f.Resource):
    """A CA. The key never leaves the conductor; here it is sealed."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)
    cluster_id: f.Uuid = field(doc="Its cluster.", access=READ)
    purpose: f.Text = field(doc="See Purpose.", access=READ)
    epoch: int = field(1, doc="Its number; see models.renewal.", access=READ)
    state: f.Text = field("active", doc="incoming, active or retiring.", access=READ)
    retire_at: float | None = field(
        None, doc="End of a retiring one's grace time, Unix seconds.", access=READ
    )
    certificate: f.LongText = field(doc="PEM.", access=READ)
    sealed_key: f.LongText = field(doc="PKCS#8 key, sealed.", access=PRIVATE)
    not_after: float = field(doc="Unix seconds.", access=READ)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)


class Certificate(f.Resource):
    """What was issued, to whom, until when. Stored with ``issued_at`` empty before the signature."""

    serial: f.Text = field(doc="Hexadecimal.", access=READ)
    cluster_id: f.Uuid = field(doc="Its cluster.", access=READ)
    authority_id: f.Uuid = field(doc="Issuer.", access=READ)
    purpose: f.Text = field(doc="See Purpose.", access=READ)
    profile: f.Text = field(doc="See pki.profiles.", access=READ)
    subject: f.Text = field(doc="Distinguished name.", access=READ)
    sans: f.Strings = field([], doc="Alternative names.", access=READ)
    requester_user: f.Text | None = field(None, doc="Who asked.", access=READ)
    requester_project: f.Text | None = field(None, doc="From which project.", access=READ)
    node_id: f.Uuid | None = field(None, doc="Or which node.", access=READ)
    not_before: float = field(doc="Unix seconds.", access=READ)
    not_after: float = field(doc="Unix seconds.", access=READ)
    issued_at: f.Timestamp | None = field(None, doc="UTC; empty: intended only.", access=READ)
    pem: f.LongText | None = field(None, doc="The certificate.", access=PRIVATE)
    revoked_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
    revocation_reason: f.Text | None = field(
        None, doc="RFC 5280's word; superseded: its CA is gone.", access=READ
    )
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)


class Secret(f.Resource):
    """A cluster's secret that is not a key of a CA, for example Swarm's join tokens."""

    cluster_id: f.Uuid = field(doc="Its cluster.", access=PRIVATE)
    name: f.Text = field(doc="What it is.", access=PRIVATE)
    sealed: f.LongText = field(doc="Sealed value.", access=PRIVATE)
