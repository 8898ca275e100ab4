"""Writers on SQLite wait for one another instead of failing; keys are never used twice."""

import threading

import pytest
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine

from magnum_lite.local import heat_sweep, sqlite


@pytest.fixture
def hooks(monkeypatch):
    """Listeners that are taken away again, as they hold for the whole process."""
    added = []
    listen = event.listen

    def recording(target, name, function, **options):
        listen(target, name, function, **options)
        added.append((target, name, function))

    monkeypatch.setattr(sqlite.event, "listen", recording)
    yield
    for target, name, function in added:
        event.remove(target, name, function)


def engine(url):
    made = sqlalchemy.create_engine(url)

    # As oslo.db does: the driver's own BEGIN is off and a plain one is sent.
    @event.listens_for(made, "connect")
    def plain(connection, _record):
        connection.isolation_level = None

    @event.listens_for(made, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    return made


def test_read_then_write_in_parallel_never_fails(tmp_path, hooks):
    sqlite.install(foreign_keys=True)
    writer, _reader = sqlite.urls(tmp_path / "x.sqlite")
    mine = engine(writer)
    with mine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")
    failures = []

    def count():
        try:
            for _ in range(25):
                with mine.begin() as connection:
                    n = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                    connection.exec_driver_sql("UPDATE counter SET n = ?", (n + 1,))
        except sqlalchemy.exc.OperationalError as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with mine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 150
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_readers_are_not_made_writers(tmp_path, hooks):
    sqlite.install(foreign_keys=False)
    writer, reader = sqlite.urls(tmp_path / "x.sqlite")
    with engine(writer).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        with engine(reader).begin() as other:  # a second BEGIN IMMEDIATE would block for a minute
            assert other.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() == 0


def test_the_id_of_a_deleted_row_is_not_given_again(tmp_path, hooks):
    sqlite.install_for_making()
    mine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    metadata = sqlalchemy.MetaData()
    table = sqlalchemy.Table("t", metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True))
    metadata.create_all(mine)
    with mine.begin() as connection:
        first = connection.execute(table.insert()).inserted_primary_key[0]
        connection.execute(table.delete())
        assert connection.execute(table.insert()).inserted_primary_key[0] > first
    assert isinstance(mine, Engine)


def test_the_sweep_knows_every_server_that_a_record_names(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "heat.sqlite") as connection:
        connection.execute("CREATE TABLE resource (id INTEGER, nova_instance VARCHAR(255))")
        connection.execute("INSERT INTO resource VALUES (1, 'server-1'), (2, NULL), (3, 'port-1')")
    assert heat_sweep.known_servers(tmp_path / "heat.sqlite") == {"server-1", "port-1"}
