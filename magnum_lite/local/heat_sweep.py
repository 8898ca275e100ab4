"""Before Heat's engine starts: remove servers and load balancers that it made and then forgot.

A kill between "server created" and Heat's own record leaves a server that holds its port: updates
fail for a minute and deletion for ever. With one engine, which is not running, nothing is in flight,
so every server of the service user that no Heat resource names is such an orphan.
"""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from keystoneauth1.session import Session

from magnum_lite.local import catalog, heat, heat_sweep_balancers, state

LOG = logging.getLogger(__name__)


def sweep(settings: state.Settings) -> tuple[str, ...]:
    """Delete the orphans; their ids. Servers that a tenant made himself have his own user id.

    Raises keystoneauth's exceptions when Keystone or the local cloud does not answer.
    """
    database = heat.files(settings).database
    if not database.exists() or not catalog.was_ensured(settings):
        return ()  # nobody can have made a stack yet
    known = known_servers(database)
    removed = []
    for url, ident, session in _servers_of_service_user(settings):
        if ident not in known:
            session.delete(f"{url}/{ident}")
            LOG.warning("orphan_server_removed server_id=%s", ident)
            removed.append(ident)
    balancing = f"{settings.cloud_url}/load-balancer/v2.0/lbaas"
    for session in _projects(settings):
        removed += heat_sweep_balancers.sweep(balancing, known, session)
    return tuple(removed)


def known_servers(database: Path) -> frozenset[str]:
    """Ids of the physical resources that Heat's records name, of whatever type."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            # In spite of its name the column holds ids of resources of every type.
            "SELECT nova_instance FROM resource WHERE nova_instance IS NOT NULL"
        )
        return frozenset(str(row[0]) for row in rows)


def _projects(settings: state.Settings) -> Iterator[Session]:
    """Of the service user, one for each project."""
    administrator = catalog.administrator(settings)
    projects = administrator.get(f"{settings.keystone_url}/projects", params={"domain_id": "default"})
    for project in projects.json()["projects"]:
        if project["name"] != "admin" and project["enabled"]:  # nobody makes bays there
            yield catalog.user_session(settings, catalog.SERVICE_USER, project["name"])


def _servers_of_service_user(settings: state.Settings) -> Iterator[tuple[str, str, Session]]:
    servers = f"{settings.cloud_url}/compute/v2.1/servers"
    for session in _projects(settings):
        mine = session.get_user_id()
        for server in session.get(f"{servers}/detail").json()["servers"]:
            if server["user_id"] == mine:
                yield servers, server["id"], session
