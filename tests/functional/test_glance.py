"""Clusters that wait for Heat, looked at together."""

import dataclasses

import pytest
import sqlalchemy as sa

from magnum_lite.conductor.glance import glance
from magnum_lite.conductor.pace import LOOKS, Pace
from magnum_lite.db import leases
from magnum_lite.db.schema import cluster
from magnum_lite.models.stack import ResourceFault
from magnum_lite.orchestration.stacks import OrchestrationUnavailable
from tests.functional.conftest import TEMPLATE
from tests.support.stand import OTHER, Stand

CROWD = 1000


class Listed:
    """The stacks, and how often they were listed."""

    def __init__(self, stacks):
        self._stacks, self.lists, self.silent = stacks, [], set()

    def find(self, projects, tags, *, status=None):
        self.lists.append(tuple(projects))
        if self.silent & set(projects):
            raise OrchestrationUnavailable("Heat is away.")
        return self._stacks.find(projects, tags, status=status)

    def __getattr__(self, name):
        return getattr(self._stacks, name)


@pytest.fixture
def stand(tmp_path):
    """Clusters of two projects, each with its stack in progress, among very many such."""
    stand = Stand(tmp_path)
    stand.ports = dataclasses.replace(stand.ports, stacks=Listed(stand.stacks), pace=Pace(CROWD))
    mine = stand.template()
    other = stand.as_caller(project=OTHER)
    theirs = other.post_json("/v1/clustertemplates", TEMPLATE).json
    body = {"name": "bay", "cluster_template_id": theirs["uuid"]}
    stand.bays = [
        stand.cluster(mine),
        stand.cluster(mine),
        other.post_json("/v1/clusters", body).json["uuid"],
    ]
    for _ in range(3):
        looked(stand)
    return stand


def looked(stand):
    """One look at each cluster that is due, and the lease given back for as long as that look says."""
    return stand.pass_once(wait=lambda _, seconds: seconds)


def column(stand, uuid, name):
    with stand.database.read() as connection:
        return connection.execute(sa.select(cluster.c[name]).where(cluster.c.uuid == uuid)).scalar_one()


def end(stand, uuid):
    """Let its stack end."""
    fault = ResourceFault("workers.0", "OS::Nova::Server", "No valid host was found.")
    stand.stacks.add_fault(column(stand, uuid, "project_id"), column(stand, uuid, "stack_id"), fault)


def test_each_is_looked_at_late_and_all_together_by_one_list_for_each_project(stand):
    assert looked(stand) == []
    for uuid in stand.bays:
        assert column(stand, uuid, "stack_busy") is True
        assert column(stand, uuid, "next_sync") > stand.database.now() + CROWD / LOOKS - 30
    with stand.database.read() as connection:
        assert leases.busy(connection) == 3
    stand.ports.stacks.lists.clear()
    assert glance(stand.ports) == 0
    assert sorted(stand.ports.stacks.lists) == [("a" * 32,), ("b" * 32,)]
    assert looked(stand) == []


def test_one_list_where_the_operator_opened_all_projects(stand):
    stand.conf.set_override("global_stack_list", True, group="conductor")
    stand.ports.stacks.lists.clear()
    assert glance(stand.ports) == 0
    assert stand.ports.stacks.lists == [("a" * 32, "b" * 32)]


def test_a_stack_that_ended_makes_its_cluster_due_and_no_other(stand):
    end(stand, stand.bays[1])
    assert glance(stand.ports) == 1
    assert glance(stand.ports) == 0
    assert looked(stand) == [stand.bays[1]]


def test_nothing_is_asked_when_nobody_waits(tmp_path):
    stand = Stand(tmp_path)
    stand.ports = dataclasses.replace(stand.ports, stacks=Listed(stand.stacks))
    assert glance(stand.ports) == 0
    assert stand.ports.stacks.lists == []


def test_a_project_that_can_not_be_listed_is_left_and_the_others_are_not(stand):
    end(stand, stand.bays[0])
    end(stand, stand.bays[2])
    stand.ports.stacks.silent = {OTHER}
    assert glance(stand.ports) == 1
    assert looked(stand) == [stand.bays[0]]
    stand.ports.stacks.silent = set()
    assert glance(stand.ports) == 1
    assert stand.bays[2] in looked(stand)


def test_what_nodes_report_does_not_wait_for_it(stand):
    for _ in range(2):  # they enrol, and report
        stand.boot()
    assert looked(stand) != []


def test_who_has_ended_is_not_counted(stand):
    stand.ports = dataclasses.replace(stand.ports, pace=Pace())
    for uuid in stand.bays[:2]:
        stand.converge(uuid)
    with stand.database.read() as connection:
        assert leases.busy(connection) <= 1
    assert column(stand, stand.bays[0], "stack_busy") is None


def test_users_who_wait_come_first(stand):
    with stand.database.write() as connection:
        connection.execute(cluster.update().values(next_sync=5.0))
        settled = {"next_sync": 1.0, "observed_generation": cluster.c.generation}
        connection.execute(cluster.update().where(cluster.c.uuid == stand.bays[0]).values(**settled))
    with stand.database.read() as connection:
        due = [uuid for uuid, _ in leases.due(connection, 10)]
    assert due[-1] == stand.bays[0]
    assert len(due) == 3


def test_the_pace():
    assert Pace(5).glances(1.0) is None
    assert Pace(1000).interval == 1000 / LOOKS
    assert Pace(1000).glances(1.0) == pytest.approx(5.0)
    assert Pace(30).glances(1.0) == 1.0
