"""The real one-machine cloud, brought up once for the whole suite and purged at its end."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.local.machine import Machine


def _missing():
    if os.geteuid() != 0:
        return "needs root: the nodes are system containers"
    for program in ("dockerd", "ip", "iptables", "nsenter"):
        if shutil.which(program) is None and not Path(f"/usr/sbin/{program}").exists():
            return f"needs {program}; tools/bootstrap.sh installs it"
    return None


@pytest.fixture(scope="session")
def machine():
    """A machine with everything started; MAGNUM_LITE_TEST_STATE_DIR takes one that runs already."""
    reason = _missing()
    if reason:
        pytest.skip(reason)
    given = os.environ.get("MAGNUM_LITE_TEST_STATE_DIR")
    if given:
        yield Machine(Path(given))
        return
    # not pytest's own directory: there are mounts below it, which its clean-up would stumble over
    where = Path(tempfile.mkdtemp(prefix="magnum-lite-test-", dir="/var/tmp"))
    machine = Machine(where / "state")
    try:
        machine.up()
        yield machine
    finally:
        machine.purge()
        shutil.rmtree(where, ignore_errors=True)
