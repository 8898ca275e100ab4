"""Is there room in the project's quotas? Better said now than after half a bay."""

import dataclasses
from collections.abc import Sequence

from magnum_lite.context import Context
from magnum_lite.db.rows import Row
from magnum_lite.drivers import assembly, demand, stack
from magnum_lite.errors import QuotaExceeded
from magnum_lite.services.deps import Deps


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """What a change takes of one quota; ``limit`` and ``left`` are None where there is no limit."""

    resource: str
    needed: int
    limit: int | None = None
    left: int | None = None

    @property
    def suffices(self) -> bool:
        """Whether it fits."""
        return self.left is None or self.needed <= self.left


def needs(
    deps: Deps,
    context: Context,
    cluster: Row,
    groups: Sequence[Row],
    *,
    more: Sequence[int],
    new: bool = False,
) -> list[Need]:
    """What ``more`` nodes of each group need, beside what is left; with what a ``new`` cluster needs besides.
    RAM in MiB, volumes in GiB.
    """
    need: dict[str, int] = {}
    for group, count in zip(groups, more, strict=True):
        if count <= 0:
            continue
        flavor = deps.lookups.flavor(context, group["flavor_id"])
        nodes = demand.of_nodes(cluster, group, count, vcpus=flavor.vcpus, ram=flavor.ram)
        for name, amount in nodes.items():
            need[name] = need.get(name, 0) + amount
    got = assembly.effective(cluster, cluster["template"])
    if new and got["master_lb_enabled"]:
        need["load_balancers"] = 1
        outside = stack.lb_floating(got["labels"], nodes=bool(got["floating_ip_enabled"]))
        if outside and got["external_network_id"]:
            need["floating_ips"] = need.get("floating_ips", 0) + 1
    if not need:
        return []
    found = deps.lookups.room(context, need.keys())
    out = []
    for name, count in need.items():
        allowance = found.get(name)
        limit, left = (allowance.limit, allowance.left) if allowance else (None, None)
        out.append(Need(name, count, limit, left))
    return out


def check(needed: Sequence[Need]) -> None:
    """Raise QuotaExceeded naming every resource that does not suffice."""
    short = [f"{n.resource}: {n.needed} needed, {n.left} left" for n in needed if not n.suffices]
    if short:
        raise QuotaExceeded(f"The project's quota does not suffice ({'; '.join(short)}).")
