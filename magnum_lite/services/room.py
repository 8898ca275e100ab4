"""Is there room in the project's compute quota? Better said now than after half a bay."""

from collections.abc import Sequence

from magnum_lite.context import Context
from magnum_lite.db.rows import Row
from magnum_lite.errors import QuotaExceeded
from magnum_lite.services.deps import Deps


def check(deps: Deps, context: Context, groups: Sequence[Row], *, more: Sequence[int] | None = None) -> None:
    """Raise QuotaExceeded naming every resource that does not suffice.

    ``more``: new nodes per group; all of their nodes if absent.
    """
    counts = [g["node_count"] for g in groups] if more is None else list(more)
    need = {"instances": 0, "cores": 0, "ram": 0}
    for group, count in zip(groups, counts, strict=True):
        if count <= 0:
            continue
        flavor = deps.lookups.flavor(context, group["flavor_id"])
        need["instances"] += count
        need["cores"] += count * flavor.vcpus
        need["ram"] += count * flavor.ram
    if not need["instances"]:
        return
    left = deps.lookups.room(context)
    short = [
        f"{name}: {need[name]} needed, {have} left"
        for name, have in (("instances", left.instances), ("cores", left.cores), ("ram", left.ram))
        if have is not None and need[name] > have
    ]
    if short:
        raise QuotaExceeded(f"The project's quota does not suffice ({'; '.join(short)}).")
