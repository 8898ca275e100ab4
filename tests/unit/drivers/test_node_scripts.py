"""The scripts that run on nodes: their form, and what they do to an image's own configuration.

``engine.sh`` runs for real, as root of a mount namespace whose ``/etc`` is the test's; only systemctl,
journalctl and curl are stand-ins that answer for a machine that is not there.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from magnum_lite import paths
from magnum_lite.drivers import registry, swarm, user_data
from tests.support.bay_spec import spec

ROOT = paths.heat_templates()
NODE = ROOT / "swarm" / "node"
SCRIPTS = sorted(p for where in ROOT.glob("**/node") for p in where.iterdir() if p.suffix in {".sh", ""})

UNITS = {
    "debian": "[Service]\nType=notify\nEnvironmentFile=-/etc/default/docker\n"
    "ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS\n",
    "ubuntu": "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n",
    "fedora": "[Service]\nEnvironmentFile=-/etc/sysconfig/docker\nExecStart=/usr/bin/dockerd \\\n"
    "          --host=fd:// \\\n          --exec-opt native.cgroupdriver=systemd \\\n          $OPTIONS\n",
}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_shellcheck_finds_nothing(script):
    run = subprocess.run(
        ["shellcheck", "-x", "-P", f"{script.parent}:{ROOT}/node", script],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
def test_shellcheck_finds_nothing_in_rendered_settings(tmp_path):
    hostile = spec(no_proxy="'; $(x) `y` \\", labels={"registry_mirror": 'http://"x'})
    (tmp_path / "node.env").write_text(
        "#!/bin/bash\n" + user_data.environment(swarm.settings(hostile, "manager"))
    )
    # SC2034: nobody uses them *there*. Below a warning: that single quotes stop expansion is the point.
    command = ["shellcheck", "-S", "warning", "-e", "SC2034", tmp_path / "node.env"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_are_short_and_do_what_was_learnt(script):
    text = script.read_text()
    assert len(text.splitlines()) < 100
    assert not re.search(r"curl[^\n]* -T ", text)
    assert "2375" not in text


def test_every_script_and_unit_reaches_some_node():
    for path in ROOT.glob("**/node/*"):
        requests = [registry.get(coe).stack_request(spec()) for coe in registry.engines()]
        texts = [text for request in requests for text in request.files.values()]
        assert any(f"/{path.name}" in text for text in texts), f"{path.name} is in nobody's user data"


@pytest.fixture
def machine(tmp_path):
    """``etc`` and stand-ins; a function that runs engine.sh on it."""
    etc, fakes, unit = tmp_path / "etc", tmp_path / "bin", tmp_path / "docker.service"
    for directory in (etc / "magnum-lite", etc / "docker", etc / "systemd/system", fakes):
        directory.mkdir(parents=True)
    (etc / "magnum-lite/volume").write_text("")
    for name in swarm.MACHINE.scripts:  # in one directory, as on a node
        shutil.copy(ROOT / name, tmp_path)
    for name, answer in (
        ("systemctl", f'echo "$*" >> /etc/calls; [ "$1" != show ] || echo {unit}'),
        ("journalctl", ""),
        ("curl", ""),
    ):
        (fakes / name).write_text(f"#!/bin/bash\n{answer}\n")
        (fakes / name).chmod(0o755)

    def run(role, of, unit_text):
        unit.write_text(unit_text)
        (etc / "magnum-lite/node.env").write_text(user_data.environment(swarm.settings(of, role)))
        inside = f"mount --bind {etc} /etc && exec bash {tmp_path}/engine.sh"
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", inside],
            env=os.environ | {"PATH": f"{fakes}:{os.environ['PATH']}"},
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return etc

    return run


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")


@needs_root
@pytest.mark.parametrize("distribution", UNITS)
def test_the_engine_itself_serves_its_socket_only_as_its_image_has_it(machine, distribution):
    for role in ("manager", "worker"):
        etc = machine(role, spec(), UNITS[distribution])
        config = json.loads((etc / "docker/daemon.json").read_text())
        assert config["storage-driver"] == "overlay2"
        assert not [k for k in config if k.startswith(("tls", "hosts"))]
        assert "ExecStart=" not in (etc / "systemd/system/docker.service.d/magnum-lite.conf").read_text()


@needs_root
@pytest.mark.parametrize(("role", "serves"), [("manager", True), ("worker", False)])
def test_only_managers_serve_the_api(machine, role, serves):
    etc = machine(role, spec(), UNITS["debian"])
    assert ("enable --now engine-api.service" in (etc / "calls").read_text()) == serves


@needs_root
def test_the_tenants_settings_reach_the_engine(machine):
    mirror = {"registry_mirror": "https://mirror.example"}
    of = spec(insecure_registry="10.0.0.0/8, r.example:5000", http_proxy='http://p"$x`:1', labels=mirror)
    etc = machine("worker", of, UNITS["debian"])
    config = json.loads((etc / "docker/daemon.json").read_text())
    assert config["insecure-registries"] == ["10.0.0.0/8", "r.example:5000"]
    assert config["registry-mirrors"] == ["https://mirror.example"]
    environment = (etc / "magnum-lite/engine.env").read_text().splitlines()
    assert environment[0] == r'HTTP_PROXY="http://p\"\$x\`:1"'
    assert environment[1].startswith('NO_PROXY="localhost,127.0.0.1,10.79.255.1')


@needs_root
def test_what_the_image_configured_stays_and_twice_is_as_once(machine):
    etc = machine("manager", spec(), UNITS["debian"])
    before = (etc / "docker/daemon.json").read_text()
    (etc / "docker/daemon.json").write_text(json.dumps({"ipv6": True} | json.loads(before)))
    machine("manager", spec(), UNITS["debian"])
    assert json.loads((etc / "docker/daemon.json").read_text()) == {"ipv6": True} | json.loads(before)


def test_what_leaves_the_node_opens_nothing(tmp_path):
    text = (
        "a SWMTKN-1-abc-def b\n-----BEGIN EC PRIVATE KEY-----\nsecret\n-----END EC PRIVATE KEY-----\n"
        "get http://bob:hunter22@proxy/ \x1b[31mred\x07 tok123abc\n"
    )
    door = (ROOT / "node/door.sh").read_text()
    redact = door[door.index("redact() {") :]
    run = subprocess.run(
        ["bash", "-c", f"TOKEN=tok123abc\n{redact}\nredact"],
        input=text, capture_output=True, check=True, text=True, timeout=30,
    )  # fmt: skip
    assert run.stdout == "a SWMTKN-*** b\nget http://***@proxy/ [31mred ***\n"


@pytest.mark.skipif(shutil.which("jq") is None, reason="the agent needs jq; tools/bootstrap.sh installs it")
def test_labels_are_added_changed_and_taken_away(tmp_path):
    """``engine`` stands in for the Docker API: it shows one node and keeps what is posted."""
    node = {"Version": {"Index": 7}, "Spec": {"Role": "worker", "Labels": {"mine": "1", "old": "x"}}}
    (tmp_path / "node.json").write_text(json.dumps(node))
    order = tmp_path / "order.json"
    program = f"""
        STATE={tmp_path} ROLE=manager; . {NODE}/swarm.sh; . {NODE}/swarm-duties.sh
        engine() {{
            echo "$1 $2" >> "$STATE/calls"
            if [ "$1" = GET ]; then cat "$STATE/node.json"; else cp "${{4#@}}" "$STATE/posted.json"; fi
        }}
        coe_obey "$STATE/order.json"
    """

    def run(labels):
        order.write_text(json.dumps({"set_labels": {"abc1": labels}}))
        (tmp_path / "posted.json").unlink(missing_ok=True)
        subprocess.run(["bash", "-c", program], check=True, timeout=20)
        found = tmp_path / "posted.json"
        return json.loads(found.read_text()) if found.exists() else None

    posted = run({"old": None, "storage": "ssd", "a/b": "x y'\"$z"})
    assert posted == {"Role": "worker", "Labels": {"mine": "1", "storage": "ssd", "a/b": "x y'\"$z"}}
    assert "POST /nodes/abc1/update?version=7" in (tmp_path / "calls").read_text()
    assert run({"mine": "1", "absent": None}) is None, "what is so already is left alone"
