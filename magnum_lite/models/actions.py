"""Bodies of actions: what is asked of a cluster, not what it is."""

from typing import Annotated, Any

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models.fields import field

MOST_NAMED = 10_000


def _names_node(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _nodes(value: Any) -> Any:
    """A null means none; indices may be numbers."""
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_NAMED or not all(map(_names_node, value)):
        raise ValueError("must be a list of server ids or indices")
    return [str(x) if isinstance(x, int) else x for x in value]


Nodes = Annotated[
    list[f.Text],
    pydantic.BeforeValidator(_nodes, json_schema_input_type=list[f.Text | int] | None),
    pydantic.Field(max_length=MOST_NAMED),
]


def _only(name: str, other: str) -> dict[str, Any]:
    return {
        "properties": {name: {"type": "string"}, other: {"maxLength": 0, "type": ["null", "string"]}},
        "required": [name],
    }


class Action(pydantic.BaseModel):
    """Base of them."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Resize(Action):
    """How many nodes a group shall have."""

    node_count: f.Count = field(doc="Wanted nodes.")
    nodes_to_remove: Nodes = field(
        [], doc="Server ids, host names, uuids or indices of nodes that leave first."
    )
    nodegroup: f.Text | None = field(None, doc="Node group, uuid or name; absent: default-worker.")


class Upgrade(Action):
    """To which template."""

    cluster_template: f.Ident = field(doc="Cluster template, uuid or name.")
    max_batch_size: Annotated[f.Integer, pydantic.Field(ge=1, le=10_000)] = field(1, doc="Nodes at a time.")
    nodegroup: f.Text | None = field(None, doc="Node group, uuid or name; absent: all of the cluster.")


class SigningRequest(Action):
    """A CSR for a cluster's CA. Exactly one of ``cluster_uuid`` and ``bay_uuid``."""

    model_config = pydantic.ConfigDict(
        json_schema_extra={"oneOf": [_only("cluster_uuid", "bay_uuid"), _only("bay_uuid", "cluster_uuid")]}
    )

    cluster_uuid: f.Text | None = field(None, doc="Cluster, uuid or name.")
    bay_uuid: f.Text | None = field(None, doc="The same in the words of 2016.")
    csr: Annotated[str, pydantic.Field(strict=True, min_length=1)] = field(doc="PKCS#10 request, PEM.")
    ttl: Annotated[int, pydantic.Field(strict=True, ge=60, le=10**9)] | None = field(
        None, doc="Seconds until the certificate ends; the operator's default and maximum hold."
    )
    ca_cert_type: Any = field(None, doc="Taken from clients that send it; the profile decides.")
    pem: Any = field(None, doc="Taken from clients that send it back.")
