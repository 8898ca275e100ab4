"""Pages walk an index: their statements as the service builds them, before the planner of SQLite (those of
MariaDB and PostgreSQL are in ``benchmarks/results.md``).
"""

import contextlib

import pytest
import sqlalchemy as sa

from magnum_lite.db import cluster_templates, clusters, migrations, nodegroups, schema
from magnum_lite.db.rows import Page
from magnum_lite.db.session import Database
from magnum_lite.errors import NotFound
from tests.unit.db.test_db_rows import UUID, cluster

ORDERS = ("id", "name", "status", "created_at")
MANY = 300


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Some hundred clusters of two projects, most of them with the same status."""
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('plans')}/db.sqlite")
    migrations.upgrade(made)
    for number in range(1, MANY + 1):
        status = "CREATE_COMPLETE" if number % 50 else "UPDATE_FAILED"
        cluster(made, number, name=f"c{number % 7}", status=status, project_id="p" if number % 3 else "q")
    with made.write() as connection:
        connection.exec_driver_sql("ANALYZE")
    return made


def explained(database, call):
    """The plan of the last statement that ``call`` makes."""
    seen = []

    def saw(_connection, _cursor, statement, parameters, *_rest):
        seen.append((statement, parameters))

    with database.read() as connection:
        sa.event.listen(database.engine, "before_cursor_execute", saw)
        call(connection)
        sa.event.remove(database.engine, "before_cursor_execute", saw)
        statement, parameters = seen[-1]
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("marker", [None, UUID.format(MANY // 2 + 1)], ids=["first", "behind"])
@pytest.mark.parametrize("project", ["p", None], ids=["member", "admin"])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_clusters(database, order, project, marker, down):
    plan = explained(
        database, lambda c: clusters.page(c, project, Page(10, marker, order, down), detail=False)
    )
    walks = [step for step in plan if "cluster" in step]
    assert walks
    assert "TEMP B-TREE" not in " ".join(plan), plan
    for step in walks:
        assert "INDEX" in step or "PRIMARY KEY" in step or (order == "id" and project is None), plan
        if marker and order != "id":  # among equals by the id, else by the value
            assert ">?" in step or "<?" in step, plan


@pytest.mark.parametrize(
    "call",
    [
        lambda c: clusters.by_uuid(c, UUID.format(1)),
        lambda c: clusters.get(c, "nobody", "p"),
        lambda c: clusters.count(c, "p"),
        lambda c: nodegroups.sizes(c, [UUID.format(1), UUID.format(2)], addresses=True),
        lambda c: nodegroups.of_clusters(c, [UUID.format(1)]),
        lambda c: cluster_templates.is_used(c, UUID.format(1)),
    ],
    ids=["uuid", "name", "count", "sizes", "groups", "used"],
)
def test_what_is_looked_up(database, call):
    def tried(connection):
        with contextlib.suppress(NotFound):
            call(connection)

    for step in explained(database, tried):
        assert not step.startswith("SCAN"), step


def test_every_listed_order_has_its_indexes():
    have = {tuple(c.name for c in index.columns) for index in schema.cluster.indexes}
    assert {("project_id", *([] if o == "id" else [o]), "id") for o in ORDERS} <= have
    assert {(o, "id") for o in ORDERS if o != "id"} <= have
