"""Keys of a key manager and of files together; what seals, what opens, and what an operator reads."""

import secrets
import sys

import pytest
from oslo_config import cfg

from magnum_lite import config
from magnum_lite.conductor.sealers import make_sealer
from magnum_lite.errors import Unavailable
from magnum_lite.pki import keyring
from magnum_lite.pki.errors import KeyFileError
from magnum_lite.pki.sealing import SealContext, sealed_by

PLACE = SealContext("secret", "row", "x")


class Vault:
    def __init__(self):
        self.keys, self.asked = {}, []

    def fetch(self, ident):
        self.asked.append(ident)
        if ident not in self.keys:
            raise Unavailable("key-manager") from LookupError(ident)
        return self.keys[ident]

    def create(self, name):
        self.keys[name] = secrets.token_bytes(32)
        return name


def conf(files=(), ids=()):
    made = config.load([], cfg.ConfigOpts())
    made.set_override("kek_file", [str(f) for f in files], group="certificates")
    made.set_override("kek_id", list(ids), group="certificates")
    return made


def test_from_a_file_to_a_key_manager_and_back(tmp_path):
    keyring.create_key_file(tmp_path / "kek")
    vault = Vault()
    before = make_sealer(conf([tmp_path / "kek"])).seal(b"secret", PLACE)
    both = make_sealer(conf([tmp_path / "kek"], [vault.create("one")]), vault)
    assert both.unseal(before, PLACE) == b"secret"
    moved = both.rewrap(before, PLACE)
    assert sealed_by(moved) == keyring.key_id(vault.keys["one"])
    alone = make_sealer(conf(ids=["one"]), vault)
    assert alone.unseal(moved, PLACE) == b"secret"
    assert alone.seal(b"x", PLACE)
    two = make_sealer(conf(ids=[vault.create("two"), "one"]), vault)
    assert two.known == tuple(keyring.key_id(vault.keys[i]) for i in ("two", "one"))
    assert two.unseal(moved, PLACE) == b"secret"
    back = make_sealer(conf([tmp_path / "kek"]))
    with pytest.raises(Exception, match="not loaded"):
        back.unseal(moved, PLACE)


def test_keys_are_fetched_once(tmp_path):
    vault = Vault()
    sealer = make_sealer(conf(ids=[vault.create("one")]), vault)
    for _ in range(20):
        sealer.unseal(sealer.seal(b"x", PLACE), PLACE)
    assert vault.asked == ["one"]


def test_files_are_followed_behind_a_key_manager(tmp_path):
    keyring.create_key_file(tmp_path / "kek")
    vault = Vault()
    sealer = make_sealer(conf([tmp_path / "kek"], [vault.create("one")]), vault)
    added = keyring.add(tmp_path / "kek")
    assert sealer.known[-1] == added
    assert sealer.current == keyring.key_id(vault.keys["one"])


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(KeyFileError) as caught:
        make_sealer(conf(ids=["nothing"]), Vault())
    assert caught.value.reason == "The key manager gave no key: nothing"
    with pytest.raises(KeyFileError):
        make_sealer(conf())
    short = Vault()
    short.keys["short"] = b"too short"
    with pytest.raises(KeyFileError):
        make_sealer(conf(ids=["short"]), short)


def test_a_key_manager_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "castellan", None)
    with pytest.raises(KeyFileError) as caught:
        make_sealer(conf(ids=["one"]))
    assert caught.value.reason == "The key manager is not installed: magnum-lite[castellan] brings it"
