"""Behind the service's back, on a real bay: a machine is deleted in Nova, stacks and credentials are left that no
bay knows. The bay says so within a minute, the audit names all of it, and both are mended.
"""

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from keystoneauth1 import session as ks
from keystoneauth1.identity import v3

from magnum_lite.models.stack import TAG, StackRequest, cluster_tag
from magnum_lite.orchestration.heat import HeatStacks
from magnum_lite.orchestration.templates import Templates
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
TEMPLATES = Templates(Path(__file__).parents[1] / "contract" / "heat_templates")
STRANGER = str(uuid.uuid4())


@pytest.fixture(scope="module")
def bay(tenant):
    made = tenant.bay("drill", tenant.model("drill"), node_count=2)
    yield tenant.complete(made)
    tenant.delete(made)


def audit(machine, *more):
    """(exit status, findings by kind)."""
    program = [sys.executable, "-W", "ignore", "-m", "magnum_lite.cmd.manage"]
    command = [*program, "--config-file", machine.state_dir / "magnum_lite.conf", "audit", "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, 1}, done.stderr + done.stdout
    return done.returncode, json.loads(done.stdout)


def sessions(machine):
    """The service user's, by project."""

    def session_for(project):
        user = machine.service_user()
        if project:
            user = {k: v for k, v in user.items() if not k.startswith("project_")} | {"project_id": project}
        return ks.Session(auth=v3.Password(**user), timeout=30)

    return session_for


def test_an_audit_finds_what_is_nobodys_and_removes_only_that(machine, tenant, bay):
    assert audit(machine) == (0, [])
    project, session_for = bay["project_id"], sessions(machine)
    stacks = HeatStacks(session_for, TEMPLATES)
    parameters = {"name": "stray"}
    tags = (TAG, cluster_tag(STRANGER))
    stray = stacks.create(
        project, StackRequest("stray", "swarm/bay.yaml", parameters, {"greeting": ""}, tags)
    )
    session = session_for(project)
    path = f"/v3/users/{session.get_user_id()}/application_credentials"
    wish = {"application_credential": {"name": f"magnum-lite-{STRANGER}-volumes"}}
    url = session.auth.auth_url.removesuffix("/v3") + path
    made = session.post(url, json=wish).json()["application_credential"]["id"]
    status, found = audit(machine)
    assert status == 1
    assert {(f["kind"], f["id"], f["removed"]) for f in found} == {
        ("stack-without-cluster", stray, "no"),
        ("credential-without-cluster", made, "no"),
    }
    _, removed = audit(machine, "--remove")
    assert {f["removed"] for f in removed} == {"yes"}
    eventually("the stray stack is gone", lambda: stacks.get(project, stray) is None, 60)
    assert audit(machine) == (0, [])
    assert tenant.complete(bay["uuid"])["stack_id"] == bay["stack_id"]


def test_a_third_of_a_bay_goes(machine, tenant, bay, capsys):
    ident = bay["uuid"]
    eventually("healthy", lambda: tenant.get(f"/bays/{ident}")["health_status"] == "HEALTHY", 60)
    lost = next(n for n in tenant.nodes(ident) if n["role"] == "worker")
    kept = {n["server_id"] for n in tenant.nodes(ident)} - {lost["server_id"]}
    tenant.cloud.compute.delete_server(lost["server_id"])
    began = time.monotonic()

    def said():
        found = tenant.get(f"/bays/{ident}")
        return (
            found["health_status"] == "UNHEALTHY"
            and found["health_status_reason"][lost["hostname"]] != "ready"
        )

    eventually("the bay says so", said, 60)
    seconds = time.monotonic() - began
    texts = [
        e["message"]
        for e in tenant.get(f"/bays/{ident}/events?limit=1000")["events"]
        if e["kind"] == "health"
    ]
    assert any(lost["hostname"] in text for text in texts)
    _, found = audit(machine)
    assert [(f["kind"], f["id"]) for f in found] == [("node-without-server", lost["server_id"])]
    for wish in ({"node_count": 1, "nodes_to_remove": [lost["server_id"]]}, {"node_count": 2}):
        tenant.call("POST", f"/bays/{ident}/actions/resize", wish, 202)
        tenant.complete(ident)
    eventually("healthy again", lambda: tenant.get(f"/bays/{ident}")["health_status"] == "HEALTHY", 60)
    now = {n["server_id"] for n in tenant.nodes(ident)}
    assert kept < now and len(now) == 3
    assert audit(machine) == (0, [])
    with capsys.disabled():
        whole = time.monotonic() - began
        print(
            f"\na real bay without one of its 3 machines: said after {seconds:.0f} s, whole after {whole:.0f} s"
        )
