"""Events and logs."""

import json
import threading
import time


def test_events_in_order_and_after_deletion_by_uuid(bay, run, run_json):
    uuid = run_json("show", bay)["uuid"]
    found = run_json("events", bay)
    assert [e["id"] for e in found] == sorted(e["id"] for e in found)
    text = run("events", bay).stdout
    assert "Creation accepted" in text
    assert "ready" in text
    assert run("delete", bay).exit_code == 0
    assert run("events", bay).exit_code == 3
    assert "Deleted: nothing is left of it." in run("events", uuid).stdout


def test_follow_goes_on_until_the_bay_is_gone(bay, run):
    result = {}
    follower = threading.Thread(
        target=lambda: result.update(text=run("events", bay, "-f", "-o", "json").stdout)
    )
    follower.start()
    other = run("delete", bay, "--no-wait")
    assert other.exit_code == 0
    follower.join(30)
    assert not follower.is_alive()
    last = json.loads(result["text"].splitlines()[-1])
    assert last["message"] == "Deleted: nothing is left of it."


def test_logs_are_asked_for_and_waited_for(bay, service, run):
    """Each machine's agent answers with a later report."""
    asked = threading.Event()

    def answer():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            wanted = [n for n in service.node_records() if n["collect_logs"]]
            if wanted:
                asked.set()
            for record in wanted:
                machine = next(m for m in service.stand.machines.values() if m.node_id == record["uuid"])
                logs = {"docker": f"engine of {record['hostname']}\x1b[31m", "agent": "all well"}
                machine.report("ready", 100, "ok", healthy=True, logs=logs)
            if asked.is_set() and not wanted:
                return
            time.sleep(0.02)

    agents = threading.Thread(target=answer)
    agents.start()
    result = run("logs", bay)
    agents.join(30)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("engine of ") == 3
    assert "\x1b" not in result.stdout, "a node must not steer the terminal"
    assert "did not answer" not in result.stderr


def test_a_node_that_does_not_answer_is_named(bay, run):
    result = run("logs", bay, "--timeout", 0)
    assert result.exit_code == 0
    assert result.stderr.count("did not answer") == 3


def test_logs_of_a_node_that_is_not_there(bay, run):
    result = run("logs", bay, "--node", "nobody", "--timeout", 0)
    assert result.exit_code == 3
    assert "b1" in result.stderr
