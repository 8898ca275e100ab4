"""A cluster (2016: bay). Column groups have one writer each: spec by the API's services, status by
the conductor, lease by ``conductor.work``.
"""

from typing import Annotated, Literal

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models import wire
from magnum_lite.models.fields import Access, field
from magnum_lite.models.renewal import FIRST

Name = Annotated[
    str,
    pydantic.Field(strict=True),
    pydantic.StringConstraints(min_length=1, max_length=242, pattern=r"^[a-zA-Z][a-zA-Z0-9_.-]*$"),
]
Minutes = Annotated[int, pydantic.BeforeValidator(f.integer), wire.INTEGER, pydantic.Field(ge=0, le=100_000)]
Url = Annotated[f.Text, pydantic.StringConstraints(max_length=255)]

PRIVATE, READ, CREATE = Access.PRIVATE, Access.READ, Access.CREATE


class Cluster(f.Resource):
    """The one declaration of a cluster."""

    uuid: f.Uuid = field(doc="Identifier.", access=READ, summary=True)
    name: Name = field(doc="Name; generated if absent.", access=CREATE, summary=True, blank=True)
    cluster_template_id: f.Ident = field(
        doc="Template, uuid or name.", access=CREATE, summary=True, bay="baymodel_id"
    )
    keypair: f.Ident | None = field(None, doc="Key pair of the caller.", access=CREATE, summary=True)
    node_count: f.Count = field(1, doc="Workers, over all node groups.", summary=True, stored=False)
    master_count: Annotated[f.Count, pydantic.Field(ge=1)] = field(
        1, doc="Masters (managers).", access=CREATE, summary=True, stored=False
    )
    docker_volume_size: f.GiB | None = field(
        None, doc="Volume for /var/lib/docker, GiB.", access=CREATE, summary=True
    )
    labels: f.Labels = field({}, doc="Replace the template's unless merged.", access=CREATE, summary=True)
    merge_labels: f.Boolean = field(False, doc="Merge labels into the template's.", access=CREATE)
    master_flavor_id: f.Ident | None = field(None, doc="Flavor of masters.", access=CREATE, summary=True)
    flavor_id: f.Ident | None = field(None, doc="Flavor of workers.", access=CREATE, summary=True)
    create_timeout: Minutes | None = field(
        60,
        doc="Minutes; 0 or null: the operator's longest.",
        access=CREATE,
        summary=True,
        bay="bay_create_timeout",
    )
    fixed_network: f.Ident | None = field(None, doc="Existing network.", access=CREATE)
    fixed_subnet: f.Ident | None = field(None, doc="Existing subnet.", access=CREATE)
    floating_ip_enabled: f.Boolean | None = field(None, doc="Floating IPs for the nodes.", access=CREATE)
    master_lb_enabled: f.Boolean | None = field(None, doc="Load balancer for masters.", access=CREATE)
    discovery_url: Url | None = field(None, doc="Kept for old clients; not needed.", access=CREATE)
    # status: what the conductor learnt
    status: f.Text = field("CREATE_IN_PROGRESS", doc="What goes on.", access=READ, summary=True)
    status_reason: f.LongText | None = field(None, doc="Why, in words.", access=READ)
    health_status: Literal["HEALTHY", "UNHEALTHY", "UNKNOWN"] | None = field(
        None, doc="Of nodes and engine.", access=Access.UPDATE, summary=True
    )
    health_status_reason: f.Document = field({}, doc="Per node and part.", access=Access.UPDATE)
    stack_id: f.Text | None = field(None, doc="Heat stack.", access=READ, summary=True, until=(1, 12))
    cluster_id: f.Text | None = field(
        None, doc="The same under its name of 1.13.", access=READ, summary=True, stored=False, since=(1, 13)
    )
    api_address: f.Text | None = field(None, doc="Engine API.", access=READ)
    coe_version: f.Text | None = field(None, doc="Version of the engine.", access=READ)
    container_version: f.Text | None = field(None, doc="Version of Docker.", access=READ)
    node_addresses: f.Strings = field([], doc="Of workers.", access=READ, stored=False)
    master_addresses: f.Strings = field([], doc="Of masters.", access=READ, stored=False)
    labels_overridden: f.Labels = field({}, doc="Template's values that differ.", access=READ, stored=False)
    labels_added: f.Labels = field({}, doc="Not in the template.", access=READ, stored=False)
    labels_skipped: f.Labels = field({}, doc="Only in the template.", access=READ, stored=False)
    labels_explained: f.Listing = field(
        [], doc="Where each value came from; only with ?explain=labels.", access=READ, stored=False
    )
    faults: f.Document = field({}, doc="Per node, when failed.", access=READ, bay="bay_faults")
    project_id: f.Text = field("", doc="Owner.", access=READ)
    user_id: f.Text = field("", doc="Creator.", access=READ)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=READ)
    # spec, not shown
    coe: f.Text = field("", doc="Engine, of the template.", access=PRIVATE)
    ssh_public_key: f.LongText | None = field(None, doc="Text of the key pair's public key.", access=PRIVATE)
    stack_name: f.Text = field("", doc="Fixed when accepted.", access=PRIVATE)
    action: f.Text = field("CREATE", doc="What the newest generation asks for.", access=PRIVATE)
    generation: int = field(1, doc="+1 for each accepted change.", access=PRIVATE)
    accepted_at: float = field(0.0, doc="When, Unix seconds by the database's clock.", access=PRIVATE)
    request_id: f.Text | None = field(None, doc="Of the request that asked for it.", access=PRIVATE)
    template: f.Document = field({}, doc="The template as it was when accepted.", access=PRIVATE)
    ca_epoch: int = field(1, doc="Number of the newest CAs that there shall be.", access=PRIVATE)
    ca_floor: int = field(1, doc="Number of the oldest CAs to be trusted.", access=PRIVATE)
    credentials_epoch: int = field(1, doc="+1 for each rotation of credentials.", access=PRIVATE)
    batch_size: int = field(1, doc="Workers that are replaced at a time.", access=PRIVATE)
    last_good: f.Document = field({}, doc="Spec of the last COMPLETE generation.", access=PRIVATE)
    imported: f.Text | None = field(
        None, doc="Who made it, if not this service: it is never changed here.", access=PRIVATE
    )
    # status, not shown
    observed_generation: int = field(0, doc="The newest generation that reached an end.", access=PRIVATE)
    applied_generation: int = field(
        0, doc="The newest generation whose stack Heat has taken.", access=PRIVATE
    )
    lb_addresses: f.Strings | None = field(
        None, doc="Of the masters' load balancer, its floating one first.", access=PRIVATE
    )
    stack_mark: f.Text | None = field(None, doc="updated_at of the stack before our update.", access=PRIVATE)
    stack_busy: bool | None = field(None, doc="Its stack was in progress at the last look.", access=PRIVATE)
    stack_retries: int = field(0, doc="Of this generation, after Heat itself failed.", access=PRIVATE)
    step_since: float = field(0.0, doc="When the last batch of replacements began.", access=PRIVATE)
    repair: int = field(0, doc="The generation that the conductor itself accepted last.", access=PRIVATE)
    scaling: f.Document | None = field(
        None, doc="What scaling on demand did last: conductor.scaling.", access=PRIVATE
    )
    renewal: f.Text = field(FIRST, doc="What nodes are told to have; see models.renewal.", access=PRIVATE)
    renewal_since: float = field(0.0, doc="Since when, Unix seconds.", access=PRIVATE)
    renewed: f.Text = field(FIRST, doc="What all nodes had last.", access=PRIVATE)
    outdated_tokens: f.Text | None = field(None, doc="Digest of join tokens to be replaced.", access=PRIVATE)
    credential_id: f.Text | None = field(
        None, doc="Its own application credential, as it is sealed here.", access=PRIVATE
    )
    # lease
    lease_owner: f.Text | None = field(None, doc="Which conductor.", access=PRIVATE)
    lease_expires: float = field(0.0, doc="Unix seconds by the database's clock.", access=PRIVATE)
    fencing_token: int = field(0, doc="+1 for each claim.", access=PRIVATE)
    attempts: int = field(0, doc="Claims in a row that ended in an error.", access=PRIVATE)
    next_sync: float = field(0.0, doc="Due at, Unix seconds.", access=PRIVATE)
