"""Several instances on one machine get different prefixes and ports, also while they are down."""

import socket

import pytest

from magnum_lite.local import claims, state


@pytest.fixture
def choose(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "networks_in_use", lambda: ())
    return lambda name: claims.choose(tmp_path / name, claims_dir=tmp_path / "claims")


def test_two_instances_share_nothing(choose):
    first, second = choose("a"), choose("b")
    assert first.octet != second.octet
    assert not first.ports() & second.ports()


def test_the_ports_of_one_instance_differ(choose):
    assert len(choose("a").ports()) == 5


def test_a_half_made_choice_is_completed_with_the_same_prefix(choose, tmp_path):
    first = choose("a")
    (tmp_path / "a" / "settings.json").unlink()
    assert choose("a").octet == first.octet
    assert choose("b").octet != first.octet


def test_a_released_or_vanished_instance_gives_its_prefix_back(choose, tmp_path):
    first = choose("a")
    claims.release(first, claims_dir=tmp_path / "claims")
    assert choose("b").octet == first.octet
    (tmp_path / "b" / "settings.json").unlink()
    (tmp_path / "b").rmdir()
    assert choose("c").octet == first.octet


def test_release_leaves_the_claims_of_others(choose, tmp_path):
    first = choose("a")
    stolen = state.Settings(tmp_path / "x", first.octet, 1, 2, 3, 4, 5, 6)
    claims.release(stolen, claims_dir=tmp_path / "claims")
    assert [other.octet for other in claims.others(tmp_path / "x", tmp_path / "claims")] == [first.octet]


def test_a_network_that_the_host_uses_is_left_alone(tmp_path, monkeypatch):
    import ipaddress

    monkeypatch.setattr(claims, "networks_in_use", lambda: (ipaddress.ip_network("10.64.0.0/12"),))
    assert claims.choose(tmp_path / "a", claims_dir=tmp_path / "claims").octet == 80


def test_a_port_that_somebody_listens_on_is_avoided(choose):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 15000))
            other.listen()
        except OSError:
            pass  # somebody listens there already
        assert choose("a").keystone_port != 15000


def test_no_prefix_left(tmp_path, monkeypatch):
    import ipaddress

    monkeypatch.setattr(claims, "networks_in_use", lambda: (ipaddress.ip_network("10.0.0.0/8"),))
    with pytest.raises(claims.NoRoomError):
        claims.choose(tmp_path / "a", claims_dir=tmp_path / "claims")
