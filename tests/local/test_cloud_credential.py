"""A bay's application credential in a real Keystone, while its conductor is killed with SIGKILL."""

import multiprocessing
import os
import secrets
import signal

import pytest

from magnum_lite.cloud.credentials import CloudCredentials
from magnum_lite.db import clusters
from magnum_lite.local import catalog
from magnum_lite.models.access import cluster_of
from magnum_lite.pki.sealing import Sealer
from tests.support import keystone as keystones
from tests.support.dying import Dying
from tests.support.stand import Stand

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
LATEST = {"OpenStack-API-Version": "container-infra latest"}


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    with keystones.running(tmp_path_factory.mktemp("keystone")) as settings:
        yield settings


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def place(tmp_path, keystone):
    """``place(fatal="")``: a service over the same rows each time, with the real Keystone."""
    sealer, url = Sealer([secrets.token_bytes(32)]), f"sqlite:///{tmp_path / 'rows.sqlite'}"
    made = []

    def stand(fatal=""):
        found = Stand(
            tmp_path,
            url,
            sealer=sealer,
            stacks=made[0].stacks if made else None,
            there=bool(made),
            cloud_provider__auth_url=keystone.keystone_url,
        )
        made.append(found)
        port = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
        object.__setattr__(found.ports, "credentials", Dying(port, fatal, die) if fatal else port)
        return found

    return stand


def killed(place, call):
    """A conductor as a process of its own works until it is killed there."""

    def work():
        stand = place(call)
        for _ in range(50):
            stand.pass_once()

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def lease_ends(stand):
    with stand.database.write() as connection:
        connection.exec_driver_sql("UPDATE cluster SET lease_expires = 0, next_sync = 0")


def test_killed_where_it_hurts(place, keystone):
    project = catalog.user_session(keystone, "demo", "demo").get_project_id()
    keys = CloudCredentials(keystones.sessions(keystone).session_for, "public", None)
    stand = place()
    caller = stand.as_caller(project=project)
    template = {"name": "m", "coe": "kubernetes", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium"}
    template |= {"keypair_id": "my-key", "external_network_id": "CERN_NETWORK"}
    made = caller.post_json(
        "/v1/clustertemplates", template | {"labels": {"cloud_provider_enabled": "true"}}
    ).json
    body = {"name": "bay", "cluster_template_id": made["uuid"], "node_count": 1}
    uuid = caller.post_json("/v1/clusters", body, headers=LATEST).json["uuid"]

    def there():
        return [thing for thing in keys.all() if cluster_of(thing.name) == uuid]

    def row():
        with stand.database.read() as connection:
            return clusters.by_uuid(connection, uuid)

    # made in Keystone, and not stored: nobody knows its secret
    killed(place, "make")
    (lost,) = there()
    assert row()["credential_id"] is None
    lease_ends(stand)
    for _ in range(60):
        stand.pass_once()
        if row()["observed_generation"] == row()["generation"]:
            break
        stand.boot()
    assert row()["status"] == "CREATE_COMPLETE", row()["status_reason"]
    (own,) = there()
    assert own.id != lost.id and own.name == lost.name and own.project_id == project
    assert row()["credential_id"] == own.id
    # removed from Keystone, and the bay not forgotten
    caller.delete(f"/v1/clusters/{uuid}")
    killed(place, "remove")
    assert there() == [] and row() is not None
    lease_ends(stand)
    for _ in range(20):
        stand.pass_once()
    assert row() is None
    assert there() == []
