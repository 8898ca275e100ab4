"""One node of a cluster, and the token that lets its machine enrol once."""

from magnum_lite.models import fields as f
from magnum_lite.models.fields import Access, field
from magnum_lite.models.status import NodeState

READ, PRIVATE = Access.READ, Access.PRIVATE


class Node(f.Resource):
    """The record of a node; the machine proves with its key that it is this one."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ)
    cluster_id: f.Uuid = field(doc="Its cluster.", access=READ)
    nodegroup_id: f.Uuid = field(doc="Its node group.", access=READ)
    role: f.Text = field(doc="master or worker.", access=READ)
    index: int = field(doc="Index in Heat's resource group.", access=READ)
    hostname: f.Text = field(doc="Derived from the cluster's uuid.", access=READ)
    state: f.Text = field(NodeState.PLANNED.value, doc="See NodeState.", access=READ)
    step: f.Text = field("", doc="Last step that it reported.", access=READ)
    percent: int = field(0, doc="0..100.", access=READ)
    message: f.LongText | None = field(None, doc="Last message.", access=READ)
    log: f.LongText | None = field(None, doc="Last log lines of a failure.", access=READ)
    healthy: f.Boolean | None = field(None, doc="By its own report.", access=READ)
    server_id: f.Text | None = field(None, doc="Nova server.", access=READ)
    server_state: f.Text | None = field(
        None, doc="Of a silent node: what the cloud says of its server; gone where it has none.", access=READ
    )
    server_asked: float = field(0.0, doc="When the cloud was asked, Unix seconds.", access=PRIVATE)
    down_since: float | None = field(None, doc="Since when its engine calls it down.", access=PRIVATE)
    address: f.Text | None = field(None, doc="On the cluster's network.", access=READ)
    floating_address: f.Text | None = field(None, doc="Floating IP.", access=READ)
    stack_id: f.Text | None = field(None, doc="Nested stack.", access=PRIVATE)
    signalled: f.Boolean = field(False, doc="Its wait condition got our signal.", access=PRIVATE)
    in_stack: f.Boolean = field(False, doc="Heat was told of its index.", access=PRIVATE)
    image_id: f.Text | None = field(None, doc="What it was made with.", access=READ)
    flavor_id: f.Text | None = field(None, doc="The same.", access=READ)
    boot_volume: f.Document | None = field(
        None, doc="The same: size and type, if it boots from one.", access=PRIVATE
    )
    idle_since: float | None = field(None, doc="Since when it could be spared.", access=PRIVATE)
    make: f.Text = field("", doc="The group's make when it was recorded.", access=PRIVATE)
    leave_step: f.Text | None = field(None, doc="draining, expelling, removed.", access=PRIVATE)
    leave_since: float = field(0.0, doc="Unix seconds.", access=PRIVATE)
    engine_labels: f.Document = field({}, doc="Ours, as last set in the engine.", access=PRIVATE)
    engine_view: f.Listing = field([], doc="What a master sees of all nodes.", access=PRIVATE)
    engine_id: f.Text | None = field(None, doc="Id in the swarm.", access=READ)
    versions: f.Document = field({}, doc="docker, kernel, os.", access=READ)
    first_seen: float | None = field(None, doc="Unix seconds.", access=PRIVATE)
    last_report: float | None = field(None, doc="Unix seconds, server's clock.", access=PRIVATE)
    last_timestamp: float = field(0.0, doc="The node's own, must grow.", access=PRIVATE)
    identity: f.LongText | None = field(None, doc="Its certificate, PEM.", access=PRIVATE)
    pending_identity: f.LongText | None = field(None, doc="Issued, not used yet; PEM.", access=PRIVATE)
    renewal: f.Text | None = field(None, doc="Under which it was issued; see models.renewal.", access=PRIVATE)
    pending_renewal: f.Text | None = field(None, doc="The same of the pending one.", access=PRIVATE)
    certified_at: float = field(0.0, doc="When its last certificates were issued.", access=PRIVATE)
    identity_until: float | None = field(None, doc="End of its identity, Unix seconds.", access=PRIVATE)
    server_until: float | None = field(None, doc="The same of its API's certificate.", access=PRIVATE)
    server_serial: f.Text | None = field(None, doc="Of its API's certificate, as issued.", access=PRIVATE)
    served: f.Document = field({}, doc="What its API shows: server (serial), trust (digest).", access=PRIVATE)
    token_hash: f.Text | None = field(None, doc="SHA-256 of the bootstrap token.", access=PRIVATE)
    sealed_token: f.LongText | None = field(None, doc="Gone once used.", access=PRIVATE)
    token_expires: float = field(0.0, doc="Unix seconds.", access=PRIVATE)
    token_key: f.Text | None = field(None, doc="Fingerprint of the key that used it.", access=PRIVATE)
    collect_logs: f.Boolean = field(False, doc="Somebody asked for its logs.", access=PRIVATE)
    logs: f.Document = field({}, doc="What it answered.", access=PRIVATE)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
