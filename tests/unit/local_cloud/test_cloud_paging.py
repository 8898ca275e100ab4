"""Pages: every list can be walked with limit and marker, and ends."""

import pytest

from tests.support.local_cloud import LocalCloud

LISTS = {
    "/compute/v2.1/servers": ("servers", "id"),
    "/compute/v2.1/servers/detail": ("servers", "id"),
    "/compute/v2.1/flavors": ("flavors", "id"),
    "/compute/v2.1/os-keypairs": ("keypairs", "name"),
    "/compute/v2.1/os-server-groups": ("server_groups", "id"),
    "/network/v2.0/networks": ("networks", "id"),
    "/network/v2.0/ports": ("ports", "id"),
    "/network/v2.0/security-group-rules": ("security_group_rules", "id"),
    "/volume/v3/p1/volumes/detail": ("volumes", "id"),
    "/image/v2/images": ("images", "id"),
}


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    """A user with two or more of everything."""
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"))
    user = cloud.user("p1")
    network, _ = user.network()
    for number in range(3):
        user.server(network, name=f"s{number}")
        user.make("/compute/v2.1/os-keypairs", "keypair", name=f"k{number}")
        user.make("/compute/v2.1/os-server-groups", "server_group", name="g", policies=["affinity"])
        user.make(f"{user.volume}/volumes", "volume", size=1, name=f"v{number}")
        user.make("/network/v2.0/networks", "network", name=f"n{number}")
    yield user
    cloud.cloud.servers.close()


def _idents(body, name, key):
    return [(item.get("keypair") or item)[key] for item in body[name]]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("size", [1, 2])
def test_walk_by_marker(walker, path, size):
    name, key = LISTS[path]
    everything = _idents(walker("GET", path).json, name, key)
    assert len(everything) >= 2
    seen, marker = [], ""
    while True:
        body = walker("GET", f"{path}?limit={size}{marker}").json
        found = _idents(body, name, key)
        if not found:
            break
        assert len(found) <= size
        seen += found
        marker = f"&marker={found[-1]}"
    assert seen == everything


@pytest.mark.parametrize("path", LISTS)
def test_walk_by_link(walker, path):
    name, key = LISTS[path]
    everything = _idents(walker("GET", path).json, name, key)
    seen, url = [], f"{path}?limit=1"
    while url:
        body = walker("GET", url).json
        seen += _idents(body, name, key)
        link = (
            body.get("next")
            if name == "images"
            else next((one["href"] for one in body.get(f"{name}_links", [])), None)
        )
        url = link and ("/image" + link if name == "images" else link.removeprefix("http://localhost"))
    assert seen == everything


@pytest.mark.parametrize("path", LISTS)
def test_unknown_marker_and_bad_limit(walker, path):
    assert walker("GET", f"{path}?marker=nowhere").status == 400
    for limit in ("-1", "x", "1.5"):
        assert walker("GET", f"{path}?limit={limit}").status == 400, limit


def test_sorting(walker):
    names = [
        one["name"]
        for one in walker("GET", "/compute/v2.1/servers?sort_key=name&sort_dir=asc").json["servers"]
    ]
    assert names == ["s0", "s1", "s2"]
    names = [
        one["name"]
        for one in walker("GET", "/network/v2.0/networks?sort_key=name&sort_dir=desc").json["networks"]
    ]
    assert names == sorted(names, reverse=True)
    images = walker("GET", "/image/v2/images?sort=name:desc").json["images"]
    assert [image["name"] for image in images] == ["node", "broken"]


def test_filters(walker):
    servers = walker("GET", "/compute/v2.1/servers/detail?name=s[01]&status=active").json["servers"]
    assert {server["name"] for server in servers} == {"s0", "s1"}
    networks = walker("GET", "/network/v2.0/networks?name=n0&name=n1&fields=name").json["networks"]
    assert networks == [{"name": "n0"}, {"name": "n1"}]
    ids = [image["id"] for image in walker("GET", "/image/v2/images").json["images"]]
    assert len(walker("GET", f"/image/v2/images?id=in:{ids[0]},{ids[1]}").json["images"]) == 2
    assert [
        i["name"] for i in walker("GET", "/image/v2/images?name=node&os_distro=debian").json["images"]
    ] == ["node"]
    assert walker("GET", "/image/v2/images?os_hidden=True").json["images"] == []
    address = walker("GET", "/network/v2.0/ports").json["ports"][0]["fixed_ips"][0]["ip_address"]
    assert len(walker("GET", f"/network/v2.0/ports?fixed_ips=ip_address={address}").json["ports"]) == 1
