"""Use cases of limits per project. Administrators set them; a project's readers see their own."""

from typing import Any

from magnum_lite.context import Context
from magnum_lite.db import quotas as db
from magnum_lite.db.rows import Page, Row
from magnum_lite.errors import Conflict, Forbidden, InvalidInput, NotFound, Problem
from magnum_lite.models.quota import NewLimit
from magnum_lite.services.deps import Deps

_RESOURCE = "Cluster"


def page(deps: Deps, context: Context, wanted: Page, *, every: bool) -> list[Row]:
    """One page of limits that were set."""
    deps.policy.check(context, "quota:get_all")
    with deps.database.read() as connection:
        return db.page(connection, None if every else context.project_id, wanted)


def get(deps: Deps, context: Context, project_id: str, resource: str) -> Row:
    """A limit, or the default as if it were one. Raises Forbidden for another project's."""
    deps.policy.check(context, "quota:get", context.project_id)
    if not deps.policy.is_admin(context) and project_id != context.project_id:
        raise Forbidden("You may see the quota of your own project only.")
    _known(resource)
    with deps.database.read() as connection:
        found = db.find(connection, project_id, resource)
    default: Row = {"id": None, "project_id": project_id, "resource": resource}
    return found or default | {"hard_limit": deps.conf.cluster.max_clusters_per_project}


def _known(resource: str) -> None:
    if resource != _RESOURCE:
        raise InvalidInput(Problem("resource", f"must be {_RESOURCE}: nothing else is limited here"))


def create(deps: Deps, context: Context, values: dict[str, Any]) -> Row:
    """Set a limit. Raises NotFound (project), Conflict (there is one)."""
    deps.policy.check(context, "quota:create")
    deps.lookups.project(context, values["project_id"])
    with deps.database.write() as connection:
        if db.find(connection, values["project_id"], values["resource"]):
            raise Conflict(f"Project {values['project_id']} has a quota already; change that one.")
        return db.insert(connection, values)


def update(deps: Deps, context: Context, project_id: str, resource: str, wanted: NewLimit) -> Row:
    """Change a limit. Raises NotFound."""
    deps.policy.check(context, "quota:update")
    for field, there in (("project_id", project_id), ("resource", resource)):
        if getattr(wanted, field) not in {None, there}:
            raise InvalidInput(Problem(field, "is the URL's and can not be changed"))
    with deps.database.write() as connection:
        row = _found(db.find(connection, project_id, resource), project_id)
        return db.update(connection, row, wanted.hard_limit)


def delete(deps: Deps, context: Context, project_id: str, resource: str) -> None:
    """Forget a limit. Raises NotFound."""
    deps.policy.check(context, "quota:delete")
    with deps.database.write() as connection:
        db.delete(connection, _found(db.find(connection, project_id, resource), project_id))


def _found(row: Row | None, project_id: str) -> Row:
    if row is None:
        raise NotFound("Quota of project", project_id)
    return row
