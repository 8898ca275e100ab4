"""A copy of the database and the key-encryption key are the whole service: restored elsewhere, it goes on with the
bays that Heat and their nodes still have, also with those that were changed after the copy was made.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest
from sqlalchemy.engine import make_url

from magnum_lite.conductor.sweeper import sweep
from magnum_lite.db import migrations
from magnum_lite.db.session import Database
from magnum_lite.pki import keyring
from magnum_lite.pki.sealing import Sealer
from tests.functional.test_conductor import scale
from tests.support import packages, servers
from tests.support.stand import Stand


class Files:
    """SQLite: a file, copied by SQLite's own backup while it is in use."""

    def __init__(self, where):
        self.where = where

    def make(self, name):
        return f"sqlite:///{self.where / name}"

    def dump(self, url, into):
        live, copy = sqlite3.connect(make_url(url).database), sqlite3.connect(into)
        with contextlib.closing(live), contextlib.closing(copy):
            live.backup(copy)

    def restore(self, url, source):
        shutil.copy(source, make_url(url).database)


class Dumps:
    """A server's own programs."""

    def __init__(self, server):
        self.server, self.port = server, str(make_url(server.url).port)

    def make(self, name):
        self.create(name)
        return f"{self.server.url}/{name}"

    def run(self, command, *, given=None, into=None):
        done = subprocess.run(
            [str(c) for c in command],
            stdin=given,
            stdout=into or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]


class MariaDB(Dumps):
    def client(self, name):
        root = packages.unpacked("mariadb-dump", ("mariadb-client", "mariadb-client-core"))
        return [
            root / f"usr/bin/{name}",
            "--no-defaults",
            "-h127.0.0.1",
            f"-P{self.port}",
            f"-u{servers.USER}",
        ]

    def create(self, name):
        self.run([*self.client("mariadb"), "-e", f"CREATE DATABASE {name} CHARACTER SET utf8mb4"])

    def dump(self, url, into):
        command = [*self.client("mariadb-dump"), "--single-transaction", make_url(url).database]
        with into.open("wb") as out:
            self.run(command, into=out)

    def restore(self, url, source):
        with source.open("rb") as given:
            self.run([*self.client("mariadb"), make_url(url).database], given=given)


class PostgreSQL(Dumps):
    def client(self, name):
        return [packages.postgresql() / name, "-h", "127.0.0.1", "-p", self.port, "-U", servers.USER]

    def create(self, name):
        self.run([*self.client("psql"), "-d", "postgres", "-c", f"CREATE DATABASE {name}"])

    def dump(self, url, into):
        self.run([*self.client("pg_dump"), "--format=custom", "-f", into, make_url(url).database])

    def restore(self, url, source):
        self.run([*self.client("pg_restore"), "--exit-on-error", "-d", make_url(url).database, source])


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def databases(request, tmp_path_factory):
    if request.param == "sqlite":
        yield Files(tmp_path_factory.mktemp("databases"))
        return
    start, kind = {"mariadb": (servers.mariadb, MariaDB), "postgresql": (servers.postgresql, PostgreSQL)}[
        request.param
    ]
    with servers.scratch() as where, start(where) as server:
        yield kind(server)


def filled(where, url, key):
    database = Database(url)
    migrations.upgrade(database)
    return Stand(where, url, sealer=Sealer.from_files([key]), there=True)


def reborn(before, where, url, key):
    """Another host's service on the restored database; Heat and the nodes are where they were."""
    after = Stand(where, url, sealer=Sealer.from_files([key]), stacks=before.stacks, there=True)
    after.machines = before.machines
    for machine in after.machines.values():
        machine.door = after.door
    after.offset = before.offset + 1
    return after


def test_restored_elsewhere_it_goes_on(databases, tmp_path):
    key = tmp_path / "kek"
    keyring.create_key_file(key)
    before = filled(tmp_path, databases.make("one"), key)
    names = ("same", "scaled", "dropped", "growing")
    bays = {name: before.cluster(name=name) for name in names}
    for uuid in bays.values():
        assert before.converge(uuid)["status"] == "CREATE_COMPLETE"
    csr = next(iter(before.machines.values())).csr(name="me")
    old = before.api.post_json("/v1/certificates", {"cluster_uuid": bays["same"], "csr": csr}).json["pem"]
    scale(before, bays["growing"], 3)
    before.pass_once()  # the copy is made while Heat is at it

    copy, kept = tmp_path / "dump", tmp_path / "kek-copy"
    databases.dump(str(before.database.engine.url.render_as_string(hide_password=False)), copy)
    shutil.copy2(key, kept)

    # what the copy does not know
    before.converge(bays["growing"])
    scale(before, bays["scaled"], 4)
    assert len(before.settle(bays["scaled"])["node_addresses"]) == 4
    before.api.delete(f"/v1/clusters/{bays['dropped']}")
    assert before.converge(bays["dropped"]) is None
    late = before.cluster(name="late")
    before.converge(late)
    before.database.engine.dispose()
    os.unlink(key)

    url = databases.make("two")
    databases.restore(url, copy)
    assert migrations.differences(Database(url)) == []
    after = reborn(before, tmp_path, url, kept)
    authority = after.api.get(f"/v1/certificates/{bays['same']}").json["pem"]
    signed = after.api.post_json("/v1/certificates", {"cluster_uuid": bays["same"], "csr": csr}).json["pem"]
    assert signed != old
    assert "BEGIN CERTIFICATE" in authority
    scale(after, bays["same"], 3)
    assert after.settle(bays["same"])["status"] == "UPDATE_COMPLETE"
    scale(after, bays["scaled"], 1)
    found = after.settle(bays["scaled"])
    assert (found["status"], len(found["node_addresses"])) == ("UPDATE_COMPLETE", 1)

    # a node that enrolled after the copy is a stranger here: named at its deadline, replaced by the next update
    for _ in range(3):
        after.pass_once()
        after.boot()
    after.offset += after.conf.conductor.step_timeout + 1
    failed = after.converge(bays["growing"])
    assert failed["status"] == "UPDATE_FAILED"
    assert "worker-2" in failed["status_reason"]
    scale(after, bays["growing"], 4)
    assert after.settle(bays["growing"])["status"] == "UPDATE_COMPLETE"

    # the one that was deleted after the copy: its owner is told, and may delete it again
    scale(after, bays["dropped"], 3)

    def messages():
        found = after.api.get(f"/v1/clusters/{bays['dropped']}/events").json["events"]
        return " ".join(e["message"] for e in found)

    for _ in range(40):
        after.pass_once()
        if "somebody else deleted it" in messages():
            break
        after.offset += 5
    assert "somebody else deleted it" in messages()
    # the one that was made after it: a stack without a row is named, not removed
    assert late in " ".join(tag for stack in sweep(after.ports) for tag in stack.tags)
    for uuid in bays.values():
        after.api.delete(f"/v1/clusters/{uuid}")
        assert after.converge(uuid) is None


def test_without_the_key_it_is_worth_nothing(databases, tmp_path):
    key, other = tmp_path / "kek", tmp_path / "other"
    for path in (key, other):
        keyring.create_key_file(path)
    before = filled(tmp_path, databases.make("three"), key)
    uuid = before.cluster()
    before.converge(uuid)
    databases.dump(str(before.database.engine.url.render_as_string(hide_password=False)), tmp_path / "dump")
    url = databases.make("four")
    databases.restore(url, tmp_path / "dump")
    thief = reborn(before, tmp_path, url, other)
    csr = next(iter(before.machines.values())).csr(name="me")
    refused = thief.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, expect_errors=True)
    assert refused.status_int >= 400
    assert "CERTIFICATE" not in refused.text
