"""What operators look at: numbers, and which conductors are alive."""

from magnum_lite.context import Context
from magnum_lite.db import clusters, services
from magnum_lite.db.rows import Row
from magnum_lite.errors import Forbidden
from magnum_lite.services.deps import Deps


def stats(deps: Deps, context: Context, project_id: str | None) -> dict[str, int]:
    """Clusters and nodes of a project; of all of them for an administrator who names none."""
    deps.policy.check(context, "stats:get_all")
    if not deps.policy.is_admin(context):
        project_id = project_id or context.project_id
        if project_id != context.project_id:
            raise Forbidden("You may see the numbers of your own project only.")
    with deps.database.read() as connection:
        return clusters.numbers(connection, project_id)


def conductors(deps: Deps, context: Context) -> list[Row]:
    """Every conductor that ever beat, with ``state``."""
    deps.policy.check(context, "magnum-service:get_all")
    limit = deps.conf.conductor.down_after
    with deps.database.read() as connection:
        found = services.every(connection)
    return [row | {"state": "up" if row["age"] <= limit else "down"} for row in found]
