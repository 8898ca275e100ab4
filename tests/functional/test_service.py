"""Conductors as they run: threads, message bus, heartbeat; several at once on one database."""

import time

import pytest
import sqlalchemy as sa

from magnum_lite.conductor.service import ConductorService
from magnum_lite.db import schema, services
from magnum_lite.models.stack import TAG
from magnum_lite.orchestration.stacks import OrchestrationUnavailable
from tests.support import global_configuration
from tests.support.stand import Stand
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def bus(tmp_path_factory):
    with global_configuration.bus(tmp_path_factory.mktemp("bus")) as made:
        yield made


@pytest.fixture
def filed(tmp_path):
    """A stand on a database in a file; its conductors look often."""
    return Stand(
        tmp_path, f"sqlite:///{tmp_path}/db.sqlite", conductor__poll_interval=0.05, conductor__busy_interval=0.05,
        conductor__workers=4,
    )  # fmt: skip


@pytest.fixture
def running(bus, filed):
    """``running(n)`` starts n conductors."""
    started = []

    def start(count=1, **more):
        for number in range(count):
            service = ConductorService(filed.make_ports(f"conductor-{number}"), bus, **more)
            service.start()
            started.append(service)
        return started

    yield start
    for service in started:
        service.stop()


def status(stand, uuid):
    found = stand.api.get(f"/v1/clusters/{uuid}", expect_errors=True)
    return found.json["status"] if found.status_int == 200 else None


@pytest.mark.parametrize("count", [1, 3])
def test_many_clusters(filed, running, count):
    template = filed.template()
    made = [filed.cluster(template, node_count=1) for _ in range(4)]
    running(count)
    eventually(lambda: {status(filed, u) for u in made} == {"CREATE_COMPLETE"}, work=filed.boot)
    assert len(filed.stacks.find(None, [TAG])) == 4
    with filed.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.authority)).scalar_one() == 8
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.node)).scalar_one() == 8
    for uuid in made[:2]:
        filed.api.patch_json(f"/v1/clusters/{uuid}", [{"op": "replace", "path": "/node_count", "value": 2}])
    for uuid in made[2:]:
        filed.api.delete(f"/v1/clusters/{uuid}")
    eventually(lambda: {status(filed, u) for u in made} == {"UPDATE_COMPLETE", None}, work=filed.boot)
    assert len(filed.stacks.find(None, [TAG])) == 2


def test_a_heartbeat(filed, running):
    running()

    def beats():
        with filed.database.read() as connection:
            return services.every(connection)

    (found,) = eventually(beats)
    assert found["binary"] == "magnum-conductor"


def test_a_fault_of_ours_backs_off_and_is_tried_again(filed, running, caplog):
    """A bug, or a database that is away for a moment, costs time and nothing else."""
    left = [3]

    def at_point(point):
        if point == "ensure_stack_or_help" and left[0]:
            left[0] -= 1
            raise RuntimeError("oops")

    filed.conf.set_override("lease_seconds", 5, group="conductor")
    uuid = filed.cluster(node_count=1)
    running(1, at_point=at_point)

    def hurry():
        filed.boot()
        with filed.database.write() as connection:  # the back-off is of seconds
            connection.execute(
                schema.cluster.update().where(schema.cluster.c.lease_expires == 0.0).values(next_sync=0.0)
            )

    eventually(lambda: status(filed, uuid) == "CREATE_COMPLETE", work=hurry)
    assert left == [0]
    with filed.database.read() as connection:
        assert connection.execute(sa.select(schema.cluster.c.attempts)).scalar_one() == 0


def test_heat_is_away_while_it_runs(filed, running):
    filed.stacks.fail_next("create", OrchestrationUnavailable("Heat does not answer."))
    uuid = filed.cluster(node_count=1)
    running()
    eventually(lambda: status(filed, uuid) == "CREATE_COMPLETE", work=filed.boot)


def test_it_stops(filed, running):
    (service,) = running()
    before = time.monotonic()
    service.stop()
    assert time.monotonic() - before < 15
    uuid = filed.cluster(node_count=1)
    assert status(filed, uuid) == "CREATE_IN_PROGRESS"
