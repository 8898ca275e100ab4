"""Fixtures for every suite."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support import fuzz, servers
from tests.support.stand import Stand

CLOUDS = "MAGNUM_LITE_TEST_CLOUDS_YAML"

fuzz.load()


@pytest.fixture
def stand(tmp_path):
    """A whole service on in-memory twins."""
    return Stand(tmp_path)


def missing():
    """Why this machine can not run the one-machine cloud; None when it can."""
    if os.geteuid() != 0:
        return "needs root: the nodes are system containers"
    for program in ("dockerd", "ip", "iptables", "nsenter"):
        if shutil.which(program) is None and not Path(f"/usr/sbin/{program}").exists():
            return f"needs {program}; tools/bootstrap.sh installs it"
    return None


@pytest.fixture(scope="session")
def able():
    """For all that runs a one-machine cloud: without root or a program it is skipped."""
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def machine(able):
    """The real one-machine cloud, brought up once for all suites and purged at their end;
    MAGNUM_LITE_TEST_STATE_DIR takes one that runs already.
    """
    from tests.support.machine import Machine, running  # late: it imports much

    given = os.environ.get("MAGNUM_LITE_TEST_STATE_DIR")
    if given:
        yield Machine(Path(given))
        return
    with servers.scratch("magnum-lite-test-") as place, running(place / "state") as found:
        yield found


@pytest.fixture(scope="session")
def service_clouds(request, tmp_path_factory):
    """A clouds.yaml with the cloud ``magnum-lite-service``, the conductor's own user: the one that the
    environment names, else the one-machine cloud's.
    """
    if os.environ.get(CLOUDS):
        return Path(os.environ[CLOUDS])
    user = request.getfixturevalue("machine").service_user()
    path = tmp_path_factory.mktemp("clouds") / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"magnum-lite-service": {"auth": user}}}))
    return path
