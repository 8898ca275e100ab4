"""Leases, compare-and-swap, tokens and pages, on a database in a file with several connections."""

import threading

import pytest
import sqlalchemy as sa

from magnum_lite.db import clusters, events, leases, migrations, nodes, rows, schema, services
from magnum_lite.db.rows import Page
from magnum_lite.db.session import Database
from magnum_lite.errors import Ambiguous, NotFound, Stale
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.node import Node
from magnum_lite.models.views import new_row

UUID = "00000000-0000-4000-8000-{:012d}"


@pytest.fixture
def database(tmp_path):
    """Made by the migrations, as in production."""
    made = Database(f"sqlite:///{tmp_path}/db.sqlite")
    migrations.upgrade(made)
    return made


def cluster(database, number=1, **values):
    uuid = UUID.format(number)
    base = {"uuid": uuid, "name": f"c{number}", "stack_name": f"s{number}", "cluster_template_id": uuid,
            "project_id": "p", "user_id": "u", "coe": "swarm"}  # fmt: skip
    with database.write() as connection:
        clusters.insert(connection, new_row(Cluster, base | values))
    return uuid


def node(database, cluster_id, **values):
    base = {"uuid": UUID.format(900), "cluster_id": cluster_id, "nodegroup_id": UUID.format(800), "role": "worker",
            "index": 0, "hostname": "h", "token_hash": "hash"}  # fmt: skip
    with database.write() as connection:
        return nodes.insert(connection, new_row(Node, base | values))["uuid"]


def claim(database, uuid, token, owner="me", seconds=60.0):
    with database.write() as connection:
        return leases.claim(connection, uuid, token, owner, seconds)


def test_a_lease_is_taken_once(database):
    uuid = cluster(database)
    with database.read() as connection:
        assert leases.due(connection, 10) == [(uuid, 0)]
    row = claim(database, uuid, 0)
    assert (row["fencing_token"], row["lease_owner"]) == (1, "me")
    assert claim(database, uuid, 0) is None
    assert claim(database, uuid, 1) is None  # held
    with database.read() as connection:
        assert leases.due(connection, 10) == []
    with database.write() as connection:
        assert leases.extend(connection, uuid, 1, 120)
        assert not leases.extend(connection, uuid, 0, 120)
        assert leases.release(connection, uuid, 1, generation=1, wait=0.0, attempts=0)
    assert claim(database, uuid, 1)["fencing_token"] == 2


def test_one_of_many_gets_it(database):
    uuid = cluster(database)
    won, start = [], threading.Barrier(8)

    def contend(number):
        start.wait(10)
        if claim(database, uuid, 0, owner=str(number)):
            won.append(number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1


def test_an_expired_lease_passes_on_and_its_holder_is_fenced_off(database):
    uuid = cluster(database)
    claim(database, uuid, 0, owner="frozen", seconds=-1.0)
    assert claim(database, uuid, 1, owner="next")["fencing_token"] == 2
    with database.write() as connection:
        assert not clusters.observe(connection, uuid, 1, {"status_reason": "late"})
        assert not leases.release(connection, uuid, 1, generation=1, wait=0.0, attempts=0)
        assert not clusters.forget(connection, uuid, 1)
        assert clusters.by_uuid(connection, uuid)["status_reason"] is None
        assert clusters.observe(connection, uuid, 2, {"status_reason": "mine"})


def test_a_change_meanwhile_makes_it_due_at_once(database):
    uuid = cluster(database)
    claim(database, uuid, 0)
    with database.write() as connection:
        clusters.accept(connection, uuid, 1, "UPDATE", {})
        leases.release(connection, uuid, 1, generation=1, wait=3600.0, attempts=0)
        assert leases.due(connection, 10) == [(uuid, 1)]
    claim(database, uuid, 1)
    with database.write() as connection:
        leases.release(connection, uuid, 2, generation=2, wait=3600.0, attempts=3)
        assert leases.due(connection, 10) == []
        assert clusters.by_uuid(connection, uuid)["attempts"] == 3
        clusters.wake(connection, uuid)
        assert leases.due(connection, 10) == [(uuid, 2)]


def test_generations_are_compared_and_swapped(database):
    uuid = cluster(database)
    with database.write() as connection:
        assert clusters.accept(connection, uuid, 1, "UPDATE", {}) == 2
        with pytest.raises(Stale):
            clusters.accept(connection, uuid, 1, "DELETE", {})
        assert clusters.by_uuid(connection, uuid)["action"] == "UPDATE"


def test_a_failed_transaction_leaves_nothing(database):
    class Oops(Exception):
        pass

    with pytest.raises(Oops), database.write() as connection:
        clusters.insert(connection, new_row(Cluster, {
            "uuid": UUID.format(5), "name": "x", "stack_name": "x", "cluster_template_id": "x",
        }))  # fmt: skip
        raise Oops
    with database.read() as connection:
        assert clusters.by_uuid(connection, UUID.format(5)) is None


def test_the_longest_waiting_comes_first(database):
    for number, due in ((1, 30.0), (2, 10.0), (3, 20.0)):
        cluster(database, number, next_sync=due)
    with database.read() as connection:
        assert [u for u, _ in leases.due(connection, 2)] == [UUID.format(2), UUID.format(3)]


def test_tokens_are_spent_once(database):
    ident = node(database, cluster(database), sealed_token="sealed")
    with database.write() as connection:
        assert not nodes.use_token(connection, ident, "other", "key-1")
        assert nodes.use_token(connection, ident, "hash", "key-1")
        assert nodes.use_token(connection, ident, "hash", "key-1")
        assert not nodes.use_token(connection, ident, "hash", "key-2")
        assert nodes.get(connection, ident)["sealed_token"] is None


def test_reports_only_go_forward(database):
    ident = node(database, cluster(database))
    with database.write() as connection:
        assert nodes.report(connection, ident, 5.0, {"percent": 5})
        for old in (5.0, 4.0, float("nan")):
            assert not nodes.report(connection, ident, old, {"percent": 9})
        assert nodes.get(connection, ident)["percent"] == 5


def test_no_node_twice(database):
    uuid = cluster(database)
    node(database, uuid)
    with pytest.raises(sa.exc.IntegrityError):
        node(database, uuid, uuid=UUID.format(901))


def test_forgetting_takes_all_but_events(database):
    uuid = cluster(database)
    node(database, uuid)
    claim(database, uuid, 0)
    with database.write() as connection:
        events.add(connection, clusters.by_uuid(connection, uuid), "status", "x" * 10_000)
        assert clusters.forget(connection, uuid, 1)
        assert nodes.of_cluster(connection, uuid) == []
        (kept,) = events.page(connection, uuid, "p", after=0, limit=9)
        assert len(kept["message"]) == 8192
        assert events.page(connection, uuid, "other", after=0, limit=9) == []


def test_ids_are_never_used_again(database):
    """They are paging keys: a new row must not take the place of a deleted one."""
    first = cluster(database, 1)
    with database.write() as connection:
        before = clusters.by_uuid(connection, first)["id"]
        claimed = leases.claim(connection, first, 0, "me", 60)
        clusters.forget(connection, first, claimed["fencing_token"])
    second = cluster(database, 2)
    with database.read() as connection:
        assert clusters.by_uuid(connection, second)["id"] > before


def test_finding(database):
    one, two = cluster(database, 1, name="twin"), cluster(database, 2, name="twin", project_id="q")
    looks_like = cluster(database, 3, name=UUID.format(77))
    with database.read() as connection:
        assert clusters.get(connection, one.upper(), "p")["uuid"] == one
        assert clusters.get(connection, "twin", "p")["uuid"] == one
        assert clusters.get(connection, "twin", "q")["uuid"] == two
        assert clusters.get(connection, UUID.format(77), "p")["uuid"] == looks_like
        with pytest.raises(Ambiguous):
            clusters.get(connection, "twin", None)
        for ident, project in ((one, "q"), ("nobody", None), ("a\0", None), ("%", None), ("", None)):
            with pytest.raises(NotFound):
                clusters.get(connection, ident, project)


def test_pages_over_every_column_type(database):
    for number in range(1, 8):
        cluster(database, number, name=f"n{number % 2}", create_timeout=None if number % 3 else number,
                floating_ip_enabled=[None, True, False][number % 3])  # fmt: skip
    for key in ("id", "name", "create_timeout", "floating_ip_enabled", "created_at"):
        for down in (False, True):
            with database.read() as connection:
                every = [r["uuid"] for r in clusters.page(connection, "p", Page(100, None, key, down))]
                found, marker = [], None
                while part := clusters.page(connection, "p", Page(2, marker, key, down)):
                    found += [r["uuid"] for r in part]
                    marker = found[-1]
            assert found == every, (key, down)
            assert len(set(every)) == 7
    with database.read() as connection, pytest.raises(NotFound):
        rows.page(connection, schema.cluster, [], Page(1, UUID.format(99)), kind="Cluster")


def test_heartbeats(database):
    with database.write() as connection:
        for _ in range(3):
            services.beat(connection, "host", "magnum-conductor")
        (found,) = services.every(connection)
    assert found["report_count"] == 3
    assert 0 <= found["age"] < 60


def test_two_writers_wait_for_each_other(database):
    """BEGIN IMMEDIATE: two that read and then write would otherwise fail with "database is locked"."""
    uuid = cluster(database)
    failures = []

    def work():
        try:
            for _ in range(20):
                with database.write() as connection:
                    row = clusters.by_uuid(connection, uuid)
                    clusters.observe(connection, uuid, 0, {"attempts": row["attempts"] + 1})
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with database.read() as connection:
        assert clusters.by_uuid(connection, uuid)["attempts"] == 80
