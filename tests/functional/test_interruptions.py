"""Real databases that end our transactions: deadlocks, killed connections, lost commits, restarts."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from magnum_lite.db import interruptions, migrations, quotas, services
from magnum_lite.db.interruptions import Interrupted, again
from magnum_lite.db.schema import quota, service
from magnum_lite.db.session import Database
from tests.support import servers
from tests.support.machine import eventually
from tests.support.stand import Stand

pytestmark = pytest.mark.timeout(300)
FIRST, SECOND = "1" * 32, "2" * 32


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def server(request):
    with servers.scratch() as place, getattr(servers, request.param)(place) as found:
        found.magnum = servers.create_database(Path(sys.executable), found.url, "magnum")
        found.admin = sa.create_engine(found.magnum, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        migrations.upgrade(Database(found.magnum, seconds=None))
        yield found
        found.admin.dispose()


@pytest.fixture
def database(server):
    """With a quota of 1 for each of two projects."""
    found = Database(server.magnum)
    with found.write() as connection:
        connection.execute(quota.delete())
        for project in (FIRST, SECOND):
            limit(connection, project, 1)
    yield found
    found.engine.dispose()
    found.reading.dispose()


def limit(connection, project, value):
    quotas.insert(connection, {"project_id": project, "resource": "Cluster", "hard_limit": value})


def set_limit(connection, project, value):
    connection.execute(quota.update().where(quota.c.project_id == project).values(hard_limit=value))


def limits(database):
    with database.read() as connection:
        return {
            r.project_id: r.hard_limit for r in connection.execute(sa.select(quota)) if r.hard_limit < 100
        }


def kill_connection(server, connection):
    """As an operator, or a proxy before the database, would."""
    mysql = connection.dialect.name == "mysql"
    own = connection.exec_driver_sql(
        "SELECT connection_id()" if mysql else "SELECT pg_backend_pid()"
    ).scalar_one()
    with server.admin.connect() as admin:
        admin.exec_driver_sql(f"KILL {own}" if mysql else f"SELECT pg_terminate_backend({own})")


class Twice:
    """Work in one transaction, which counts how often it is done; ``disturb`` comes in the first one."""

    def __init__(self, database, disturb):
        self.database, self.disturb, self.times = database, disturb, 0

    def __call__(self):
        self.times += 1
        with self.database.write() as connection:
            set_limit(connection, FIRST, 7)
            if self.times == 1:
                self.disturb(connection)
            set_limit(connection, SECOND, 8)


def test_a_deadlock_is_done_again(server, database):
    held, go_on = threading.Event(), threading.Event()
    more = Database(server.magnum)
    with more.write() as connection:
        for number in range(100, 200):  # whoever changed less is ended
            limit(connection, f"{number:032}", number)

    def other():
        with server.admin.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            if connection.dialect.name == "postgresql":  # whoever looks first is ended
                connection.exec_driver_sql("SET deadlock_timeout = '30s'")
            connection.execute(quota.update().where(quota.c.hard_limit >= 100).values(hard_limit=500))
            set_limit(connection, SECOND, 3)
            held.set()
            go_on.wait(20)
            set_limit(connection, FIRST, 3)
            connection.commit()

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(20)
    work = Twice(database, lambda _: (go_on.set(), time.sleep(0.3)))
    again(work)
    thread.join(20)
    assert work.times == 2
    assert limits(database) == {FIRST: 7, SECOND: 8}


def test_a_lock_that_is_held_too_long_is_waited_for_again(server, database):
    holder = server.admin.connect().execution_options(isolation_level="READ COMMITTED")
    set_limit(holder, SECOND, 3)

    def shorter(connection):
        mysql = connection.dialect.name == "mysql"
        connection.exec_driver_sql(
            "SET SESSION innodb_lock_wait_timeout = 1" if mysql else "SET LOCAL lock_timeout = '1s'"
        )
        threading.Timer(1.3, holder.rollback).start()

    work = Twice(database, shorter)
    again(work)
    holder.close()
    assert work.times == 2
    assert limits(database) == {FIRST: 7, SECOND: 8}


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # MariaDB calls it a deadlock
def test_a_serialization_failure_is_done_again(server, database):
    times = []

    def work():
        times.append(1)
        with database.write() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            seen = connection.execute(
                sa.select(quota.c.hard_limit).where(quota.c.project_id == FIRST)
            ).scalar_one()
            if len(times) == 1:
                with server.admin.connect() as admin:
                    set_limit(admin, FIRST, 40)
            set_limit(connection, FIRST, seen + 1)

    again(work)
    assert len(times) == 2
    assert limits(database)[FIRST] == 41, "nothing of the other's change is lost"


def test_a_killed_connection_is_another_try(server, database):
    work = Twice(database, lambda connection: kill_connection(server, connection))
    again(work)
    assert work.times == 2
    assert limits(database) == {FIRST: 7, SECOND: 8}


def test_what_was_stored_before_is_not_done_again(server, database):
    times = []

    def work():
        times.append(1)
        with database.write() as connection:
            set_limit(connection, FIRST, 20 + len(times))
        with database.write() as connection:
            kill_connection(server, connection)
            set_limit(connection, SECOND, 9)

    with pytest.raises(Interrupted, match="database"):
        again(work)
    assert len(times) == 1
    assert limits(database) == {FIRST: 21, SECOND: 1}


def test_a_commit_without_an_answer_is_told_as_one(server, database):
    times = []

    def killer(connection):
        kill_connection(server, connection)

    def work():
        times.append(1)
        with database.write() as connection:
            set_limit(connection, FIRST, 30)

    sa.event.listen(database.engine, "commit", killer)
    try:
        with pytest.raises(Interrupted, match="may have been stored") as found:
            again(work)
    finally:
        sa.event.remove(database.engine, "commit", killer)
    assert not found.value.certain
    assert len(times) == 1


def test_connections_that_died_in_the_pool_hurt_nobody(server, database):
    for _ in range(3):
        with database.write() as writing, database.engine.connect() as more:
            set_limit(writing, FIRST, 5)
            more.exec_driver_sql("SELECT 1")
        with database.read() as connection, server.admin.connect() as admin:
            connection.exec_driver_sql("SELECT 1")
            listed = "SELECT id FROM information_schema.processlist WHERE id <> connection_id()"
            if connection.dialect.name == "postgresql":
                own = "pid <> pg_backend_pid() AND datname = 'magnum'"
                admin.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}")
            else:
                for (number,) in admin.exec_driver_sql(f"{listed} AND user = 'magnum'").all():
                    admin.exec_driver_sql(f"KILL {number}")
        assert again(lambda: limits(database))[FIRST] == 5


def test_mistakes_are_not_interruptions(database):
    with pytest.raises(sa.exc.ProgrammingError), database.write() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        limit(connection, FIRST, 1)
    assert interruptions.interrupted(sa.exc.ArgumentError("x")) is None


GREEN = """
import sys
from magnum_lite import concurrency
concurrency.choose("eventlet")
import threading, time
from magnum_lite.db.session import Database
database = Database(sys.argv[1])
ticks = []
def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()
mysql = database.engine.dialect.name == "mysql"
with database.read() as connection:
    before = len(ticks)
    connection.exec_driver_sql("SELECT SLEEP(1)" if mysql else "SELECT pg_sleep(1)")
    print(len(ticks) - before)
"""


def test_a_slow_query_does_not_hold_up_green_threads(server):
    command = [sys.executable, "-W", "ignore", "-c", GREEN, server.magnum]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 20, "a hundred in that second, if the machine is idle"


def test_a_database_that_is_away_is_503_with_its_name(server, tmp_path):
    stand = Stand(tmp_path, url=server.magnum)
    made = stand.template()
    server.kill()
    try:
        for answer in (
            stand.api.get("/v1/clustertemplates", expect_errors=True),
            stand.api.post_json("/v1/clustertemplates", {"name": "x"} | {
                k: made[k] for k in ("coe", "image_id", "flavor_id", "external_network_id")
            }, expect_errors=True),
            stand.api.delete(f"/v1/clustertemplates/{made['uuid']}", expect_errors=True),
        ):  # fmt: skip
            assert answer.status_int == 503
            assert "database service does not answer" in answer.json["errors"][0]["detail"]
            assert "127.0.0.1" not in answer.text and "magnum@" not in answer.text
            assert int(answer.headers["Retry-After"]) > 0
        assert stand.door.post_json(
            "/v1/enrol", {"node_id": made["uuid"]}, expect_errors=True
        ).status_int in {401, 503}
    finally:
        server.start()
    eventually(
        "served again",
        lambda: stand.api.get("/v1/clustertemplates", expect_errors=True).status_int == 200,
        20,
    )
    stand.api.delete(f"/v1/clustertemplates/{made['uuid']}")


def test_two_conductors_of_a_host_have_their_first_heartbeat_at_once(server, database):
    second = threading.Thread(target=lambda: beat(database))
    with database.write() as connection:
        services.beat(connection, "host", "magnum-conductor")
        second.start()
        eventually("the second waits", lambda: waits_for_a_lock(server), 20)
    second.join(20)
    with database.write() as connection:
        (found,) = services.every(connection)
        connection.execute(service.delete())
    assert found["report_count"] == 2


def beat(database):
    with database.write() as connection:
        services.beat(connection, "host", "magnum-conductor")


def waits_for_a_lock(server):
    mysql = server.magnum.startswith("mysql")
    with server.admin.connect() as admin:
        found = admin.exec_driver_sql(
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
            if mysql
            else "SELECT count(*) FROM pg_locks WHERE NOT granted"
        )
        return found.scalar_one() > 0
