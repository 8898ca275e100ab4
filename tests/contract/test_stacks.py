"""What the conductor may rely on, of the in-memory stacks, of the same served over HTTP and reached through
heatclient, and of a real Heat alike.

The real one is the one-machine cloud's, or that of the service user in the clouds.yaml which
``MAGNUM_LITE_TEST_CLOUDS_YAML`` names; he may act in at least two projects besides his own.
"""

import contextlib
import functools
import math
import time
import uuid
from pathlib import Path

import pytest
import yaml

from magnum_lite.models.stack import GROUP_PREFIX, StackRequest
from magnum_lite.orchestration.memory import MemoryStacks, declared_by
from magnum_lite.orchestration.stacks import (
    OrchestrationUnavailable,
    StackConflict,
    StackExists,
    StackNotFound,
    StackRefused,
)
from magnum_lite.orchestration.templates import Templates
from tests.support import memory_heat

TEMPLATES = Templates(Path(__file__).parent / "heat_templates")
RUN = f"contract-{uuid.uuid4().hex[:8]}"


def _session(cloud, project_id):
    from keystoneauth1 import session
    from keystoneauth1.identity import v3

    auth = dict(cloud)
    if project_id:
        for name in ("project_name", "project_domain_name", "project_domain_id"):
            auth.pop(name, None)
        auth["project_id"] = project_id
    return session.Session(auth=v3.Password(**auth), timeout=30)


def _real(clouds):
    from magnum_lite.orchestration.heat import HeatStacks

    cloud = yaml.safe_load(clouds.read_text())["clouds"]["magnum-lite-service"]["auth"]
    own = _session(cloud, None)
    found = own.get(f"{cloud['auth_url'].rstrip('/')}/auth/projects")
    projects = [item["id"] for item in found.json()["projects"] if item["id"] != own.get_project_id()]
    sessions = {project: _session(cloud, project) for project in projects[:2]} | {None: own}
    return HeatStacks(sessions.__getitem__, TEMPLATES), projects[:2], cloud


class World:
    """One implementation, two projects, and waiting with a deadline. ``kind`` is memory, http or heat;
    ``session_of`` logs in, with a project's token.
    """

    def __init__(self, kind, stacks, projects, session_of=None):
        self.stacks, self.projects, self.session_of = stacks, projects, session_of
        self.one, self.two = projects
        self.counted = "OS::Nova::Server" if kind == "memory" else "OS::Heat::WaitCondition"  # one a node
        self.seconds, self.pause = {"memory": (2, 0), "http": (10, 0.01), "heat": (120, 0.2)}[kind]
        self.tells_seconds = kind != "memory"

    def request(self, name=None, *, tags=(), template="swarm/bay.yaml", files=True, **parameters):
        name = name or f"{RUN}-{uuid.uuid4().hex[:6]}"
        return StackRequest(
            name=name,
            template=template,
            parameters={"name": name, **parameters},
            files={"greeting": "__NAME__"} if files else {},
            tags=("magnum-lite", RUN, *tags),
            timeout_mins=5,
        )

    def create(self, project=None, **more):
        request = self.request(**more)
        return self.stacks.create(project or self.one, request), request

    def until(self, condition, what):
        """Poll ``condition`` until it is true; its value."""
        deadline = time.monotonic() + self.seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited {self.seconds} s for {what}"
            time.sleep(self.pause)
        return value

    def facts(self, stack, project=None):
        """Facts of the nodes that have a stack, by group and index."""
        told = self.stacks.get(project or self.one, stack, outputs=True).outputs
        groups = {name: told.get(name) for name in ("masters", "workers")}
        groups |= {k: v["nodes"] for k, v in told.items() if k.startswith(GROUP_PREFIX) and v}
        return {
            (group, int(index)): fact
            for group, members in groups.items()
            for index, fact in (members or {}).items()
            if fact and fact.get("stack")
        }

    def nodes(self, stack, count, project=None):
        """The facts, once all nodes have a stack."""

        def look():
            facts = self.facts(stack, project)
            return facts if len(facts) == count else None

        return self.until(look, f"{count} nodes of {stack}")

    def group_stack(self, stack, name):
        """The nested stack of a node group."""
        return self.stacks.get(self.one, stack, outputs=True).outputs[name]["stack"]

    def signal(self, stack, count, status="SUCCESS"):
        for fact in self.nodes(stack, count).values():
            data = {"status": status, "reason": "agent says so", "id": uuid.uuid4().hex}
            with contextlib.suppress(StackNotFound):
                self.signal_one(fact, data)

    def signal_one(self, fact, data):
        """A nested stack answers before its handle does: Heat says 404 until then."""

        def told():
            try:
                self.stacks.signal(self.one, fact["stack"], "ready_handle", data)
            except (StackNotFound, StackRefused):
                return False
            return True

        self.until(told, "the handle")

    def ended(self, stack, project=None):
        def look():
            seen = self.stacks.get(project or self.one, stack)
            return seen if seen.status != "IN_PROGRESS" else None

        return self.until(look, f"the end of {stack}'s action")

    def sweep(self):
        """Delete all; Heat waits up to ``error_wait_time`` for an action that goes on."""
        for stack in self.stacks.find(self.projects, [RUN]):
            self.stacks.delete(stack.project_id, stack.id)
        self.until(lambda: not self.stacks.find(self.projects, [RUN]), "all stacks to go")


@pytest.fixture(scope="module")
def real_world(service_clouds):
    stacks, projects, cloud = _real(service_clouds)
    world = World("heat", stacks, projects, lambda project: _session(cloud, project))
    yield world
    world.sweep()


@pytest.fixture(scope="module")
def http_world():
    from magnum_lite.orchestration.heat import HeatStacks

    with memory_heat.served() as server:
        sessions = functools.cache(lambda project: _session(server.auth, project))
        world = World("http", HeatStacks(sessions, TEMPLATES), ["1" * 32, "2" * 32], sessions)
        yield world
        world.sweep()


@pytest.fixture(params=["memory", "http", pytest.param("heat", marks=pytest.mark.local)])
def world(request):
    if request.param == "heat":
        return request.getfixturevalue("real_world")
    if request.param == "http":
        return request.getfixturevalue("http_world")
    stacks = MemoryStacks(settle=None, declared=declared_by(TEMPLATES))
    return World("memory", stacks, ["project-1", "project-2"])


@pytest.fixture(params=["http", pytest.param("heat", marks=pytest.mark.local)])
def served_world(request):
    """Those that heatclient speaks to."""
    return request.getfixturevalue({"heat": "real_world", "http": "http_world"}[request.param])


def test_a_stack_lives_by_its_nodes_signals(world):
    stack, request = world.create(workers=2, tags=("magnum-lite-a",))
    seen = world.stacks.get(world.one, stack)
    assert (seen.id, seen.name, seen.project_id) == (stack, request.name, world.one)
    assert (seen.action, seen.status) == ("CREATE", "IN_PROGRESS")
    assert set(seen.tags) == set(request.tags)
    assert seen.outputs == {}
    nodes = world.nodes(stack, 3)
    assert set(nodes) == {("masters", 0), ("workers", 0), ("workers", 1)}
    world.signal(stack, 3)
    assert (world.ended(stack).action, world.ended(stack).status) == ("CREATE", "COMPLETE")
    assert world.stacks.faults(world.one, stack) == []


def test_updates_keep_nodes_and_never_reuse_an_index(world):
    stack, request = world.create(workers=2)
    world.signal(stack, 3)
    assert world.ended(stack).status == "COMPLETE"
    before = world.nodes(stack, 3)
    changed = world.request(request.name, workers=1, removed_workers=["0"])
    world.stacks.update(world.one, stack, changed)
    assert world.ended(stack).action == "UPDATE"
    assert world.ended(stack).status == "COMPLETE"
    assert world.nodes(stack, 2) == {key: before[key] for key in (("masters", 0), ("workers", 1))}
    # The list is not repeated, and yet index 0 does not come back.
    world.stacks.update(world.one, stack, world.request(request.name, workers=2))
    after = world.nodes(stack, 3)
    assert set(after) == {("masters", 0), ("workers", 1), ("workers", 2)}
    assert after["workers", 1] == before["workers", 1]
    world.signal_one(after["workers", 2], {"status": "SUCCESS", "reason": "", "id": "x"})
    assert world.ended(stack).status == "COMPLETE"


A, B = f"{GROUP_PREFIX}a_11111111", f"{GROUP_PREFIX}b_22222222"


def group(count, *removed):
    return {"count": count, "removed": list(removed)}


def changed_to(world, stack, request, count, **groups):
    """Ask for these node groups, signal whoever is new, and wait for the end; the nodes."""
    before, mark = world.facts(stack), world.stacks.get(world.one, stack).updated_at
    if world.tells_seconds:  # two updates that begin within one second could not be told from each other
        world.until(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > mark, "the next second")
    world.stacks.update(world.one, stack, world.request(request.name, workers=1, node_groups=groups))
    due = dict.fromkeys(before, math.inf)

    def ended():
        for key, fact in world.facts(stack).items():
            if due.get(key, 0.0) < time.monotonic():
                world.signal_one(fact, {"status": "SUCCESS", "reason": "", "id": "x"})
                due[key] = time.monotonic() + 10.0  # one that came before its handle was whole is lost
        seen = world.stacks.get(world.one, stack)
        return seen if seen.status != "IN_PROGRESS" and seen.updated_at != mark else None

    seen = world.until(ended, "the end of the update")
    assert (seen.action, seen.status) == ("UPDATE", "COMPLETE"), seen.reason
    return world.nodes(stack, count)


def test_node_groups_come_change_and_go_without_touching_others(world):
    stack, request = world.create(workers=1)
    world.signal(stack, 2)
    assert world.ended(stack).status == "COMPLETE"
    before = world.nodes(stack, 2)
    both = changed_to(world, stack, request, 5, **{A: group(2), B: group(1)})
    assert set(both) == {("masters", 0), ("workers", 0), (A, 0), (A, 1), (B, 0)}
    nested = {name: world.group_stack(stack, name) for name in (A, B)}
    assert len(set(nested.values()) | {stack}) == 3
    resized = changed_to(world, stack, request, 5, **{A: group(2, "0"), B: group(1)})
    assert set(resized) == {("masters", 0), ("workers", 0), (A, 1), (A, 2), (B, 0)}
    assert world.group_stack(stack, A) == nested[A]
    # One that goes, one that comes and one that stays, in one change.
    fresh = f"{GROUP_PREFIX}a_33333333"
    last = changed_to(world, stack, request, 4, **{fresh: group(1), A: group(1, "0", "1")})
    assert set(last) == {("masters", 0), ("workers", 0), (A, 2), (fresh, 0)}
    kept = {**both, **resized, **before}
    assert all(last[key] == kept[key] for key in last if key in kept)
    empty = changed_to(world, stack, request, 2, **{A: group(0, "0", "1", "2")})
    assert empty == before
    assert world.group_stack(stack, A) == nested[A]
    assert changed_to(world, stack, request, 2) == before


def test_a_new_group_is_known_while_it_is_made_and_names_its_fault(world):
    stack, request = world.create(workers=1)
    world.signal(stack, 2)
    world.ended(stack)
    world.stacks.update(world.one, stack, world.request(request.name, workers=1, node_groups={A: group(2)}))
    nodes = world.nodes(stack, 4)
    assert world.stacks.get(world.one, stack).status == "IN_PROGRESS"
    world.signal_one(nodes[A, 1], {"status": "FAILURE", "reason": "no GPU", "id": "x"})
    assert world.ended(stack).status == "FAILED"
    first = world.stacks.faults(world.one, stack)[0]
    assert first.path == f"{A}/swarm_nodes/1/ready" and "no GPU" in first.reason
    # Without it all is well again, and the rest was never touched.
    world.stacks.update(world.one, stack, world.request(request.name, workers=1))
    assert world.ended(stack).status == "COMPLETE"
    assert world.nodes(stack, 2) == {key: nodes[key] for key in (("masters", 0), ("workers", 0))}


def test_a_stack_is_made_with_its_groups_at_once(world):
    stack, _ = world.create(workers=1, node_groups={A: group(2), B: group(0)})
    nodes = world.nodes(stack, 4)
    assert {(A, 0), (A, 1)} < set(nodes)
    world.signal(stack, 4)
    assert world.ended(stack).status == "COMPLETE"
    assert world.group_stack(stack, B)


def test_an_update_is_the_whole_request(world):
    stack, request = world.create(workers=1, tags=("old",))
    world.signal(stack, 2)
    world.ended(stack)
    world.stacks.update(world.one, stack, world.request(request.name, tags=("new",)))
    assert world.ended(stack).status == "COMPLETE"
    assert set(world.nodes(stack, 1)) == {("masters", 0)}
    assert set(world.ended(stack).tags) == {"magnum-lite", RUN, "new"}


def test_a_second_stack_of_one_name_is_refused_and_the_first_found_by_name(world):
    stack, request = world.create()
    with pytest.raises(StackExists) as caught:
        world.stacks.create(world.one, request)
    assert caught.value.name == request.name
    assert world.stacks.get(world.one, request.name).id == stack
    other = world.stacks.create(world.two, request)  # another project's names are its own
    assert other != stack


def test_a_busy_stack_is_a_conflict(world):
    stack, request = world.create()
    with pytest.raises(StackConflict):
        world.stacks.update(world.one, stack, world.request(request.name, workers=1))


def test_deletion_is_idempotent_and_frees_the_name(world):
    stack, request = world.create(workers=1)
    for _ in range(2):
        world.stacks.delete(world.one, stack)
    world.until(lambda: world.stacks.get(world.one, stack) is None, "the stack to go")
    world.stacks.delete(world.one, stack)
    world.stacks.delete(world.one, str(uuid.uuid4()))
    assert world.stacks.get(world.one, request.name) is None
    assert world.stacks.create(world.one, request) != stack
    with pytest.raises(StackNotFound):
        world.stacks.update(world.one, stack, request)


def test_what_does_not_exist(world):
    unknown = str(uuid.uuid4())
    for ident in (unknown, "no-such-name", "../odd", ""):
        assert world.stacks.get(world.one, ident) is None
    with pytest.raises(StackNotFound):
        world.stacks.update(world.one, unknown, world.request())
    with pytest.raises(StackNotFound):
        world.stacks.faults(world.one, unknown)
    with pytest.raises(StackNotFound):
        world.stacks.signal(world.one, unknown, "ready_handle", {"status": "SUCCESS"})


def test_a_wrong_request_is_refused_and_leaves_nothing(world):
    request = world.request(odd="x")
    for call in (world.stacks.create, world.stacks.validate, world.stacks.preview):
        with pytest.raises(StackRefused) as caught:
            call(world.one, request)
        assert "odd" in caught.value.reason
    assert world.stacks.get(world.one, request.name) is None


@pytest.mark.local
def test_heat_refuses_an_unknown_resource_type(real_world):
    request = real_world.request(template="refused.yaml")
    with pytest.raises(StackRefused, match="OS::No::SuchThing"):
        real_world.stacks.create(real_world.one, request)


def test_preview_and_validate_make_nothing(world):
    request = world.request(workers=2)
    world.stacks.validate(world.one, request)
    counts = world.stacks.preview(world.one, request).added
    assert counts[world.counted] == 3
    assert world.stacks.get(world.one, request.name) is None


def test_preview_of_an_update_changes_nothing(world):
    had = world.stacks.count(world.one)
    stack, request = world.create(workers=2)
    assert world.stacks.count(world.one) == had + 1
    for fact in world.nodes(stack, 3).values():
        world.signal_one(fact, {"status": "SUCCESS", "reason": "up", "id": "x"})
    world.ended(stack)
    assert world.stacks.contents(world.one, stack)[world.counted] == 3
    grown = world.stacks.preview(world.one, world.request(request.name, workers=4), stack)
    assert grown.added[world.counted] == 2 and not grown.removed and not grown.replaced
    fewer = world.request(request.name, workers=1, removed_workers=["0"])
    shrunk = world.stacks.preview(world.one, fewer, stack)
    assert shrunk.removed[world.counted] == 1 and not shrunk.added and not shrunk.replaced
    same = world.stacks.preview(world.one, request, stack)
    assert not (same.added or same.removed or same.replaced)
    assert len(world.nodes(stack, 3)) == 3
    world.stacks.delete(world.one, stack)
    with pytest.raises(StackNotFound):
        world.stacks.preview(world.one, request, str(uuid.uuid4()))


def test_a_failure_is_told_leaf_first(world):
    stack, _ = world.create(workers=2)
    broken = world.nodes(stack, 3)["workers", 1]
    world.signal_one(broken, {"status": "FAILURE", "reason": "dockerd did not start", "id": "x"})
    seen = world.ended(stack)
    assert (seen.action, seen.status) == ("CREATE", "FAILED")
    assert "dockerd did not start" in seen.reason
    first = world.stacks.faults(world.one, stack)[0]
    assert (first.path, first.type) == ("swarm_nodes/1/ready", "OS::Heat::WaitCondition")
    assert "dockerd did not start" in first.reason
    world.stacks.delete(world.one, stack)
    world.until(lambda: world.stacks.get(world.one, stack) is None, "the broken stack to go")


def test_found_by_all_tags_across_projects(world):
    tag = f"magnum-lite-{uuid.uuid4()}"
    first, _ = world.create(tags=(tag,))
    second, _ = world.create(world.two, tags=(tag, "extra"))
    world.create()
    by = {stack.id: stack for stack in world.stacks.find(world.projects, [tag])}
    assert {ident: stack.project_id for ident, stack in by.items()} == {first: world.one, second: world.two}
    assert set(by[second].tags) == {"magnum-lite", RUN, tag, "extra"}
    assert [stack.id for stack in world.stacks.find(world.projects, [tag, "extra"])] == [second]
    assert [stack.id for stack in world.stacks.find([world.one], [tag])] == [first]
    assert {stack.id for stack in world.stacks.find(None, [tag])} == {first, second}
    assert world.stacks.find(world.projects, ["nothing-has-this"]) == []
    assert world.stacks.find([], [tag]) == []


def test_projects_see_their_own_only(world):
    stack, request = world.create()
    assert world.stacks.get(world.two, stack) is None
    assert world.stacks.get(world.two, request.name) is None
    world.stacks.delete(world.two, stack)
    with pytest.raises(StackNotFound):
        world.stacks.update(world.two, stack, request)
    with pytest.raises(StackNotFound):
        world.stacks.faults(world.two, stack)
    assert world.stacks.get(world.one, stack).action == "CREATE"


def test_heat_lists_project_by_project_where_the_policy_says_so(served_world, monkeypatch):
    from magnum_lite.orchestration import heat

    monkeypatch.setattr(heat, "PAGE", 1)
    tag = f"magnum-lite-{uuid.uuid4()}"
    made = {served_world.create(tags=(tag,))[0] for _ in range(2)}
    made.add(served_world.create(served_world.two, tags=(tag,))[0])
    # A session of a tenant's project is what Heat's policy refuses to list everything for.
    closed = heat.HeatStacks(lambda project: served_world.session_of(project or served_world.one), TEMPLATES)
    with pytest.raises(StackRefused):
        closed.find(None, [tag])
    assert {stack.id for stack in closed.find(served_world.projects, [tag])} == made
    assert {stack.id for stack in served_world.stacks.find(served_world.projects, [tag])} == made


def test_a_dead_heat_is_unavailable_and_keeps_its_address(served_world):
    from magnum_lite.orchestration import heat

    class Nowhere:
        """A session whose catalogue points to a port where nobody listens."""

        def __init__(self):
            self.real = served_world.session_of(served_world.one)

        def request(self, url, method, **more):
            more["endpoint_override"] = "http://127.0.0.1:9/v1/x"
            return self.real.request(url, method, **more)

    session = Nowhere()
    with pytest.raises(OrchestrationUnavailable) as caught:
        heat.HeatStacks(lambda _project: session, TEMPLATES).get(served_world.one, "x")
    assert "127.0.0.1" not in caught.value.reason
