"""Clients in environments of their own, and the one bay that they all work with."""

import pytest

from tests.clients.command import Client, login
from tests.support import client_env

MODEL, BAY, KEY = "swarm-model", "swarm-bay01", "my-key"


@pytest.fixture(scope="package")
def tenant(machine):
    """The tenant over plain REST, for what a test has to know beside what a client shows; with a key
    pair.
    """
    found = machine.tenant()
    if not any(pair.name == KEY for pair in found.cloud.compute.keypairs()):
        found.cloud.compute.create_keypair(name=KEY)
    return found


@pytest.fixture(scope="package")
def client(machine, tenant, tmp_path_factory):
    """``client(environment, cloud)``: a client of a version, as the tenant unless told otherwise."""

    def make(environment, cloud="magnum-lite"):
        where = tmp_path_factory.mktemp(environment)
        return Client(client_env.programs(environment), login(machine.state_dir, cloud), where)

    return make


@pytest.fixture(scope="package")
def talk(client):
    """The client of the talk's time, in the directory where its session was typed."""
    return client("magnumclient-2.1.0")


@pytest.fixture(scope="package")
def bay(talk, tenant):
    """The talk's baymodel and bay, made by its own commands; shared, as a bay takes a while to make.
    Who changes its node count leaves at least one worker. The bay as REST shows it.
    """
    talk.run(
        f"magnum baymodel-create --name {MODEL} --flavor-id m2.medium --image-id fedora-atomic-23 "
        f"--keypair-id {KEY} --external-network-id CERN_NETWORK --dns-nameserver 137.138.17.5 --coe swarm"
    )
    talk.run(f"magnum bay-create --baymodel {MODEL} --node-count 1 --name {BAY}")
    uuid = tenant.get(f"/bays/{BAY}")["uuid"]
    yield tenant.complete(uuid)
    talk.run(f"magnum bay-delete {BAY}")
    assert tenant.wait(uuid) is None
    talk.run(f"magnum baymodel-delete {MODEL}")
