"""gophercloud, on which Terraform's provider, the cluster autoscaler and the auto-healer stand: its own
typed calls, in a small Go program that is built here.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from magnum_lite.pki.requests import client_request
from tests.clients.command import login
from tests.clients.conftest import BAY

SOURCE = Path(__file__).parent / "gophercloud"

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The built program; its one dependency is pinned by go.sum."""
    if shutil.which("go") is None:
        # It is no part of Debian's Python world: what gophercloud sends and reads is a contract test, too.
        pytest.skip("go is not installed here; tests/contract/test_client_shapes.py has gophercloud's shapes")
    target = tmp_path_factory.mktemp("gophercloud") / "session"
    done = subprocess.run(
        ["go", "build", "-o", target, "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def test_its_calls(machine, tenant, bay, program):
    _, csr = client_request("Your Name")
    environment = login(machine.state_dir, "magnum-lite")
    environment["OS_DOMAIN_ID"] = environment.pop("OS_USER_DOMAIN_ID")
    done = subprocess.run(
        [program, bay["uuid"]], input=csr, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["template"]["labels"] == {"tier": "fast"}
    assert told["template"]["master_lb_enabled"] is True
    assert told["template"]["dns_nameserver"] == "8.8.4.4"
    assert told["made"]["status"] == "CREATE_IN_PROGRESS"
    assert told["made"]["name"], "it sends an empty one"
    (listed,) = [one for one in told["listed"] if one["name"] == BAY]
    assert listed["uuid"] == bay["uuid"]
    assert listed["created_at"].startswith(bay["created_at"][:19])
    now = tenant.complete(bay["uuid"])
    assert {g["name"] for g in told["groups"]} >= {"default-master", "default-worker"}
    assert told["worker"]["node_count"] == now["node_count"]
    assert told["authority"] == tenant.get(f"/certificates/{bay['uuid']}")["pem"]
    assert told["signed"].startswith("-----BEGIN CERTIFICATE-----")
    assert told["gone_is_404"] is True
    assert tenant.wait(told["made"]["uuid"]) is None
    tenant.call("DELETE", f"/clustertemplates/{told['template']['uuid']}", expect=204)
