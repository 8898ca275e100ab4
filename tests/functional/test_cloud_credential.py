"""A bay's own application credential: made, found again after a crash, exchanged, gone with the bay."""

import dataclasses
import json
import logging

import pytest
import yaml

from magnum_lite.cloud.credentials import Made
from magnum_lite.cloud.inventory import Thing
from magnum_lite.conductor import purging
from magnum_lite.conductor.sweeper import sweep_credentials
from magnum_lite.db import clusters, sealed
from magnum_lite.models.access import Rule, credential_name
from tests.functional.conftest import fields
from tests.support.dying import Dying
from tests.support.stand import PROJECT, Stand

LATEST = {"OpenStack-API-Version": "container-infra latest"}
TAINT = "node.cloudprovider.kubernetes.io/uninitialized"
LABELS = {"cloud_provider_enabled": "true"}
RULES = (Rule("compute", "GET", "/**"),)
CLOUD = {"cloud_provider__auth_url": "https://keystone.example.org/v3"}


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path, cloud_provider__region_name="here", **CLOUD)


def asked(stand, labels=LABELS, **more):
    template = stand.template(coe="kubernetes", labels=labels)
    body = {"name": f"bay-{next(stand.counter)}", "cluster_template_id": template["uuid"]} | more
    return stand.api.post_json("/v1/clusters", body, headers=LATEST, expect_errors=True)


def made(stand, **more):
    uuid = asked(stand, **more).json["uuid"]
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    return uuid


def row(stand, uuid):
    with stand.database.read() as connection:
        return clusters.by_uuid(connection, uuid)


def masters(stand):
    return [m for m in stand.machines.values() if m.identity and m.role == "master"]


def told(stand, uuid):
    events = stand.api.get(f"/v1/clusters/{uuid}/events", headers=LATEST).json["events"]
    return [e["message"] for e in events if "application credential" in e["message"].lower()]


def test_masters_are_given_it_and_nobody_else(stand, caplog):
    caplog.set_level(logging.DEBUG)
    uuid = made(stand, node_count=1)
    (thing,) = stand.keystone.things
    assert (thing.name, thing.project_id) == (credential_name(uuid, 1), PROJECT)
    roles, rules = stand.keystone.asked[thing.id]
    assert roles == ("member",) and rules
    (master,) = masters(stand)
    text = master.identity["secrets"]["cloud-config"]
    secret = stand.keystone.secrets[thing.id]
    assert f'application-credential-id="{thing.id}"' in text
    assert f'application-credential-secret="{secret}"' in text
    assert 'auth-url="https://keystone.example.org/v3"' in text and 'region="here"' in text
    assert all(
        "cloud-config" not in m.identity["secrets"] for m in stand.machines.values() if m is not master
    )
    assert stand.get(uuid).get("credential_id") is None, "it is nobody's business"
    everywhere = [
        repr(stand.stacks.requests),
        caplog.text,
        json.dumps([master.told, told(stand, uuid), stand.get(uuid)]),
        "".join(
            str(r.envelope) for found in sealed.batches(stand.database.engine.connect(), 9) for r in found
        ),
    ]
    assert not [part for part in everywhere if secret in part]


def test_a_bay_that_needs_none_has_none(stand):
    for labels in ({}, {"keystone_auth_enabled": "false"}):
        made(stand, labels=labels)
    assert stand.converge(stand.cluster())["status"] == "CREATE_COMPLETE"
    assert stand.keystone.things == []
    assert all("cloud-config" not in m.identity.get("secrets", {}) for m in masters(stand))


@pytest.mark.parametrize("name", ["cloud_provider_enabled", "keystone_auth_enabled"])
def test_what_is_not_offered_is_refused_by_name(tmp_path, name):
    plain = Stand(tmp_path)
    found = fields(asked(plain, {name: "true"}))
    assert "not offered" in found[f"labels/{name}"]


def test_volumes_without_the_cloud_make_no_sense(stand):
    found = fields(asked(stand, {"cinder_csi_enabled": "true"}))
    assert "cloud_provider_enabled=true" in found["labels/cinder_csi_enabled"]


def test_fewer_rules_without_volumes(stand):
    made(stand, labels=LABELS | {"cinder_csi_enabled": "false"})
    (thing,) = stand.keystone.things
    _, rules = stand.keystone.asked[thing.id]
    assert {rule.service for rule in rules} == {"compute", "network", "load-balancer"}
    assert not [r for r in rules if "attachments" in r.path]


def test_a_cloud_without_octavia(tmp_path):
    stand = Stand(tmp_path, cloud_provider__load_balancers=False, **CLOUD)
    made(stand)
    (thing,) = stand.keystone.things
    assert "load-balancer" not in {rule.service for rule in stand.keystone.asked[thing.id][1]}
    assert "[LoadBalancer]\nenabled=false\n" in masters(stand)[0].identity["secrets"]["cloud-config"]


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


def die():
    raise Killed


def killed_at(stand, call):
    """Conductors work until one dies there."""
    ports = dataclasses.replace(stand.ports, credentials=Dying(stand.keystone, call, die), owner="the late")
    with pytest.raises(Killed):
        for _ in range(50):
            stand.pass_once(ports)
            stand.boot()


def lease_ends(stand):
    with stand.database.write() as connection:
        connection.exec_driver_sql("UPDATE cluster SET lease_expires = 0, next_sync = 0")


def test_made_in_keystone_and_not_stored(stand):
    """Nobody has its secret: it is found by its name, and another takes its place."""
    uuid = asked(stand).json["uuid"]
    killed_at(stand, "make")
    (lost,) = stand.keystone.things
    assert row(stand, uuid)["credential_id"] is None
    lease_ends(stand)
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    (thing,) = stand.keystone.things
    assert thing.id != lost.id and thing.name == lost.name
    assert row(stand, uuid)["credential_id"] == thing.id
    assert masters(stand)[0].credential() == thing.id
    assert told(stand, uuid) == ["Its application credential was made anew: the one before was lost."]


def test_a_deletion_that_was_killed_in_between(stand):
    uuid = made(stand)
    stand.api.delete(f"/v1/clusters/{uuid}")
    killed_at(stand, "remove")
    assert row(stand, uuid) is not None
    lease_ends(stand)
    assert stand.converge(uuid) is None
    assert stand.keystone.things == []


def test_deleted_before_its_credential_was_stored(stand):
    uuid = asked(stand).json["uuid"]
    killed_at(stand, "make")
    stand.api.delete(f"/v1/clusters/{uuid}")
    lease_ends(stand)
    assert stand.converge(uuid) is None
    assert stand.keystone.things == []


def test_it_goes_with_the_bay_and_no_other_does(stand):
    uuid, other = made(stand), made(stand)
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    assert [thing.name for thing in stand.keystone.things] == [credential_name(other, 1)]


def rotate(stand, uuid):
    stand.api.patch_json(f"/v1/credentials/{uuid}", {}, headers=LATEST)


def test_a_rotation_takes_the_old_one_last(stand):
    uuid = made(stand, master_count=3)
    (old,) = stand.keystone.things
    rotate(stand, uuid)
    seen = []
    for _ in range(400):
        stand.pass_once()
        stand.boot()
        stand.offset += 5
        held = {m.credential() for m in masters(stand)}
        there = {thing.id for thing in stand.keystone.things}
        assert held <= there, "a master has one that is gone"
        seen.append(len(there))
        if stand.get(uuid)["status"] == "UPDATE_COMPLETE":
            break
    (new,) = stand.keystone.things
    assert new.id != old.id and new.name == credential_name(uuid, 2)
    assert max(seen) == 2
    assert {m.credential() for m in masters(stand)} == {new.id}
    assert told(stand, uuid)[-1] == "The application credential from before is gone from Keystone."


def test_one_that_somebody_took_out_of_keystone(stand):
    uuid = made(stand, master_count=3)
    (lost,) = stand.keystone.things
    stand.keystone.remove(lost.id)
    sweep_credentials(stand.ports)
    sweep_credentials(stand.ports)  # another conductor's
    stand.converge(uuid)
    (thing,) = stand.keystone.things
    for _ in range(100):
        stand.pass_once()
        stand.boot()
        stand.offset += 10
    assert thing.id != lost.id
    assert {m.credential() for m in masters(stand)} == {thing.id}
    assert stand.get(uuid)["status"] == "UPDATE_COMPLETE"


def test_the_sweeper_removes_what_a_frozen_conductor_made(stand):
    uuid, stranger = made(stand), "5f1e2d3c-aaaa-4bbb-8ccc-1234567890ab"
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    stand.keystone.make(PROJECT, credential_name(uuid, 1), ["member"], RULES)
    stand.keystone.make(PROJECT, credential_name(stranger, 1), ["member"], RULES)
    stand.keystone.make(PROJECT, "somebody's robot", ["member"], RULES)
    assert [thing.name for thing in sweep_credentials(stand.ports)] == [credential_name(stranger, 1)]
    assert {t.name for t in stand.keystone.things} == {credential_name(stranger, 1), "somebody's robot"}


def test_a_role_that_is_missing_is_said(tmp_path):
    stand = Stand(tmp_path, cloud_provider__credential_roles=["member", "load-balancer_member"], **CLOUD)
    uuid = asked(stand).json["uuid"]
    found = stand.converge(uuid)
    assert found["status"] == "CREATE_FAILED"
    assert "load-balancer_member" in found["status_reason"]


def test_keystone_that_is_away_is_waited_for(stand):
    uuid = asked(stand).json["uuid"]
    stand.keystone.down = True
    for _ in range(3):
        stand.pass_once()
    assert "Trying again" in stand.get(uuid)["status_reason"]
    assert sweep_credentials(stand.ports) == []
    stand.keystone.down = False
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"


def test_nobody_is_offered_it_any_more(stand):
    """Then the next change of the bay takes it away."""
    uuid = made(stand, node_count=1)
    stand.conf.set_override("auth_url", None, group="cloud_provider")
    stand.api.post_json(f"/v1/clusters/{uuid}/actions/resize", {"node_count": 2}, headers=LATEST)
    assert stand.converge(uuid)["status"] == "UPDATE_COMPLETE"
    assert stand.keystone.things == []
    assert row(stand, uuid)["credential_id"] is None


def test_a_project_that_is_gone(stand):
    uuid, stranger = made(stand), Thing("x" * 32, "magnum-lite-robot", PROJECT)
    stand.keystone.things.append(stranger)
    found = purging.look(stand.ports, PROJECT)
    purging.forget(stand.ports, dataclasses.replace(found, reachable=False))
    assert stand.keystone.things == [stranger]
    assert row(stand, uuid) is None


def test_a_made_one_says_nothing_in_a_log():
    assert "hunter2" not in repr(Made("id", "hunter2"))


def test_keystones_ca_goes_to_masters(tmp_path):
    """By conductors: node doors and API workers need not have the file."""
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    stand = Stand(tmp_path, cloud_provider__cafile=str(ca), **CLOUD)
    ca.unlink()
    made(stand)
    given = masters(stand)[0].identity["secrets"]
    assert given["cloud-ca"] == "-----BEGIN CERTIFICATE-----\n"
    assert 'ca-file="/etc/config/ca.crt"' in given["cloud-config"]
    stand.boot()
    assert masters(stand)[0].told[-1] is not None
    assert stand.door.post("/v1/report", "", expect_errors=True).status_int != 500


def test_what_a_bay_needs_first_bears_the_taint_of_new_nodes(stand):
    """Its value is "true", which a toleration without an operator does not match."""
    made(stand)
    (text,) = {t["addons"]["manifests"] for t in masters(stand)[0].told if "addons" in t}
    bearing = {}
    for each in yaml.safe_load_all(text):
        if each and each["kind"] in {"DaemonSet", "Deployment"}:
            tolerations = each["spec"]["template"]["spec"]["tolerations"]
            bearing[each["metadata"]["name"]] = any(
                t.get("key") in {None, TAINT} and t.get("operator") == "Exists" for t in tolerations
            )
    needed = {"kube-flannel-ds", "coredns", "metrics-server", "openstack-cloud-controller-manager"}
    assert {name for name, does in bearing.items() if does} == needed | {"csi-cinder-nodeplugin"}
