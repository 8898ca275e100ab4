"""What nodes take of a project's quotas."""

from collections.abc import Mapping
from typing import Any

from magnum_lite.drivers import assembly
from magnum_lite.drivers.contract import MASTER
from magnum_lite.models import labels


def of_nodes(
    cluster: Mapping[str, Any], group: Mapping[str, Any], count: int, *, vcpus: int, ram: int
) -> dict[str, int]:
    """Of so many nodes of a group, by the names of ``cloud.lookups``. RAM in MiB, volumes in GiB."""
    got = assembly.effective(cluster, cluster["template"])
    need = {"instances": count, "cores": count * vcpus, "ram": count * ram}
    etcd = int(labels.value_for(got["labels"], "etcd_volume_size", cluster["coe"]) or 0)
    boot = assembly.boot_volume(cluster, group).get("size")
    sizes = [s for s in (group["docker_volume_size"], boot, etcd if group["role"] == MASTER else 0) if s]
    if sizes:
        need |= {"volumes": count * len(sizes), "gigabytes": count * sum(sizes)}
    if got["floating_ip_enabled"] and got["external_network_id"]:
        need["floating_ips"] = count
    return {name: amount for name, amount in need.items() if amount > 0}
