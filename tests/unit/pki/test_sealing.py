"""Envelopes open in their own place only, and key files are private."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.pki.errors import EnvelopeError, KeyFileError
from magnum_lite.pki.keyring import create_key_file, write_secret_file
from magnum_lite.pki.sealing import SealContext, Sealer

PLACE = SealContext("authority", "row-1", "cluster")
SEALER = Sealer([b"k" * 32])
ENVELOPES = [SEALER.seal(b"secret" + b"x" * more, PLACE) for more in range(3)]  # each kind of base64 padding


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_round_trip(secret, table, row, purpose):
    place = SealContext(table, row, purpose)
    envelope = SEALER.seal(secret, place)
    assert envelope.isascii()
    assert SEALER.unseal(envelope, place) == secret


@pytest.mark.parametrize(
    "place",
    [
        SealContext("authority", "row-2", "cluster"),
        SealContext("token", "row-1", "cluster"),
        SealContext("authority", "row-1", "node"),
        SealContext("authorityrow-1", "", "cluster"),
    ],
)
def test_an_envelope_opens_nowhere_else(place):
    with pytest.raises(EnvelopeError) as caught:
        SEALER.unseal(SEALER.seal(b"secret", PLACE), place)
    assert caught.value.code == "envelope-damaged"


@pytest.mark.parametrize("envelope", ENVELOPES)
@given(st.data())
def test_a_damaged_envelope_does_not_open(envelope, data):
    position = data.draw(st.integers(0, len(envelope) - 1))
    damaged = envelope[:position] + data.draw(st.characters()) + envelope[position + 1 :]
    if damaged != envelope:
        with pytest.raises(EnvelopeError):
            SEALER.unseal(damaged, PLACE)
    with pytest.raises(EnvelopeError):
        SEALER.unseal(envelope[:position], PLACE)


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_envelope_has_one_text(envelope):
    for position in range(len(envelope)):
        for other in "Aa0_-=gQwIMY":
            damaged = envelope[:position] + other + envelope[position + 1 :]
            if damaged != envelope:
                with pytest.raises(EnvelopeError):
                    SEALER.unseal(damaged, PLACE)


def test_rotation(tmp_path):
    for name in ("old", "new"):
        create_key_file(tmp_path / name)
    old = Sealer.from_files([tmp_path / "old"])
    both = Sealer.from_files([tmp_path / "new", tmp_path / "old"])
    new = Sealer.from_files([tmp_path / "new"])
    envelope = old.seal(b"secret", PLACE)
    with pytest.raises(EnvelopeError) as caught:
        new.unseal(envelope, PLACE)
    assert caught.value.code == "envelope-key"
    moved = both.rewrap(envelope, PLACE)
    assert new.unseal(moved, PLACE) == b"secret"
    assert both.rewrap(moved, PLACE) == moved
    assert moved != envelope
    with pytest.raises(EnvelopeError):
        both.rewrap(envelope, SealContext("authority", "row-2", "cluster"))


def test_secrets_are_not_in_the_envelope_and_never_the_same():
    first, second = (SEALER.seal(b"secret", PLACE) for _ in range(2))
    assert first != second


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o001])
def test_key_files_open_to_others_are_refused(tmp_path, mode):
    path = tmp_path / "kek"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Sealer.from_files([path])


def test_key_files_of_wrong_length_missing_or_no_file(tmp_path):
    for size in (0, 31, 33):
        write_secret_file(tmp_path / f"{size}", b"x" * size)
        with pytest.raises(KeyFileError):
            Sealer.from_files([tmp_path / f"{size}"])
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(KeyFileError):
            Sealer.from_files([path])
    with pytest.raises(KeyFileError):
        Sealer.from_files([])


def test_secret_files_are_private_and_never_overwritten(tmp_path):
    before = os.umask(0)
    try:
        write_secret_file(tmp_path / "s", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("s", "link"):
        with pytest.raises(FileExistsError):
            write_secret_file(tmp_path / name, b"two")
    assert (tmp_path / "s").read_bytes() == b"one"
    assert not (tmp_path / "elsewhere").exists()
