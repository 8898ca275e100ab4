"""The service in cloud mode, once for MariaDB and once for PostgreSQL; see ``tests/support/cloud_mode.py``."""

import contextlib

import pytest

from tests.support import client_env, servers

DATABASES = ("mariadb", "postgresql")


@pytest.fixture(scope="session", params=DATABASES)
def cloud(request, able):
    """A running cloud; tests leave it as they found it."""
    from tests.support.cloud_mode import CloudMode  # late: it imports much

    with contextlib.ExitStack() as stack:
        place = stack.enter_context(servers.scratch("magnum-lite-openstack-"))
        database = stack.enter_context(getattr(servers, request.param)(place))
        bus = stack.enter_context(servers.rabbitmq(place))
        kinds = ("eventlet", "eventlet", "threading")
        found = CloudMode(place, database, bus, kinds)
        found.up()
        stack.callback(found.purge)
        yield found


@pytest.fixture(scope="session")
def tenant(cloud):
    """A member of the project demo, with a key pair."""
    found = cloud.tenant()
    if not any(k.name == "my-key" for k in found.cloud.compute.keypairs()):
        found.cloud.compute.create_keypair(name="my-key")
    return found


@pytest.fixture(scope="session")
def client(cloud, tenant, tmp_path_factory):
    """``client(cloud)``: the openstack command as its user, with the plug-in for bays; ``heat``: with Heat's."""
    from tests.clients.command import Client, login
    from tests.support.openstack import PROGRAMS

    def make(name="magnum-lite", *, heat=False):
        programs = PROGRAMS if heat else client_env.programs("openstackclient")
        return Client(programs, login(cloud.state_dir, name), tmp_path_factory.mktemp("client"))

    return make
