"""From rows to the value that drivers take: which value holds where cluster and template both
have one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.drivers.contract import (
    MASTER,
    WORKER,
    CloudSpec,
    ClusterSpec,
    DoorSpec,
    GroupSpec,
    group_key,
    group_word,
)
from magnum_lite.models import labels as registry

_INHERITED = (
    "flavor_id",
    "master_flavor_id",
    "fixed_network",
    "fixed_subnet",
    "docker_volume_size",
    "floating_ip_enabled",
    "master_lb_enabled",
)


def effective(cluster: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for a cluster: its own value where it has one, else its template's."""
    return {**template, **inherited(cluster, template), "labels": labels(cluster, template)}


def inherited(cluster: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the fields only that both have, labels aside."""
    out = {}
    for name in _INHERITED:
        own = cluster.get(name)
        out[name] = template.get(name) if own is None else own
    return out


def labels(cluster: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, str]:
    """A cluster's labels replace its template's, or are merged into them if it says so."""
    own, theirs = dict(cluster.get("labels") or {}), dict(template.get("labels") or {})
    if not own:
        return theirs
    return theirs | own if cluster.get("merge_labels") else own


def boot_volume(cluster: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """``size`` (GiB) and ``type`` of the volumes that new nodes of a group boot from; empty for none. The
    default groups have what the cluster's labels say, the others what their own do.
    """
    own = labels(cluster, cluster["template"]) if group.get("is_default", True) else group.get("labels") or {}
    return boot_volume_of(own)


def boot_volume_of(known: Mapping[str, str]) -> dict[str, Any]:
    """The same by labels, whose values are good ones."""
    size = int(registry.value_of(known, "boot_volume_size") or 0)
    return {"size": size, "type": known.get("boot_volume_type", "")} if size else {}


def cluster_spec(
    cluster: Mapping[str, Any],
    groups: Sequence[Mapping[str, Any]],
    *,
    door: DoorSpec,
    credentials: Mapping[str, Mapping[int, str]] | None = None,
    kept: Mapping[str, Mapping[int, Mapping[str, Any]]] | None = None,
    longest_timeout: int,
    cloud: CloudSpec | None = None,
) -> ClusterSpec:
    """``credentials`` and ``kept``: per node group's uuid, index → see ``GroupSpec``. ``longest_timeout`` in
    minutes. Groups that are being deleted are left out.
    """
    template = cluster["template"]
    got = effective(cluster, template)
    return ClusterSpec(
        uuid=cluster["uuid"],
        name=cluster["name"],
        stack_name=cluster["stack_name"],
        timeout_mins=min(cluster.get("create_timeout") or longest_timeout, longest_timeout),
        groups=tuple(
            _group_spec(
                g, got["image_id"], (credentials or {}).get(g["uuid"], {}), (kept or {}).get(g["uuid"], {})
            )
            for g in groups
            if not g.get("deleting")
        ),
        door=door,
        labels=got["labels"],
        ssh_public_key=cluster.get("ssh_public_key"),
        external_network=got.get("external_network_id"),
        fixed_network=got.get("fixed_network"),
        fixed_subnet=got.get("fixed_subnet"),
        dns_nameservers=tuple(d.strip() for d in (got.get("dns_nameserver") or "").split(",") if d.strip()),
        floating_ip_enabled=bool(got.get("floating_ip_enabled")) and bool(got.get("external_network_id")),
        master_lb_enabled=bool(got.get("master_lb_enabled")),
        lb_addresses=tuple(cluster.get("lb_addresses") or ()),
        docker_storage_driver=got.get("docker_storage_driver") or "overlay2",
        volume_driver=got.get("volume_driver"),
        http_proxy=got.get("http_proxy"),
        https_proxy=got.get("https_proxy"),
        no_proxy=got.get("no_proxy"),
        insecure_registry=got.get("insecure_registry"),
        project_id=cluster.get("project_id") or "",
        cloud=cloud,
        credential_id=cluster.get("credential_id") or "",
    )


def cloud_spec(told: Any, *, ca_pem: str = "") -> CloudSpec | None:
    """What clusters are told of their cloud, from the options ``[cloud_provider]``; ``ca_pem`` for who gives
    it to nodes.
    """
    if not told.auth_url:
        return None
    region, balancers = told.region_name or "", told.load_balancers
    return CloudSpec(auth_url=told.auth_url, region=region, ca_pem=ca_pem, balancers=balancers)


def _group_spec(
    row: Mapping[str, Any],
    image: str,
    credentials: Mapping[int, str],
    kept: Mapping[int, Mapping[str, Any]],
) -> GroupSpec:
    return GroupSpec(
        name=row["name"],
        role=MASTER if row["role"] == MASTER else WORKER,
        count=row["node_count"],
        flavor=row["flavor_id"] or "",
        image=row["image_id"] or image,
        key=key_of(row),
        word=_word(row),
        labels=dict(row.get("labels") or {}),
        taints=tuple(row.get("node_taints") or ()),
        node_labels=dict(row.get("node_labels") or {}),
        docker_volume_size=row.get("docker_volume_size"),
        removed_indices=tuple(sorted(row.get("removed_indices") or ())),
        credentials=dict(credentials),
        surge=row.get("surge") or 0,
        kept=dict(kept),
    )


def key_of(group: Mapping[str, Any]) -> str:
    """``GroupSpec.key`` of a node group's row."""
    return "" if group.get("is_default", True) else group_key(group["uuid"], group["name"])


def word_of(group: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """A node group in its nodes' host names; ``words`` are the engine's for the default groups."""
    return _word(group) or words[MASTER if group["role"] == MASTER else WORKER]


def _word(group: Mapping[str, Any]) -> str:
    return "" if group.get("is_default", True) else group_word(group["uuid"], group["name"])
