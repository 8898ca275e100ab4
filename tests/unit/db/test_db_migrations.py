"""A database of an earlier version is brought to this one with what is in it, and back."""

import pytest
import sqlalchemy as sa

from alembic import command
from magnum_lite.db import migrations
from magnum_lite.db.session import Database, utcnow

CLUSTER, GROUP, NODE = "c" * 36, "g" * 36, "n" * 36


@pytest.fixture
def old(tmp_path):
    """A database as the first schema left it, with a cluster of one node."""
    database = Database(f"sqlite:///{tmp_path}/old.sqlite")
    migrations.upgrade(database, "0001")
    tables = sa.MetaData()
    tables.reflect(database.engine)
    ours = {
        "cluster": {"uuid": CLUSTER, "name": "bay", "project_id": "p", "status": "CREATE_COMPLETE"},
        "nodegroup": {"uuid": GROUP, "name": "default-worker", "cluster_id": CLUSTER, "image_id": "i"},
        "node": {"uuid": NODE, "cluster_id": CLUSTER, "nodegroup_id": GROUP, "identity": "PEM"},
        "authority": {"uuid": "a" * 36, "cluster_id": CLUSTER, "purpose": "cluster", "state": "active"},
    }
    with database.write() as connection:
        for name, values in ours.items():
            table = tables.tables[name]
            rest = {c.name: _any(c) for c in table.c if not c.nullable and c.name not in {"id", *values}}
            connection.execute(table.insert().values(rest | values))
    return database


def _any(column):
    kind = column.type
    if isinstance(kind, sa.JSON):
        return {}
    if isinstance(kind, sa.DateTime):
        return utcnow()
    return "x" if isinstance(kind, sa.String) else 0


def rows(database, table):
    with database.read() as connection:
        return connection.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()


def test_what_is_there_stays(old):
    assert migrations.differences(old)
    migrations.upgrade(old)
    assert migrations.differences(old) == []
    (cluster,), (node,) = rows(old, "cluster"), rows(old, "node")
    assert (cluster["uuid"], cluster["ca_epoch"], cluster["renewal"]) == (CLUSTER, 1, "1.1.1")
    assert (node["identity"], node["renewal"], node["engine_labels"]) == ("PEM", "1.1.1", "{}")
    assert rows(old, "nodegroup")[0]["deleting"] == 0
    assert (node["image_id"], node["make"], rows(old, "nodegroup")[0]["make"]) == ("i", "", "")
    assert rows(old, "authority")[0]["epoch"] == 1


@pytest.mark.parametrize(("imported", "balanced"), [(None, 0), ("magnum 16", None)])
def test_clusters_that_are_there_stay_without_a_load_balancer(old, imported, balanced):
    """They have none, whatever their template says; what others made is theirs to say."""
    migrations.upgrade(old, "0007")
    with old.write() as connection:
        connection.execute(sa.text("UPDATE cluster SET imported = :by"), {"by": imported})
    migrations.upgrade(old)
    (cluster,) = rows(old, "cluster")
    assert (cluster["master_lb_enabled"], cluster["lb_addresses"]) == (balanced, None)


def test_and_back(old):
    migrations.upgrade(old)
    command.downgrade(migrations._config(old), "0001")
    assert migrations.current(old) == "0001"
    assert rows(old, "node")[0]["labels_set"] == 0
    assert "ca_epoch" not in rows(old, "cluster")[0]
    migrations.upgrade(old)
    assert migrations.differences(old) == []
