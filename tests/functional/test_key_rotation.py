"""The key-encryption key is exchanged while conductors sign, enrol and scale; the command is killed and run again."""

import random
import signal
import subprocess
import sys
import threading

import pytest

from magnum_lite.cmd import manage
from magnum_lite.conductor import resealing
from magnum_lite.db import schema, sealed
from magnum_lite.db.session import Database
from magnum_lite.pki import keyring
from magnum_lite.pki.errors import KeyFileError
from magnum_lite.pki.sealing import Sealer
from tests.functional.test_conductor import scale
from tests.support.stand import SimulatedNode, Stand

# The command, which kills itself (as kill -9 does) after it has replaced so many rows, within a transaction.
_DYING = """
import os, signal, sys
from magnum_lite.cmd import manage
from magnum_lite.db import sealed

left, replace = int(sys.argv.pop(1)), sealed.replace

def counted(*arguments):
    global left
    done, left = replace(*arguments), left - 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

sealed.replace = counted
sys.exit(manage.main(sys.argv[1:]))
"""
_WHOLE = ["-m", "magnum_lite.cmd.manage"]


class Site:
    """A service with its key file, its database file, and the operator's command."""

    def __init__(self, where):
        self.key = where / "kek"
        keyring.create_key_file(self.key)
        self.url = f"sqlite:///{where / 'magnum.sqlite'}"
        self.config = where / "magnum_lite.conf"
        self.config.write_text(
            f"[database]\nconnection = {self.url}\n[certificates]\nkek_file = {self.key}\n"
        )
        self.stand = Stand(
            where, self.url, sealer=Sealer.from_files([self.key]), cluster__max_clusters_per_project=-1
        )

    def command(self, *words):
        return manage.main(["--config-file", str(self.config), "keys", *words])

    def process(self, *words, rows=0):
        """What the command returns and says; with ``rows``, it is killed when it has replaced so many."""
        program = ["-c", _DYING, str(rows)] if rows else _WHOLE
        command = [
            sys.executable,
            "-W",
            "ignore",
            *program,
            "--config-file",
            str(self.config),
            "keys",
            *words,
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.returncode, done.stdout.decode()

    def uses(self):
        return resealing.uses(Database(self.url))

    def sign(self, uuid, csr):
        made = self.stand.api.post_json(
            "/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, expect_errors=True
        )
        assert made.status_int == 201, made.text


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def csr(site):
    return SimulatedNode(site.stand.door, "a:b", "worker").csr(name="me")


def test_everything_sealed_is_known():
    """A column that is sealed and not listed would be lost with the old key."""
    named = {
        (table.name, column.name)
        for table in schema.metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.name
    }
    assert named == sealed.columns()


def test_step_by_step(site, csr, capsys):
    uuid = site.stand.cluster()
    site.stand.converge(uuid)
    [old] = site.uses()
    assert site.command("add") == 0
    new = keyring.key_id(keyring.read(site.key)[-1])
    site.sign(uuid, csr)
    assert set(site.uses()) == {old}, "a key that was only added seals nothing"
    assert site.command("promote", new) == 0
    second = site.stand.cluster()
    site.stand.converge(second)
    assert set(site.uses()) == {old, new}, "the running conductor follows the file by itself"
    capsys.readouterr()
    assert site.command("retire", old) == 1
    assert "reseal first" in capsys.readouterr().err
    assert site.command("retire", new) == 1
    assert site.command("reseal") == 0
    assert set(site.uses()) == {new}
    assert site.command("list") == 0
    assert f"{old}  opens  0 sealed" in capsys.readouterr().out
    assert site.command("retire", old) == 0
    assert (site.key.with_name(f"kek.retired-{old}").stat().st_mode & 0o777) == 0o600
    assert [keyring.key_id(k) for k in keyring.read(site.key)] == [new]
    for cluster in (uuid, second):
        site.sign(cluster, csr)
    scale(site.stand, uuid, 3)
    assert site.stand.settle(uuid)["status"] == "UPDATE_COMPLETE"


def test_two_files_at_two_hosts(site, csr, tmp_path):
    """The conductor whose file is behind opens all that was sealed, as long as the key is added first everywhere."""
    other = tmp_path / "other-host"
    other.write_bytes(site.key.read_bytes())
    other.chmod(0o600)
    behind = Sealer.from_files([other])
    assert site.command("add") == 0
    other.write_bytes(site.key.read_bytes())
    new = keyring.key_id(keyring.read(site.key)[-1])
    assert site.command("promote", new) == 0
    uuid = site.stand.cluster()
    site.stand.converge(uuid)
    there = Stand(tmp_path, site.url, sealer=behind, stacks=site.stand.stacks, there=True)
    assert behind.current != site.stand.sealer.current
    there.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": csr}, status=201)


def test_a_file_that_is_away_or_open_for_others_changes_nothing(site, csr):
    uuid = site.stand.cluster()
    site.stand.converge(uuid)
    site.key.chmod(0o644)
    site.sign(uuid, csr)
    hidden = site.key.with_name("hidden")
    site.key.rename(hidden)
    site.sign(uuid, csr)
    assert site.stand.converge(site.stand.cluster())["status"] == "CREATE_COMPLETE"
    with pytest.raises(KeyFileError):
        Sealer.from_files([site.key])


def test_a_row_without_its_key_is_named_and_left(site, capsys):
    uuid = site.stand.cluster()
    site.stand.converge(uuid)
    before = site.key.read_bytes()
    site.key.unlink()
    keyring.create_key_file(site.key)
    assert site.command("list") == 1
    assert "not at hand" in capsys.readouterr().out
    assert site.command("reseal") == 3
    assert f"secret {uuid} join-worker" in capsys.readouterr().err
    site.key.write_bytes(before + site.key.read_bytes())
    assert site.command("list") == 0


def test_with_live_work_and_a_command_that_is_killed(site, csr):
    """Signatures, creations and rotations go on in this process; ``keys reseal`` runs in others and is killed at
    random moments of its work, for two rotations of the key. Nothing fails, and in the end one key opens everything.
    """
    stand, seed = site.stand, random.Random(7)
    uuids = [stand.cluster(node_count=4) for _ in range(4)]
    for uuid in uuids:
        stand.converge(uuid)
    stop, wrong, signed = threading.Event(), [], []

    def signing():
        while not stop.wait(
            0.03
        ):  # SQLite's writers queue unfairly: one that never pauses keeps all others out
            try:
                site.sign(seed.choice(uuids), csr)
                signed.append(1)
            except Exception as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=signing)
    thread.start()
    try:
        for turn in range(2):
            assert site.command("add") == 0
            new = keyring.key_id(keyring.read(site.key)[-1])
            assert site.command("promote", new) == 0
            for _ in range(2 - turn):
                rows = seed.randrange(4, 7)  # one batch is written, the next is not whole
                code, words = site.process("reseal", "--batch", "3", rows=rows)
                assert code == -signal.SIGKILL, words
                left = site.uses()
                assert len(left) == 2 and left[new] < sum(left.values()), "killed with its work half done"
            fresh = stand.cluster()
            assert stand.converge(fresh)["status"] == "CREATE_COMPLETE"
            uuids.append(fresh)
            code, words = site.process("reseal")
            assert code == 0, words
            assert len(site.uses()) == 1, (turn, site.uses())
    finally:
        stop.set()
        thread.join(60)
    assert not wrong, wrong
    assert len(signed) > 20
    for old in [keyring.key_id(k) for k in keyring.read(site.key)[1:]]:
        assert site.command("retire", old) == 0
    for uuid in uuids:
        site.sign(uuid, csr)
        stand.api.delete(f"/v1/clusters/{uuid}")
        assert stand.converge(uuid) is None


def test_many_rows_in_small_batches(site):
    for _ in range(3):
        site.stand.converge(site.stand.cluster())
    assert site.command("rotate") == 0
    tally = resealing.reseal(Database(site.url), Sealer.from_files([site.key]), batch=2)
    assert (tally.resealed, tally.lost) == (0, [])
    assert tally.seen == sum(site.uses().values()) > 10
