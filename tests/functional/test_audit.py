"""What an audit finds, what it removes, and what it never touches."""

import io
import json

import pytest

from magnum_lite.cloud.inventory import Thing
from magnum_lite.cloud.memory import MemoryInventory
from magnum_lite.cmd import audits
from magnum_lite.conductor.audit import audit
from magnum_lite.models.stack import TAG, StackRequest, cluster_tag
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackRefused
from tests.functional.test_conductor import write
from tests.support.stand import OTHER, PROJECT

STRANGER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def living(stand):
    """A bay that is complete."""
    uuid = stand.cluster(node_count=2)
    assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
    return uuid


@pytest.fixture
def inventory(stand, living):
    """A cloud with the bay's servers, and somebody else's."""
    found = MemoryInventory([PROJECT, OTHER])
    for fact in facts(stand):
        found.all_servers.append(Thing(fact["server"], "node", PROJECT))
    found.all_servers.append(Thing("other", "web-12345678-manager-0", PROJECT))
    return found


def facts(stand):
    for stack in stand.stacks.find(None, [TAG]):
        told = stand.stacks.get(PROJECT, stack.id, outputs=True).outputs
        yield from (*told["masters"].values(), *told["workers"].values())


def look(stand, inventory):
    return audit(stand.database, stand.stacks, inventory, stand.keystone)


def kinds(found):
    return sorted(f.kind for f in found)


def stray(stand, uuid, name="stray", project=PROJECT):
    request = StackRequest(name, "swarm/cluster.yaml", {"managers": 1}, tags=(TAG, cluster_tag(uuid)))
    return stand.stacks.create(project, request)


def forgotten(stand):
    """A cluster that was made and deleted."""
    uuid = stand.cluster()
    stand.converge(uuid)
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    return uuid


def test_nothing_is_amiss(stand, inventory):
    stand.cluster()  # accepted, and nothing made of it yet
    assert look(stand, inventory) == []


def test_stacks_that_are_nobodys(stand, inventory, living):
    gone = forgotten(stand)
    mine = {
        stray(stand, STRANGER): ("stack-without-cluster", "never known"),
        stray(stand, gone, "left"): ("stack-without-cluster", "was deleted"),
        stray(stand, living, "second"): ("second-stack", "own stack is"),
        stray(stand, STRANGER, project=OTHER): ("stack-without-cluster", "never known"),
    }
    found = {f.id: f for f in look(stand, inventory)}
    assert found.keys() == mine.keys()
    for ident, (kind, text) in mine.items():
        assert found[ident].kind == kind and text in found[ident].text
    before = len(stand.stacks.find(None, [TAG]))
    out = io.StringIO()
    assert audits.report(list(found.values()), remove=False, as_json=False, out=out) == audits.FOUND
    assert len(stand.stacks.find(None, [TAG])) == before
    assert "4 of these are nobody's: magnum-lite-manage audit --remove removes them." in out.getvalue()
    assert audits.report(list(found.values()), remove=True, as_json=False, out=out) == audits.FOUND
    assert look(stand, inventory) == []
    assert [s.id for s in stand.stacks.find(None, [TAG])] == [stand.get(living)["stack_id"]]


def test_a_cluster_whose_stack_is_gone_is_named_and_left(stand, inventory, living):
    stand.stacks.delete(PROJECT, stand.get(living)["stack_id"])
    inventory.all_servers.clear()
    found = look(stand, inventory)
    assert kinds(found) == ["cluster-without-stack", *["node-without-server"] * 3]
    assert all(f.remove is None and f.cluster_uuid == living for f in found)
    assert audits.report(found, remove=True, as_json=True, out=io.StringIO()) == audits.FOUND
    assert stand.get(living)["status"] == "CREATE_COMPLETE"


def test_a_cluster_that_is_on_its_way_out_is_no_finding(stand, inventory, living):
    stand.stacks.delete(PROJECT, stand.get(living)["stack_id"])
    inventory.all_servers.clear()
    stand.api.delete(f"/v1/clusters/{living}")
    assert look(stand, inventory) == []


def test_what_is_made_while_it_looks_is_no_finding(stand, inventory, living):
    """The cloud is read first; what it did not have then is looked for again."""
    write(stand, living, stack_id=None)
    servers, credentials = list(inventory.all_servers), stand.keystone.all
    inventory.all_servers = [s for s in servers if s.id == "other"]

    def late():
        inventory.all_servers = servers
        write(stand, living, stack_id=stand.stacks.find(None, [TAG])[0].id)
        return credentials()

    stand.keystone.all = late
    assert look(stand, inventory) == []


def test_servers_that_no_stack_holds(stand, inventory, living):
    gone = forgotten(stand)
    name = f"bay-{gone[:8]}-worker-0"
    inventory.all_servers += [Thing("lost", name, PROJECT), Thing("kept", f"bay-{living[:8]}-x-0", PROJECT)]
    (found,) = look(stand, inventory)
    assert (found.kind, found.id, found.cluster_uuid) == ("server-without-cluster", "lost", gone)
    audits.report([found], remove=True, as_json=False, out=io.StringIO())
    assert {"kept", "other"} < {s.id for s in inventory.all_servers}
    assert look(stand, inventory) == []


def test_credentials_that_outlived_their_bay(stand, inventory, living):
    stand.keystone.things = [
        Thing("a", f"magnum-lite-{living}", PROJECT),
        Thing("b", f"magnum-lite-{STRANGER}-volumes", PROJECT),
        Thing("c", "somebody's", PROJECT),
    ]
    (found,) = look(stand, inventory)
    assert (found.kind, found.id) == ("credential-without-cluster", "b")
    audits.report([found], remove=True, as_json=False, out=io.StringIO())
    assert [c.id for c in stand.keystone.things] == ["a", "c"]


@pytest.mark.parametrize("service", ["identity", "compute", "orchestration"])
def test_a_service_that_is_away_is_said_and_accuses_nobody(stand, inventory, living, service):
    inventory.down, stand.keystone.down = service, service == "identity"
    if service == "orchestration":
        stand.stacks.fail_next("find", OrchestrationUnavailable("Heat or Keystone can't be reached."))
    found = look(stand, inventory)
    assert {(f.kind, f.service) for f in found} == {("not-looked-at", service)}
    out = io.StringIO()
    assert audits.report(found, remove=True, as_json=True, out=out) == audits.UNKNOWN
    assert json.loads(out.getvalue())[0]["removed"] == "no"


def test_a_project_that_keystone_closed(stand, inventory, living):
    inventory.open_projects = [OTHER]
    (found,) = look(stand, inventory)
    assert (found.kind, found.project_id, found.remove) == ("project-closed", PROJECT, None)


def test_without_the_list_of_all_projects_each_is_asked(stand, inventory):
    lost = stray(stand, STRANGER, project=OTHER)
    stand.stacks.fail_next("find", StackRefused("Heat refused the request: no global_index"))
    assert [f.id for f in look(stand, inventory)] == [lost]


def test_a_removal_that_fails_is_said(stand, inventory):
    stray(stand, STRANGER)
    found = look(stand, inventory)
    stand.stacks.fail_next("delete", OrchestrationUnavailable("away"))
    out = io.StringIO()
    assert audits.report(found, remove=True, as_json=False, out=out) == audits.UNKNOWN
    assert "Could not be removed." in out.getvalue()
