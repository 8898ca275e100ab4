"""What clients read first: version documents without a token, versions in answers, settings."""

import json

import pytest
from webob import Request

from magnum_lite.local.cloud import discovery, settings


@pytest.fixture
def front():
    """The front alone, with a door behind it that refuses everybody."""

    def refuse(_environ, start_response):
        start_response("401 Unauthorized", [])
        return [b""]

    alive = [True]
    application = discovery.front(refuse, lambda: alive[0])
    application.__dict__["alive"] = alive
    return application


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/compute", 200), ("/compute/v2.1", 200), ("/compute/v2.1/", 200), ("/volume/", 300),
        ("/volume/v3/", 200),
        ("/image", 300), ("/image/versions", 200), ("/network/", 200), ("/network/v2.0", 200),
        ("/compute/v2.1/servers", 401), ("/network/v2.0/networks", 401), ("/volume/v3/p1/volumes", 401),
    ],
)  # fmt: skip
def test_without_a_token(front, path, status):
    assert Request.blank(path).get_response(front).status_int == status
    assert Request.blank(path, method="POST").get_response(front).status_int == 401


def test_health(front):
    assert Request.blank("/healthcheck").get_response(front).json == {"engine": "up"}
    front.alive[0] = False
    assert Request.blank("/healthcheck").get_response(front).status_int == 503


def test_links_follow_the_address_that_was_asked(front):
    document = Request.blank("/compute/v2.1", base_url="http://10.1.1.1:99").get_response(front).json
    assert document["version"]["links"][0]["href"] == "http://10.1.1.1:99/compute/v2.1/"


@pytest.mark.parametrize(
    ("header", "status", "answered"),
    [
        (None, 200, "2.1"), ("compute 2.1", 200, "2.1"), ("compute 2.15", 200, "2.15"),
        ("compute latest", 200, "2.15"), ("compute 2.90", 406, None), ("compute 2.0", 406, None),
        ("compute x", 406, None), ("volume 3.50", 200, "2.1"),
    ],
)  # fmt: skip
def test_microversions(alice, header, status, answered):
    headers = {"OpenStack-API-Version": header} if header else {}
    answer = alice("GET", "/compute/v2.1/flavors", headers=headers)
    assert answer.status == status
    if answered:
        assert answer.headers["X-OpenStack-Nova-API-Version"] == answered
        assert answer.headers["OpenStack-API-Version"] == f"compute {answered}"


def test_images_are_read_again(local_cloud, alice):
    file = local_cloud.settings.state_dir / "images.json"
    before = len(alice("GET", "/image/v2/images").json["images"])
    image = {
        "id": "33333333-3333-4333-8333-333333333333",
        "name": "new",
        "ref": "x:y",
        "os_distro": "fedora-atomic",
    }
    image |= {"size_bytes": 5, "properties": {"os_version": "23", "status": "queued"}}
    file.write_text(json.dumps([image]))
    shown = alice("GET", f"/image/v2/images/{image['id']}").json
    assert (shown["os_distro"], shown["os_version"], shown["status"]) == ("fedora-atomic", "23", "active")
    assert len(alice("GET", "/image/v2/images").json["images"]) == before + 1
    file.write_text("[{")  # half written
    assert len(alice("GET", "/image/v2/images").json["images"]) == before


def test_settings(tmp_path):
    file = tmp_path / "cloud.json"
    good = {
        "host": "127.0.0.1",
        "port": 1,
        "keystone_url": "http://k/v3",
        "username": "u",
        "password": "hidden-word",
    }
    good |= {"docker_socket": "/s", "state_dir": str(tmp_path), "quotas": {"cores": 3}}
    file.write_text(json.dumps(good))
    read = settings.load(file)
    assert (read.quotas.cores, read.quotas.instances, read.flavors) == (3, 20, settings.DEFAULT_FLAVORS)
    assert "hidden-word" not in repr(read)
    for bad in (
        {**good, "nonsense": 1},
        {key: good[key] for key in good if key != "host"},
        [],
        {**good, "quotas": 3},
    ):
        file.write_text(json.dumps(bad))
        with pytest.raises(settings.SettingsError):
            settings.load(file)
