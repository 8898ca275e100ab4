"""What the in-memory stacks can do besides the contract: time, signals, faults, injected failures."""

import contextlib
import threading

import pytest

from magnum_lite.models.stack import ResourceFault, StackRequest
from magnum_lite.orchestration.memory import MemoryStacks
from magnum_lite.orchestration.stacks import OrchestrationUnavailable, StackExists


class Clock:
    """Seconds, set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def _request(name="s", minutes=1, **parameters):
    return StackRequest(name, "swarm/cluster.yaml", {"managers": 1, **parameters}, timeout_mins=minutes)


def test_an_action_takes_its_time():
    clock = Clock()
    stacks = MemoryStacks(clock=clock, settle=10)
    stack = stacks.create("p", _request())
    clock.now = 9.9
    assert stacks.get("p", stack).status == "IN_PROGRESS"
    clock.now = 10
    assert stacks.get("p", stack).status == "COMPLETE"
    stacks.delete("p", stack)
    assert stacks.get("p", stack).action == "DELETE"
    clock.now = 20
    assert stacks.get("p", stack) is None


def test_a_stack_whose_nodes_stay_silent_times_out():
    clock = Clock()
    stacks = MemoryStacks(clock=clock, settle=None)
    stack = stacks.create("p", _request(minutes=2))
    clock.now = 121
    seen = stacks.get("p", stack)
    assert (seen.action, seen.status, seen.reason) == ("CREATE", "FAILED", "Timed out")


def test_outputs_are_those_of_the_template():
    stacks = MemoryStacks()
    first = stacks.create("p", _request("a", workers=2, floating_ips=True))
    second = stacks.create("p", _request("b", workers=1))
    told = stacks.get("p", first, outputs=True).outputs
    assert set(told["masters"]) == {"0"}
    assert set(told["workers"]) == {"0", "1"}
    assert told["api_address"] == f"tcp://{told['masters']['0']['floating']}:2376"
    other = stacks.get("p", second, outputs=True).outputs
    assert other["masters"]["0"]["floating"] == ""
    assert other["api_address"] == f"tcp://{other['masters']['0']['address']}:2376"
    facts = [
        fact
        for outputs in (told, other)
        for role in ("masters", "workers")
        for fact in outputs[role].values()
    ]
    for key in ("server", "address", "stack"):
        assert len({fact[key] for fact in facts}) == 5


def test_an_update_is_seen_by_its_time():
    stacks = MemoryStacks()
    stack = stacks.create("p", _request())
    times = [stacks.get("p", stack).updated_at]
    for _ in range(2):
        stacks.update("p", stack, _request())
        times.append(stacks.get("p", stack).updated_at)
    assert len(set(times)) == 3


def test_failures_on_demand():
    stacks = MemoryStacks()
    stacks.fail_next("create", OrchestrationUnavailable("down"))
    with pytest.raises(OrchestrationUnavailable):
        stacks.create("p", _request())
    assert stacks.get("p", "s") is None
    stack = stacks.create("p", _request())
    fault = ResourceFault("swarm_nodes/0/server", "OS::Nova::Server", "No valid host was found.")
    stacks.add_fault("p", stack, fault)
    assert stacks.get("p", stack).status == "FAILED"
    assert stacks.faults("p", stack) == [fault]
    stacks.update("p", stack, _request())
    assert stacks.get("p", stack).status == "COMPLETE"
    assert stacks.faults("p", stack) == []


def test_one_of_many_threads_gets_the_name():
    stacks = MemoryStacks(settle=None)
    won = []

    def create():
        with contextlib.suppress(StackExists):
            won.append(stacks.create("p", _request()))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
