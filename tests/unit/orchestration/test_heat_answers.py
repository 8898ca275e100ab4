"""Heat's answers as values: errors, causes of a failure, members that outputs do not show yet."""

import pytest

from magnum_lite.orchestration.answers import error_of, stack_of
from magnum_lite.orchestration.faults import faults_of
from magnum_lite.orchestration.growth import HiddenMember, hidden_in_group, hidden_members, node_groups
from magnum_lite.orchestration.stacks import (
    OrchestrationUnavailable,
    StackConflict,
    StackExists,
    StackNotFound,
    StackRefused,
)

URL = "http://10.0.0.1:8004/v1/p/stacks"


def _resource(name, stack, nested=None, status="CREATE_COMPLETE", reason="state changed", kind="OS::X"):
    links = [
        {"rel": "self", "href": f"{URL}/n/{stack}/resources/{name}"},
        {"rel": "stack", "href": f"{URL}/n/{stack}"},
    ]
    if nested:
        links.append({"rel": "nested", "href": f"{URL}/n/{nested}"})
    return {
        "resource_name": name,
        "links": links,
        "resource_status": status,
        "resource_status_reason": reason,
        "resource_type": kind,
    }


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {}, StackNotFound),
        (409, {"error": {"type": "StackExists", "message": "x"}}, StackExists),
        (409, {"error": {"type": "ActionInProgress", "message": "x"}}, StackConflict),
        (400, {"error": {"message": "ERROR: bad\n thing"}}, StackRefused),
        (403, {"error": {"message": "x"}}, StackRefused),
        (401, {}, OrchestrationUnavailable),
        (500, {"error": {"message": "connect to mysql://10.0.0.1 failed"}}, OrchestrationUnavailable),
        (503, "<html>10.0.0.1", OrchestrationUnavailable),
        ("N/A", None, OrchestrationUnavailable),
    ],
)
def test_errors(status, body, kind):
    error = error_of(status, body, "s")
    assert type(error) is kind
    assert "10.0.0.1" not in error.reason
    if status == 400:
        assert error.reason == "Heat refused the request: bad thing"


def test_a_stack_without_extras():
    raw = {"id": "i", "stack_name": "n", "stack_status": "ROLLBACK_IN_PROGRESS", "creation_time": "t"}
    stack = stack_of(raw, "p")
    assert (stack.action, stack.status, stack.updated_at, stack.project_id) == (
        "ROLLBACK",
        "IN_PROGRESS",
        "t",
        "p",
    )


def test_causes_come_first_and_cancelled_resources_last():
    bad = {"status": "CREATE_FAILED"}
    found = faults_of(
        [
            _resource("workers", "top", "group", **bad, reason="resources[1]: no host"),
            _resource("net", "top"),
            _resource("masters", "top", **bad, reason="CREATE aborted (Task create cancelled)"),
            _resource("1", "group", "node1", **bad, reason="no host"),
            _resource("0", "group", "node0"),
            _resource("server", "node1", **bad, reason="no host", kind="OS::Nova::Server"),
            _resource("server", "node0"),
        ]
    )
    assert [fault.path for fault in found] == ["workers/1/server", "workers/1", "workers", "masters"]
    assert (found[0].type, found[0].reason) == ("OS::Nova::Server", "no host")


def test_members_that_outputs_do_not_show():
    template = {
        "outputs": {
            "workers": {"value": {"get_attr": ["group", "attributes", "facts"]}},
            "masters": {"value": {"get_attr": ["other", "attributes", "facts"]}},
            "api": {"value": {"get_attr": ["group", "api", 0]}},
            "plain": {"value": "x"},
        }
    }
    resources = [
        _resource("group", "top", "g"),
        _resource("other", "top"),
        _resource("0", "g", "n0"),
        _resource("1", "g", "n1"),
        _resource("2", "g"),
        _resource("1", "elsewhere", "n9"),
    ]
    found = hidden_members("top", template, resources, {"workers": {"0": {}}, "masters": None})
    assert found == [HiddenMember("workers", "1", "facts", "n1")]


def test_node_groups_and_their_hidden_nodes():
    top = [
        _resource("nodegroup_gpu_1", "top", "gpu"),
        _resource("nodegroup_new_2", "top"),  # Heat has not begun it
        _resource("swarm_nodes", "top", "workers"),
        _resource("nodegroup_odd", "workers", "n9"),
    ]
    assert node_groups("top", top) == {"nodegroup_gpu_1": "gpu"}
    inside = [
        _resource("server_group", "gpu"),
        _resource("swarm_nodes", "gpu", "members"),
        _resource("0", "members", "n0"),
        _resource("1", "members", "n1"),
        _resource("2", "members"),
    ]
    assert hidden_in_group("gpu", inside, {"0": {}}) == [HiddenMember("nodes", "1", "facts", "n1")]
