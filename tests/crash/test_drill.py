"""The drill: a third of all nodes goes, behind the service's back, with the intervals that it has by default. It
has to say so of every bay within a minute, and to name each node. Then owners replace what they lost.
"""

import random
import time

import pytest

from tests.crash import checks
from tests.crash.test_kills import eventually
from tests.crash.workload import PROJECTS, Bay, Tenants
from tests.crash.world import world

BAYS, MINUTE = 20, 60
pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
DEFAULTS = {
    "conductor__silent_after": 45,
    "conductor__idle_interval": 60,
    "conductor__poll_interval": 1,
    "node_door__report_interval": 15,
}


def made_bays(made, tenants):
    for number in range(BAYS):
        project = PROJECTS[number % len(PROJECTS)]
        body = {"name": f"bay-{number}", "cluster_template_id": tenants.templates[project], "node_count": 2}
        status, bay = eventually(lambda p=project, b=body: tenants.call(p, "POST", "/v1/clusters", b))
        assert status == 202, bay
        tenants.bays[bay["uuid"]] = Bay(bay["uuid"], project)
    found = checks.settled(made, tenants, 300)
    late = [tenants.bays[uuid] for uuid, told in found.items() if told[0] != "CREATE_COMPLETE"]
    told = {bay.uuid: (found[bay.uuid], *why(tenants, bay)) for bay in late}
    assert not late, (told, made.fleet.failures[-9:])


def why(tenants, bay):
    """What it says of its nodes, and its events."""
    path = f"/v1/clusters/{bay.uuid}"
    return [
        eventually(lambda w=what: tenants.call(bay.project, "GET", f"{path}/{w}"))[1]
        for what in ("nodes", "events?limit=1000")
    ]


def shown(tenants, bay):
    return eventually(lambda: tenants.call(bay.project, "GET", f"/v1/clusters/{bay.uuid}"))[1]


def hostnames(tenants, bay):
    found = eventually(lambda: tenants.call(bay.project, "GET", f"/v1/clusters/{bay.uuid}/nodes"))[1]
    return {node["server_id"]: node["hostname"] for node in found["nodes"]}


def events(tenants, bay):
    found = eventually(lambda: tenants.call(bay.project, "GET", f"/v1/clusters/{bay.uuid}/events?limit=1000"))
    return [e["message"] for e in found[1]["events"] if e["kind"] == "health"]


def told_of(tenants, bay, missing):
    """Whether the bay is unhealthy and says so of each of these."""
    found = shown(tenants, bay)
    reasons = found["health_status_reason"] or {}
    return found["health_status"] == "UNHEALTHY" and all(
        reasons.get(name, "").startswith(("silent", "down")) for name in missing
    )


def resized(made, tenants, wishes):
    """Ask for all of these (bay → body), and wait for the end."""
    for uuid, wish in wishes.items():
        bay, path = tenants.bays[uuid], f"/v1/clusters/{uuid}/actions/resize"
        status, told = eventually(lambda b=bay, p=path, w=wish: tenants.call(b.project, "POST", p, w))
        assert status == 202, told
    found = checks.settled(made, tenants, 300)
    assert {found[uuid][0] for uuid in wishes} == {"UPDATE_COMPLETE"}, found


def replaced(made, tenants, gone):
    """Workers that are gone, of bays whose master is alive: named in a resize, and then made anew."""
    lost = {}
    for bay in tenants.bays.values():
        nodes = eventually(lambda b=bay: tenants.call(b.project, "GET", f"/v1/clusters/{b.uuid}/nodes"))
        masters = {n["server_id"] for n in nodes[1]["nodes"] if n["role"] == "master"}
        if not masters & gone and (servers := {n["server_id"] for n in nodes[1]["nodes"]} & gone):
            lost[bay.uuid] = sorted(servers)
    assert lost
    resized(
        made,
        tenants,
        {uuid: {"node_count": 2 - len(them), "nodes_to_remove": them} for uuid, them in lost.items()},
    )
    resized(made, tenants, {uuid: {"node_count": 2} for uuid in lost})
    deadline = time.monotonic() + 90
    while any(shown(tenants, tenants.bays[uuid])["health_status"] != "HEALTHY" for uuid in lost):
        assert time.monotonic() < deadline, "not all are healthy again"
        time.sleep(1)
    for uuid in lost:
        names = hostnames(tenants, tenants.bays[uuid])
        assert len(names) == 3 and not names.keys() & gone


def test_a_third_of_all_nodes_goes(capsys):
    with world("mariadb", options=DEFAULTS, idle=15.0) as made:
        tenants = Tenants(made.api_port, 1, made.log)
        eventually(tenants.prepare)
        made_bays(made, tenants)
        deadline = time.monotonic() + 120
        while not all(shown(tenants, bay)["health_status"] == "HEALTHY" for bay in tenants.bays.values()):
            assert time.monotonic() < deadline, "not all bays are healthy before the drill"
            time.sleep(1)
        servers = sorted(made.fleet.machines)
        gone = set(random.Random(7).sample(servers, len(servers) // 3))
        missing = {}
        for bay in tenants.bays.values():
            names = hostnames(tenants, bay)
            if hit := [name for server, name in names.items() if server in gone]:
                missing[bay.uuid] = hit
        alarms = {uuid: told_unwell(tenants, bay) for uuid, bay in tenants.bays.items()}
        began = time.monotonic()
        for server in gone:
            made.fleet.end(server)
        seconds = {}
        while len(seconds) < len(missing) and time.monotonic() - began < 2 * MINUTE:
            for uuid in missing.keys() - seconds.keys():
                if told_of(tenants, tenants.bays[uuid], missing[uuid]):
                    seconds[uuid] = time.monotonic() - began
            time.sleep(0.5)
        with capsys.disabled():
            times = sorted(seconds.values())
            print(
                f"\n{len(gone)} of {len(servers)} machines gone; {len(times)} of {len(missing)} bays say so:"
                f" first after {times[0]:.0f} s, last after {times[-1]:.0f} s"
            )
        assert seconds.keys() == missing.keys()
        assert max(seconds.values()) <= MINUTE
        for uuid, names in missing.items():
            assert any(name in text for name in names for text in events(tenants, tenants.bays[uuid]))
        replaced(made, tenants, gone)
        untouched = [bay for uuid, bay in tenants.bays.items() if uuid not in missing]
        for bay in untouched:
            left_alone(made, tenants, bay, alarms[bay.uuid])


def told_unwell(tenants, bay):
    return [text for text in events(tenants, bay) if text.startswith("UNHEALTHY")]


def left_alone(made, tenants, bay, before):
    """A bay that lost nothing is well, and was all the time, as far as its machines were in time: on a machine that is
    too busy a report may be late by more than is allowed, and the bay says so until it is looked at again.
    """
    deadline = time.monotonic() + DEFAULTS["conductor__idle_interval"] + 30
    while (found := shown(tenants, bay))["health_status"] != "HEALTHY":
        assert time.monotonic() < deadline, (found, *why(tenants, bay), made.fleet.failures[-9:])
        time.sleep(1)
    late = max(made.fleet.machines[server].gap for server in hostnames(tenants, bay))
    alarms = told_unwell(tenants, bay)
    assert alarms == before or late > DEFAULTS["conductor__silent_after"] - 1, (late, alarms)
