"""From rows to the value that drivers take: which value holds where cluster and template both
have one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from magnum_lite.drivers.contract import MASTER, ClusterSpec, DoorSpec, GroupSpec

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


def cluster_spec(
    cluster: Mapping[str, Any],
    groups: Sequence[Mapping[str, Any]],
    *,
    door: DoorSpec,
    credentials: Mapping[str, Mapping[int, str]] | None = None,
    longest_timeout: int,
) -> ClusterSpec:
    """``credentials``: per node group uuid, index → credential. ``longest_timeout`` in minutes."""
    template = cluster["template"]
    got = effective(cluster, template)
    return ClusterSpec(
        uuid=cluster["uuid"],
        name=cluster["name"],
        stack_name=cluster["stack_name"],
        timeout_mins=min(cluster.get("create_timeout") or longest_timeout, longest_timeout),
        groups=tuple(
            GroupSpec(
                name=g["name"],
                role=MASTER if g["role"] == MASTER else "worker",
                count=g["node_count"],
                flavor=g["flavor_id"] or "",
                image=g["image_id"] or got["image_id"],
                docker_volume_size=g.get("docker_volume_size"),
                removed_indices=tuple(sorted(g.get("removed_indices") or ())),
                credentials=dict((credentials or {}).get(g["uuid"], {})),
            )
            for g in groups
        ),
        door=door,
        labels=got["labels"],
        ssh_public_key=cluster.get("ssh_public_key"),
        external_network=got.get("external_network_id"),
        fixed_network=got.get("fixed_network"),
        fixed_subnet=got.get("fixed_subnet"),
        dns_nameservers=tuple(d.strip() for d in (got.get("dns_nameserver") or "").split(",") if d.strip()),
        floating_ip_enabled=bool(got.get("floating_ip_enabled")) and bool(got.get("external_network_id")),
        docker_storage_driver=got.get("docker_storage_driver") or "overlay2",
        volume_driver=got.get("volume_driver"),
        http_proxy=got.get("http_proxy"),
        https_proxy=got.get("https_proxy"),
        no_proxy=got.get("no_proxy"),
        insecure_registry=got.get("insecure_registry"),
    )
