"""A local cloud on twins for each test."""

import pytest

from tests.support.local_cloud import LocalCloud


@pytest.fixture
def local_cloud(tmp_path):
    """The cloud."""
    made = LocalCloud(tmp_path)
    yield made
    made.engine.hold.set()
    made.cloud.servers.close()


@pytest.fixture
def alice(local_cloud):
    """A user of project p1."""
    return local_cloud.user("p1")


@pytest.fixture
def bob(local_cloud):
    """A user of project p2."""
    return local_cloud.user("p2")


@pytest.fixture
def admin(local_cloud):
    """An administrator in a project of his own."""
    return local_cloud.user("ops", roles="admin,member")
