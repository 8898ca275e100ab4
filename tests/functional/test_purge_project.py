"""A project goes: its bays are deleted while that is possible, and forgotten with all their keys when it is not."""

import argparse

import pytest

from magnum_lite.cmd import purge
from magnum_lite.db import schema
from magnum_lite.orchestration.stacks import OrchestrationUnavailable
from tests.support.stand import OTHER, PROJECT, Stand


class Keystone:
    """Whether the service user may act in a project."""

    def __init__(self):
        self.gone = set()

    def may_act_in(self, project_id):
        return project_id not in self.gone


class Home:
    def __init__(self, where):
        self.stand = Stand(where)
        self.keystone = Keystone()
        object.__setattr__(self.stand.ports, "sessions", self.keystone)
        self.admin = self.stand.as_caller(project=OTHER, user="root", roles="admin")
        self.theirs = self.stand.as_caller(project=OTHER, user="u2")
        public = self.admin.post_json("/v1/clustertemplates", TEMPLATE | {"name": "theirs"}).json
        self.neighbour = self.theirs.post_json(
            "/v1/clusters", {"name": "n", "cluster_template_id": public["uuid"], "node_count": 1}
        ).json["uuid"]
        self.uuids = [self.stand.cluster() for _ in range(2)]
        for uuid in self.uuids:
            assert self.stand.converge(uuid)["status"] == "CREATE_COMPLETE"
        self.admin.post_json("/v1/quotas", {"project_id": PROJECT, "resource": "Cluster", "hard_limit": 9})

    def run(self, **asked):
        arguments = argparse.Namespace(**{"project": PROJECT, "delete": False, "forget": False} | asked)
        return purge.purge(self.stand.ports, arguments)

    def rows(self):
        """table → how many rows are the project's, or hang on its bays."""
        out = {}
        with self.stand.database.read() as connection:
            for table in schema.metadata.sorted_tables:
                found = [str(dict(r)) for r in connection.execute(table.select()).mappings()]
                out[table.name] = sum(PROJECT in r or any(u in r for u in self.uuids) for r in found)
        return out


TEMPLATE = {
    "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium", "keypair_id": "my-key",
    "external_network_id": "CERN_NETWORK",
}  # fmt: skip


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_looking_changes_nothing(home, capsys):
    before = home.rows()
    assert home.run() == 4
    words = capsys.readouterr().out
    assert all(uuid in words for uuid in home.uuids)
    assert home.neighbour not in words
    assert "--delete" in words
    assert home.rows() == before
    assert [home.stand.get(u)["status"] for u in home.uuids] == ["CREATE_COMPLETE"] * 2


def test_while_the_project_is_there(home, capsys):
    with pytest.raises(Exception, match="delete its bays first"):
        home.run(forget=True)
    assert home.run(delete=True) == 0
    assert home.run(delete=True) == 0, "again is fine"
    for uuid in home.uuids:
        assert home.stand.converge(uuid) is None
    assert home.run(delete=True) == 0
    assert "Templates and quotas were removed" in capsys.readouterr().out
    assert home.run() == 0
    left = {name for name, count in home.rows().items() if count}
    assert left <= {"event", "certificate"}
    assert home.stand.stacks.find([PROJECT], ["magnum-lite"]) == []
    assert home.theirs.get(f"/v1/clusters/{home.neighbour}").status_int == 200


def test_when_it_is_gone(home, capsys):
    home.keystone.gone.add(PROJECT)
    assert home.run() == 4
    assert "--forget" in capsys.readouterr().out
    assert home.run(delete=True) == 1
    assert "may not act" in capsys.readouterr().err
    stacks = {s.id for s in home.stand.stacks.find([PROJECT], ["magnum-lite"])}
    assert home.run(forget=True) == 0
    words = capsys.readouterr().out
    assert "Left in the cloud" in words
    assert all(stack in words for stack in stacks)
    left = {name for name, count in home.rows().items() if count}
    assert left <= {"event", "certificate"}, "no key, no secret, no node, no token stays"
    assert home.theirs.get(f"/v1/clusters/{home.neighbour}").status_int == 200


def test_a_public_template_that_others_use_stays(home, capsys):
    mine = home.stand.template()
    home.admin.patch_json(
        f"/v1/clustertemplates/{mine['uuid']}", [{"op": "replace", "path": "/public", "value": True}]
    )
    user = home.theirs.post_json("/v1/clusters", {"name": "o", "cluster_template_id": mine["uuid"]}).json[
        "uuid"
    ]
    home.keystone.gone.add(PROJECT)
    assert home.run(forget=True) == 0
    assert f"{mine['uuid']}" in capsys.readouterr().out
    assert home.theirs.get(f"/v1/clustertemplates/{mine['uuid']}").status_int == 200
    assert home.theirs.get(f"/v1/clusters/{user}").status_int == 200


class Shut:
    """Heat, in which nobody can log in to a project that is ``gone``."""

    def __init__(self, stacks, gone):
        self._stacks, self._gone = stacks, gone

    def __getattr__(self, name):
        def call(project_id, *arguments, **more):
            asked = [project_id] if isinstance(project_id, str) else project_id or []
            if self._gone.intersection(asked):
                raise OrchestrationUnavailable("Keystone refused the service user in this project.")
            return getattr(self._stacks, name)(project_id, *arguments, **more)

        return call


@pytest.fixture
def shut(home):
    """The same, with a project in which the service may not act."""
    object.__setattr__(home.stand.ports, "stacks", Shut(home.stand.stacks, home.keystone.gone))
    home.keystone.gone.add(PROJECT)
    return home


def test_a_bay_in_a_project_that_nobody_opened(shut):
    """It fails at once, with the command that helps; it can be tried again, and deleted although nobody can look."""
    uuids = [shut.stand.cluster() for _ in range(2)]
    for uuid in uuids:
        found = shut.stand.converge(uuid)
        assert found["status"] == "CREATE_FAILED"
        assert "openstack role add --user" in found["status_reason"]
    shut.stand.api.delete(f"/v1/clusters/{uuids[0]}", status=204)
    assert shut.stand.converge(uuids[0]) is None
    shut.keystone.gone.clear()
    change = [{"op": "replace", "path": "/node_count", "value": 1}]
    shut.stand.api.patch_json(f"/v1/clusters/{uuids[1]}", change, status=202)
    assert shut.stand.converge(uuids[1])["status"] == "UPDATE_COMPLETE"


def test_a_bay_with_a_stack_waits_for_the_project(shut):
    """What Heat may have is not forgotten, and not given up, because Keystone refuses for a while."""
    uuid = shut.uuids[0]
    shut.stand.api.delete(f"/v1/clusters/{uuid}", status=204)
    for _ in range(5):
        shut.stand.pass_once()
    assert shut.stand.get(uuid)["status"] == "DELETE_IN_PROGRESS"
    shut.keystone.gone.clear()
    assert shut.stand.settle(uuid) is None
