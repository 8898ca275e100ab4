"""Limits per project and what is used of them, and the refusals in each API's own words.

Counted from the records, inside the same transaction that adds one: two requests at once can not
both take the last place.
"""

from collections.abc import Mapping

from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.settings import CloudSettings
from magnum_lite.local.cloud.store import Store

#: Kinds of the network API that are limited: quota name to field of the settings.
NETWORK_LIMITS = {"network": "networks", "floatingip": "floatingips"}
#: Kinds of the network API that are counted but not limited.
NETWORK_COUNTED = ("subnet", "port", "router", "security_group", "security_group_rule")


class Quota:
    """Usage and limits of projects."""

    def __init__(self, settings: CloudSettings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def compute(self, project: str) -> dict[str, tuple[int, int]]:
        """Used and limit of instances, cores and ram (MiB)."""
        flavors = [
            self._settings.flavor(server["flavor_id"]) for server in self._store.list("server", project)
        ]
        limits = self._settings.quotas
        return {
            "instances": (len(flavors), limits.instances),
            "cores": (sum(flavor.vcpus for flavor in flavors if flavor), limits.cores),
            "ram": (sum(flavor.ram_mib for flavor in flavors if flavor), limits.ram_mib),
        }

    def volume(self, project: str) -> dict[str, tuple[int, int]]:
        """Used and limit of volumes and gigabytes."""
        volumes = self._store.list("volume", project)
        limits = self._settings.quotas
        return {
            "volumes": (len(volumes), limits.volumes),
            "gigabytes": (sum(volume["size"] for volume in volumes), limits.gigabytes),
        }

    def network(self, project: str) -> dict[str, tuple[int, int]]:
        """Used and limit of each kind of the network API."""
        limits = {kind: int(getattr(self._settings.quotas, field)) for kind, field in NETWORK_LIMITS.items()}
        return {
            kind: (len(self._store.list(kind, project)), limits.get(kind, -1))
            for kind in (*NETWORK_LIMITS, *NETWORK_COUNTED)
        }

    def balancers(self, project: str) -> tuple[int, int]:
        """Used and limit of load balancers; what they are made of is not limited."""
        return len(self._store.list("loadbalancer", project)), self._settings.quotas.loadbalancers

    def check_balancers(self, project: str) -> None:
        """Raises Fault 403 in Octavia's words."""
        if _over(self.balancers(project), 1):
            raise Fault(403, "Quota has been met for resources: Load Balancer")

    def check_compute(self, project: str, wanted: Mapping[str, int]) -> None:
        """Raises Fault 403 in Nova's words."""
        used = self.compute(project)
        over = [name for name in ("cores", "instances", "ram") if _over(used[name], wanted[name])]
        if over:
            asked, taken, most = (
                [str(of[name]) for name in over] for of in (wanted, _used(used), _limits(used))
            )
            raise Fault(
                403,
                f"Quota exceeded for {', '.join(over)}: Requested {', '.join(asked)}, "
                f"but already used {', '.join(taken)} of {', '.join(most)} {', '.join(over)}",
            )

    def check_volume(self, project: str, gigabytes: int, *, count: int = 1) -> None:
        """Raises Fault 413 in Cinder's words."""
        used = self.volume(project)
        if _over(used["volumes"], count):
            raise Fault(
                413,
                "VolumeLimitExceeded: Maximum number of volumes allowed "
                f"({used['volumes'][1]}) exceeded for quota 'volumes'.",
            )
        if _over(used["gigabytes"], gigabytes):
            taken, most = used["gigabytes"]
            raise Fault(
                413,
                "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes "
                f"quota. Requested {gigabytes}G, quota is {most}G and {taken}G has been consumed.",
            )

    def check_network(self, project: str, kind: str) -> None:
        """Raises Fault 409 in Neutron's words."""
        if kind in NETWORK_LIMITS and _over(self.network(project)[kind], 1):
            raise Fault(409, f"Quota exceeded for resources: ['{kind}'].", "OverQuota")


def _over(usage: tuple[int, int], wanted: int) -> bool:
    used, limit = usage
    return 0 <= limit < used + wanted


def _used(usage: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {name: used for name, (used, _) in usage.items()}


def _limits(usage: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {name: limit for name, (_, limit) in usage.items()}
