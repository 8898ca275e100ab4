"""What people have kubectl configured by: this product's own command, and the OpenStack client's."""

import pytest

from magnum_lite.local.commands.kubeconfig import name_of
from tests.clients.command import Client, login
from tests.support import client_env
from tests.support.openstack import PROGRAMS

pytestmark = pytest.mark.timeout(900)
NODES = "get nodes --output name"


def nodes_of(tenant, bay):
    return {f"node/{n['hostname']}" for n in tenant.nodes(bay["uuid"])}


@pytest.fixture
def shell(machine, built, kubectl, tmp_path):
    """``shell(programs)``: a member's, with kubectl and a home of its own."""

    def make(programs):
        who = login(machine.state_dir, "magnum-lite")
        where = f"{kubectl.program.parent}:{programs}"
        return Client(where, who, tmp_path)

    return make


def test_merged_into_ones_own_file(shell, machine, tenant, bay, tmp_path):
    """What was in it stays; the bay is the current context, and kubectl needs nothing else."""
    mine = tmp_path / ".kube/config"
    mine.parent.mkdir()
    mine.write_text("apiVersion: v1\nkind: Config\nusers: [{name: somebody, user: {token: t}}]\n")
    member = shell(PROGRAMS)
    member.run(f"magnum-lite --state-dir {machine.state_dir} env {bay['name']} --merge")
    assert member.run("kubectl config current-context").strip() == name_of(bay["name"])
    assert set(member.run(f"kubectl {NODES}").split()) == nodes_of(tenant, bay)
    assert "somebody" in member.run("kubectl config view")
    assert mine.stat().st_mode & 0o777 == 0o600


def test_variables(shell, machine, tenant, bay):
    member = shell(PROGRAMS)
    line = (
        f'eval "$(magnum-lite --state-dir {machine.state_dir} env {bay["name"]} --ttl 600)"; kubectl {NODES}'
    )
    assert set(member.run(line).split()) == nodes_of(tenant, bay)


def test_the_openstack_client_writes_one(shell, tenant, bay):
    """``coe cluster config`` prints the line that a shell takes."""
    member = shell(client_env.programs("openstackclient"))
    member.run("mkdir files")
    line = f"openstack coe cluster config {bay['name']} --dir files --output-certs"
    said = member.run(f'eval "$({line})"; echo "$KUBECONFIG"; kubectl {NODES}').split()
    assert said[0].endswith("files/config")
    assert set(said[1:]) == nodes_of(tenant, bay)
