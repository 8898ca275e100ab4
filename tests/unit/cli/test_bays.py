"""Bays from the command line, against the real API."""

import json


def test_create_tells_each_step_and_what_to_type_next(service, run):
    result = run("create", "b1", "--node-count", 2, "--image", "fedora-atomic-23")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    ready = [line for line in lines if line.startswith("✓") and ": ready (" in line]
    assert len(ready) == 3, result.stdout
    assert any(line.startswith("✓ Bay b1 is complete: tcp://") for line in lines)
    assert f'eval "$(magnum-lite --state-dir {service.state_dir} env b1)"' in result.stdout, (
        "it can be pasted"
    )
    assert "\x1b" not in result.stdout


def test_list_show_and_json(bay, run, run_json):
    table = run("list").stdout.splitlines()
    assert table[0].split() == ["NAME", "STATUS", "HEALTH", "MASTER_COUNT", "NODE_COUNT", "UUID"]
    assert table[1].split()[:2] == ["b1", "CREATE_COMPLETE"]
    shown = run("show", "b1").stdout
    assert "api_address" in shown
    assert shown.count("worker") >= 2
    one = run_json("show", "b1")
    assert [n["state"] for n in one["nodes"]] == ["ready"] * 3
    assert run_json("list")[0]["uuid"] == one["uuid"]


def test_json_of_create_is_only_json(service, run):
    result = run("create", "b1", "--image", "fedora-atomic-23", "-o", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["status"] == "CREATE_COMPLETE"
    assert ": ready (" in result.stderr


def test_no_wait_returns_at_once(service, run):
    result = run("create", "b1", "--image", "fedora-atomic-23", "--no-wait")
    assert result.exit_code == 0, result.output
    assert "is accepted" in result.stdout
    assert "events b1 --follow" in result.stdout


def test_resize_up_down_and_a_chosen_node(bay, service, run, run_json):
    assert "has 3 worker(s)" in run("resize", "b1", 3).stdout
    victim = next(n for n in run_json("show", "b1")["nodes"] if n["role"] == "worker" and n["index"] == 0)
    result = run("resize", "b1", 2, "--remove", victim["hostname"])
    assert result.exit_code == 0, result.output
    left = {n["hostname"] for n in run_json("show", "b1")["nodes"]}
    assert victim["hostname"] not in left
    assert len(left) == 3
    again = [line for line in result.stdout.splitlines() if ": ready (" in line or ": boot (" in line]
    assert again == [], "nodes that were ready before are no news"


def test_a_failed_bay_is_explained_and_removed(service, run, run_json):
    service.broken_worker = ("engine", "dockerd does not start", "line one\nno space left on device")
    result = run("create", "b1", "--image", "fedora-atomic-23")
    assert result.exit_code == 1
    text = result.stdout + result.stderr
    assert "dockerd does not start" in text
    assert "no space left on device" in text
    assert "CREATE_FAILED" in text
    assert "--retain" in result.stderr
    assert run_json("list") == []
    assert run_json("templates") == [], "the baymodel that was made for it goes, too"


def test_retain_keeps_the_wreck_and_says_what_to_do(service, run, run_json):
    service.broken_worker = ("engine", "dockerd does not start", "no space left on device")
    result = run("create", "b1", "--image", "fedora-atomic-23", "--retain")
    assert result.exit_code == 1
    assert " logs b1" in result.stderr
    assert " delete b1" in result.stderr
    assert [b["status"] for b in run_json("list")] == ["CREATE_FAILED"]
    assert run("delete", "b1").exit_code == 0
    assert run_json("list") == []


def test_delete_removes_the_bay_and_its_own_model(service, run, run_json):
    assert run("create", "b1", "--image", "fedora-atomic-23").exit_code == 0
    result = run("delete", "b1")
    assert result.exit_code == 0, result.output
    assert "Bay b1 is gone" in result.stdout
    assert run_json("list") == []
    assert run_json("templates") == []


def test_delete_keeps_a_model_of_the_user(bay, run, run_json):
    assert run("delete", bay).exit_code == 0
    assert [m["name"] for m in run_json("templates")] == ["model"]


def test_labels_are_merged_into_those_of_the_model(service, run, run_json):
    run("template-create", "model", "--image", "fedora-atomic-23", "--label", "published_ports=none")
    made = run("create", "b1", "--template", "model", "--label", "node_labels=storage=ssd,tier=fast")
    assert made.exit_code == 0, made.output
    labels = run_json("show", "b1")["labels"]
    assert labels["published_ports"] == "none"
    assert labels["node_labels"] == "storage=ssd,tier=fast"


def test_the_watch_outlives_a_service_that_is_away(service, run, monkeypatch):
    """As when a supervisor starts it again."""
    original, failures = service._application, iter(range(8))

    def flaky(environ, start_response):
        if environ["REQUEST_METHOD"] == "GET" and next(failures, None) is not None:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return original(environ, start_response)

    service._server.wsgi_app = flaky
    result = run("create", "b1", "--image", "fedora-atomic-23")
    assert result.exit_code == 0, result.output
    assert "still trying" in result.stdout
    assert next(failures, None) is None


def test_plans_are_shown_and_not_done(bay, service, run, run_json):
    result = run("resize", "b1", 3, "--plan")
    assert result.exit_code == 0, result.output
    assert "+ node b1-" in result.stdout and "nothing was changed" in result.stdout
    assert run_json("resize", "b1", 1, "--plan", "-o", "json")["resources"]["removed"]
    result = run("delete", "b1", "--plan")
    assert result.stdout.count("- node b1-") == 3
    assert run_json("show", "b1")["node_count"] == 2
    result = run("create", "b2", "--image", "fedora-atomic-23", "--label", "registry_miror=x", "--plan")
    assert result.exit_code == 0, result.output
    assert "Did you mean registry_mirror?" in result.stdout
    assert "instances" in result.stdout
    assert [b["name"] for b in run_json("list")] == ["b1"]
    result = run("create", "b2", "--image", "fedora-atomic-23", "--master-count", 2, "--plan")
    assert result.exit_code == 5 and "1, 3 or 5 masters" in result.output


def test_upgrade_is_planned_done_and_says_where_the_api_is_now(bay, service, run, run_json):
    before = run_json("show", "b1")
    assert run("template-create", "m2", "--image", "debian-12-node").exit_code == 0
    planned = run("upgrade", "b1", "m2", "--plan")
    assert planned.exit_code == 0, planned.output
    assert all(f"- node {n['hostname']}" in planned.stdout for n in before["nodes"])

    def machines(shown):
        return [(n["uuid"], n["server_id"], n["state"]) for n in shown["nodes"]]

    assert machines(run_json("show", "b1")) == machines(before)
    result = run("upgrade", "b1", "m2", "--batch", 2)
    assert result.exit_code == 0, result.output
    assert "Bay b1 is upgraded, with 2 worker(s)" in result.stdout
    assert "env b1" in result.stdout, "its API has moved"
    after = run_json("show", "b1")
    assert {n["image_id"] for n in after["nodes"]} == {"debian-12-node"}
    assert {n["server_id"] for n in after["nodes"]}.isdisjoint(n["server_id"] for n in before["nodes"])
    refused = run("upgrade", "b1", "nosuch")
    assert refused.exit_code != 0 and "nosuch" in refused.output
