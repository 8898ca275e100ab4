"""How many SQL statements an answer costs: the same for one row and for a hundred."""

import contextlib

import pytest
import sqlalchemy as sa

from tests.support.stand import Stand


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A hundred clusters, two of them complete."""
    stand = Stand(tmp_path_factory.mktemp("many"), cluster__max_clusters_per_project=-1)
    template = stand.template()
    first = [stand.cluster(template) for _ in range(2)]
    for uuid in first:
        stand.converge(uuid)
    for _ in range(98):
        stand.cluster(template)
    stand.first = first[0]
    return stand


@contextlib.contextmanager
def counted(stand):
    """The statements that reach the database, without BEGIN and COMMIT."""
    seen = []

    def saw(_connection, _cursor, statement, *_rest):
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(statement)

    sa.event.listen(stand.database.engine, "before_cursor_execute", saw)
    yield seen
    sa.event.remove(stand.database.engine, "before_cursor_execute", saw)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("clusters", 2), ("clusters/detail", 2), ("bays/detail", 2), ("clusters?sort_key=name&sort_dir=desc", 2),
        ("clusters/{}", 2), ("bays/{}", 2), ("clusters/{}/nodes", 2), ("clusters/{}/events", 2),
        ("clustertemplates", 2), ("baymodels/detail", 2), ("certificates/{}", 2), ("certificates/{}/issued", 2),
    ],
)  # fmt: skip
def test_reads(many, path, most):
    with counted(many) as seen:
        answer = many.api.get(f"/v1/{path.format(many.first)}")
    if "{}" not in path:
        (rows,) = [v for v in answer.json.values() if isinstance(v, list)]
        assert len(rows) in {1, 100}
    assert 0 < len(seen) <= most, seen


def test_templates_that_were_listed_before_are_not_read_again(many):
    many.api.get("/v1/clustertemplates")
    with counted(many) as seen:
        many.api.get("/v1/clustertemplates")
    assert len(seen) == 1
    assert "image_id" not in seen[0]


def test_a_later_page_costs_one_more(many):
    following = many.api.get("/v1/clusters?limit=50").json["next"]
    with counted(many) as seen:
        assert len(many.api.get(following).json["clusters"]) == 50
    assert len(seen) <= 3, seen


def test_writes(many):
    with counted(many) as seen:
        uuid = many.cluster(
            {"uuid": many.api.get("/v1/clustertemplates").json["clustertemplates"][0]["uuid"]}
        )
    assert len(seen) <= 10, seen
    with counted(many) as seen:
        many.api.delete(f"/v1/clusters/{uuid}")
    assert len(seen) <= 4, seen


def test_a_settled_cluster_costs_little(many):
    """A hundred idle clusters must not keep a conductor busy."""
    from magnum_lite.conductor import work
    from magnum_lite.conductor.reconciler import reconcile
    from magnum_lite.db.schema import cluster

    with many.database.write() as connection:
        token = connection.execute(
            sa.select(cluster.c.fencing_token).where(cluster.c.uuid == many.first)
        ).scalar_one()
    with counted(many) as seen:
        held = work.claim(many.ports, many.first, token)
        work.release(held, reconcile(held))
    assert len(seen) <= 7, seen
