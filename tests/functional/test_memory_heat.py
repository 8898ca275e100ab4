"""The in-memory Heat as a process: what it keeps when it is killed, and what it does not let a caller do."""

import contextlib
import threading

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from magnum_lite.models.stack import StackRequest
from magnum_lite.orchestration import heat
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.orchestration.stacks import StackRefused
from magnum_lite.orchestration.templates import Templates
from tests.support.memory_heat import MemoryHeat

ONE, TWO = "1" * 32, "2" * 32


def sessions(server):
    made = {}

    def session_for(project):
        if project not in made:
            auth = dict(server.auth)
            if project:
                auth = {k: v for k, v in auth.items() if not k.startswith("project_")} | {
                    "project_id": project
                }
            made[project] = session.Session(auth=v3.Password(**auth), timeout=30)
        return made[project]

    return session_for


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as started:

        def begin(**options):
            server = started.enter_context(MemoryHeat(tmp_path / "heat.log", **options))
            return server, heat.HeatStacks(sessions(server))

        yield begin


TEMPLATE = "swarm/cluster.yaml"
EMPTY = {"json": {}, "comma_delimited_list": [], "number": 0, "boolean": False, "string": ""}
NEEDED = {
    name: EMPTY[told["type"]]
    for name, told in Templates().load(TEMPLATE).parameters.items()
    if "default" not in told
}


def request(name, tags=(), **more):
    files = dict.fromkeys(Templates().load(TEMPLATE).expected, "text")
    parameters = NEEDED | {"managers": 1, "workers": 2}
    credentials = {"manager_credentials": {"0": "m:0"}, "worker_credentials": {"0": "w:0", "1": "w:1"}}
    return StackRequest(name, TEMPLATE, parameters | credentials | more, files, ("t", *tags), 60)


def signal_all(stacks, stack):
    told = stacks.get(ONE, stack, outputs=True).outputs
    for fact in (*told["masters"].values(), *told["workers"].values()):
        stacks.signal(ONE, fact["stack"], "ready_handle", {"status": "SUCCESS", "reason": "", "id": "x"})


def servers(stacks):
    return {
        s["server"]: s for s in stacks._client(ONE).session.get(f"{base(stacks)}/servers").json()["servers"]
    }


def base(stacks):
    return stacks._client(ONE).session.auth.auth_url.removesuffix("/v3")


def test_a_killed_one_comes_back_as_it_was(start, tmp_path):
    server, stacks = start(state=tmp_path / "heat.sqlite")
    done, busy, gone = (stacks.create(ONE, request(f"bay-{n}", (f"t-{n}",))) for n in range(3))
    signal_all(stacks, done)
    stacks.delete(ONE, gone)
    before, had = [stacks.get(ONE, s, outputs=True) for s in (done, busy)], servers(stacks)
    assert {s["credential"] for s in had.values()} == {"m:0", "w:0", "w:1"}
    server.kill()
    server.start()
    assert [stacks.get(ONE, s, outputs=True) for s in (done, busy)] == before
    assert [s.status for s in before] == ["COMPLETE", "IN_PROGRESS"]
    assert servers(stacks).keys() == had.keys()
    assert stacks.get(ONE, gone) is None
    assert [s.id for s in stacks.find([ONE], ["t-1"])] == [busy]
    stacks.update(ONE, done, request("bay-0", workers=1, removed_workers=["0"]))
    server.kill()
    server.start()
    seen = stacks.get(ONE, done, outputs=True)
    assert (seen.action, seen.status) == ("UPDATE", "COMPLETE") and set(seen.outputs["workers"]) == {"1"}
    # An index that went stays away, also after that.
    stacks.update(ONE, done, request("bay-0", workers=2))
    assert {s["index"] for s in servers(stacks).values() if s["stack"] == done} == {0, 1, 2}


def test_a_legacy_engine_fails_what_it_was_at(start, tmp_path):
    server, stacks = start(state=tmp_path / "heat.sqlite", interrupted=True)
    stack = stacks.create(ONE, request("bay"))
    had = servers(stacks)
    server.kill()
    server.start()
    seen = stacks.get(ONE, stack)
    assert (seen.status, seen.reason) == ("FAILED", "Engine went down during stack CREATE")
    stacks.update(ONE, stack, request("bay"))
    signal_all(stacks, stack)
    assert stacks.get(ONE, stack).status == "COMPLETE"
    assert servers(stacks).keys() == had.keys()


def test_two_may_take_one_name_at_once(start):
    _, stacks = start(race=2.0)
    assert stacks.count(ONE) == 0  # and logged in, so that nothing but the race takes time
    made, both = [], threading.Barrier(2)

    def make():
        both.wait()
        made.append(stacks.create(ONE, request("bay")))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2
    assert {s.id for s in stacks.find([ONE], ["t"])} == set(made)


def test_pages_are_whole(start, monkeypatch):
    _, stacks = start(settle=0)
    made = [stacks.create(project, request(f"bay-{n}")) for n in range(7) for project in (ONE, TWO)]
    monkeypatch.setattr(heat, "PAGE", 3)
    assert [s.id for s in stacks.find(None, ["t"])] == made
    assert [s.id for s in stacks.find([TWO], ["t"])] == made[1::2]
    assert stacks.count(ONE) == 7


def test_it_lets_nobody_else_in(start):
    server, stacks = start()
    stack = stacks.create(ONE, request("bay"))
    with pytest.raises(StackRefused, match="Invalid stack name"):
        stacks.create(ONE, request("0-bay"))
    wrong = v3.Password(**(server.auth | {"password": "guessed"}))
    with pytest.raises(exceptions.Unauthorized):
        session.Session(auth=wrong).get_token()
    token = sessions(server)(ONE).get_token()
    plain = session.Session()
    for given, path, status in (
        ("", ONE, 401),
        (f"{token}x", ONE, 401),
        (token, TWO, 403),
        (token, f"{ONE}/nothing", 404),
    ):
        url = f"{server.url}/v1/{path}" + ("" if "/" in path else f"/stacks/bay/{stack}")
        answer = plain.get(url, headers={"X-Auth-Token": given}, raise_exc=False)
        assert answer.status_code == status, (given, path)


def test_hundreds_of_addresses_of_one_bay_differ():
    stacks = MemoryStacks()
    stack = stacks.create("p", StackRequest("big", "t", {"managers": 3, "workers": 600}))
    outputs = stacks.get("p", stack, outputs=True).outputs
    addresses = [fact["address"] for role in ("masters", "workers") for fact in outputs[role].values()]
    assert len(set(addresses)) == 603
    assert all(0 <= int(part) < 256 for address in addresses for part in address.split("."))
