"""What reading costs a database server, and what it takes when its connections break."""

import contextlib
import dataclasses
import time

import pytest
import sqlalchemy as sa
import webtest

from magnum_lite.api.app import bare_application
from magnum_lite.db import migrations, session
from magnum_lite.db.session import Database
from tests.support import servers
from tests.support.stand import Stand, headers

_KILL = {
    "mysql": "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE db = 'lite'",
    "postgresql": "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity "
    "WHERE datname = 'lite'",
}


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def server(request):
    """Someone who watches the server, and the URL of an empty database there."""
    with servers.scratch() as place, getattr(servers, request.param)(place) as running:
        own = "/postgres" if request.param == "postgresql" else ""
        silent = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
        watcher = sa.create_engine(running.url + own, **silent)
        with watcher.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE lite")
        yield watcher, f"{running.url}/lite"
        watcher.dispose()


@pytest.fixture(scope="module")
def api(server, tmp_path_factory):
    """The API on it, with one template."""
    stand = Stand(tmp_path_factory.mktemp("reading"))
    database = Database(server[1])
    migrations.upgrade(database)
    deps = dataclasses.replace(stand.deps, database=database)
    api = webtest.TestApp(bare_application(deps), extra_environ=headers())
    api.post_json("/v1/clustertemplates", {"name": "t", "coe": "swarm", "image_id": "fedora-atomic-23"})
    yield api
    database.engine.dispose()
    database.reading.dispose()


def broken(watcher):
    """Break every connection of the service; the server has closed them when this returns."""
    deadline = time.monotonic() + 30
    with watcher.connect() as connection:
        while found := connection.exec_driver_sql(_KILL[watcher.dialect.name]).scalars().all():
            assert time.monotonic() < deadline
            for command in found:
                with contextlib.suppress(sa.exc.DBAPIError):  # it is gone already
                    connection.exec_driver_sql(command).close()


def statements(watcher):
    """What the server has done so far, by kind."""
    with watcher.connect() as connection:
        return {
            name: int(value)
            for name, value in connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Com%%'")
            if name in {"Com_select", "Com_begin", "Com_commit", "Com_rollback", "Com_set_option", "Com_admin_commands"}
        }  # fmt: skip


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)  # PostgreSQL does not count them
def test_reading_is_nothing_but_its_selects(server, api):
    watcher, _ = server
    for _ in range(3):  # the last one finds a connection that has just been used
        before = statements(watcher)
        assert len(api.get("/v1/clustertemplates").json["clustertemplates"]) == 1
        after = statements(watcher)
    assert {k: after[k] - n for k, n in before.items() if after[k] != n} == {"Com_select": 1}


@pytest.mark.parametrize("rested", [0.0, 3600.0], ids=["after a rest", "between two requests"])
def test_a_broken_connection_costs_a_reader_nothing(server, api, monkeypatch, rested):
    monkeypatch.setattr(session, "_RESTED", rested)
    assert api.get("/v1/clustertemplates").status_int == 200
    broken(server[0])
    assert len(api.get("/v1/clustertemplates").json["clustertemplates"]) == 1


def test_nor_a_writer(server, api):
    broken(server[0])
    template = api.get("/v1/clustertemplates").json["clustertemplates"][0]["uuid"]
    broken(server[0])
    patch = [{"op": "replace", "path": "/flavor_id", "value": "m1.small"}]
    assert api.patch_json(f"/v1/clustertemplates/{template}", patch).json["flavor_id"] == "m1.small"
    assert api.get(f"/v1/clustertemplates/{template}").json["flavor_id"] == "m1.small"
