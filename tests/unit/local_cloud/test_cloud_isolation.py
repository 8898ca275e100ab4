"""Another project's object is a 404, in every API and for every method."""

import pytest

NET = "/network/v2.0"


@pytest.fixture
def estate(alice):
    """One object of each kind in alice's project: its URL by kind."""
    network, subnet = alice.network()
    port = alice.port(network)
    router = alice.router(subnet)
    floating = alice.make(f"{NET}/floatingips", "floatingip", floating_network_id=alice.public)
    group = alice.make(f"{NET}/security-groups", "security_group", name="g")
    server = alice.server(network)
    servers = alice.make("/compute/v2.1/os-server-groups", "server_group", name="a", policies=["affinity"])
    volume = alice.make(f"{alice.volume}/volumes", "volume", size=1, name="v")
    return {
        "networks": f"{NET}/networks/{network['id']}",
        "subnets": f"{NET}/subnets/{subnet['id']}",
        "ports": f"{NET}/ports/{port['id']}",
        "routers": f"{NET}/routers/{router['id']}",
        "floatingips": f"{NET}/floatingips/{floating['id']}",
        "security-groups": f"{NET}/security-groups/{group['id']}",
        "servers": f"/compute/v2.1/servers/{server['id']}",
        "os-server-groups": f"/compute/v2.1/os-server-groups/{servers['id']}",
        "volumes": f"{alice.volume}/volumes/{volume['id']}",
    }


def test_foreign_objects_are_not_found(estate, alice, bob):
    for kind, url in estate.items():
        singular = kind.removesuffix("s").replace("-", "_")
        foreign = url.replace(alice.volume, bob.volume)
        assert bob("GET", foreign).status == 404, kind
        assert bob("DELETE", foreign).status == 404, kind
        if kind != "os-server-groups":
            assert bob("PUT", foreign, {singular: {"name": "mine"}}).status == 404, kind
        assert alice("GET", url).status == 200, kind


def test_foreign_objects_are_in_no_list(estate, bob):
    for kind, url in estate.items():
        listed = bob("GET", url.rsplit("/", 1)[0].replace("p1", "p2")).json
        idents = {item["id"] for item in next(iter(listed.values()))}
        assert url.rsplit("/", 1)[1] not in idents, kind


def test_foreign_objects_can_not_be_used(estate, bob):
    network, _ = bob.network("own")
    ident = {kind: url.rsplit("/", 1)[1] for kind, url in estate.items()}
    server = bob.server(network)
    url = f"/compute/v2.1/servers/{server['id']}"
    assert bob("POST", f"{NET}/ports", {"port": {"network_id": ident["networks"]}}).status == 404
    assert (
        bob("POST", f"{url}/os-interface", {"interfaceAttachment": {"port_id": ident["ports"]}}).status == 404
    )
    assert (
        bob(
            "POST", f"{url}/os-volume_attachments", {"volumeAttachment": {"volumeId": ident["volumes"]}}
        ).status
        == 404
    )
    floating = {"floating_network_id": bob.public, "port_id": ident["ports"]}
    assert bob("POST", f"{NET}/floatingips", {"floatingip": floating}).status == 404
    interface = {"subnet_id": ident["subnets"]}
    assert bob("PUT", f"{NET}/routers/{ident['routers']}/add_router_interface", interface).status == 404
    port = {"network_id": network["id"], "security_groups": [ident["security-groups"]]}
    assert bob("POST", f"{NET}/ports", {"port": port}).status == 404
    hints = {"server": {"name": "x"}, "os:scheduler_hints": {"group": ident["os-server-groups"]}}
    hints["server"] |= {
        "imageRef": server["image"]["id"],
        "flavorRef": "1",
        "networks": [{"uuid": network["id"]}],
    }
    assert bob("POST", "/compute/v2.1/servers", hints).status == 400
    for key, wanted in (("uuid", "networks"), ("port", "ports")):
        body = {
            "name": "x",
            "imageRef": server["image"]["id"],
            "flavorRef": "1",
            "networks": [{key: ident[wanted]}],
        }
        assert bob("POST", "/compute/v2.1/servers", {"server": body}).status == 400


def test_volume_url_of_another_project(alice, bob):
    assert bob("GET", f"{alice.volume}/volumes/detail").status == 404
    assert bob("GET", f"{alice.volume}/limits").status == 404


def test_key_pairs_belong_to_users(local_cloud, alice):
    alice.make("/compute/v2.1/os-keypairs", "keypair", name="k")
    colleague = local_cloud.user("p1", user="somebody-else")
    assert colleague("GET", "/compute/v2.1/os-keypairs/k").status == 404
    assert colleague("GET", "/compute/v2.1/os-keypairs").json == {"keypairs": []}
    colleague.network()
    body = {"name": "x", "imageRef": local_cloud.settings.images[0].id, "flavorRef": "1", "key_name": "k"}
    assert (
        colleague("POST", "/compute/v2.1/servers", {"server": body}).message == "Invalid key_name provided."
    )


def test_only_administrators_see_all(estate, alice, bob, admin):
    assert bob("GET", "/compute/v2.1/servers?all_tenants=1").status == 403
    assert len(admin("GET", "/compute/v2.1/servers/detail?all_tenants=1").json["servers"]) == 1
    assert admin("GET", "/compute/v2.1/servers").json["servers"] == []
    assert admin("GET", estate["networks"]).status == 200


def test_shared_objects_are_read_only(bob):
    assert bob("DELETE", f"{NET}/networks/{bob.public}").status == 403
    assert bob("PUT", f"{NET}/networks/{bob.public}", {"network": {"name": "mine"}}).status == 403
    assert bob("POST", f"{NET}/ports", {"port": {"network_id": bob.public}}).status == 403


def test_a_token_without_project(local_cloud):
    assert local_cloud.user("")("GET", "/compute/v2.1/servers").status == 403
