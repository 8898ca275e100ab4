"""What is counted, who serves it, and that the shipped rules and dashboard are about it."""

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest
import yaml

from magnum_lite import metrics, paths
from magnum_lite.cmd.metrics import GAUGES
from magnum_lite.db import migrations
from magnum_lite.db.session import Database
from tests.support import packages
from tests.support.processes import Server, answers, free_port

ETC = paths.settings().parent
NAMES = (
    {f"magnum_lite_{n}_total" for n in metrics.COUNTERS}
    | {f"magnum_lite_{n}_{part}" for n in metrics.HISTOGRAMS for part in ("bucket", "sum", "count")}
    | {f"magnum_lite_{n}" for n in GAUGES}
)
WORKER = """
import sys
from magnum_lite import config, metrics, wsgi
import time
def ask(method, path, **more):
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
               "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "localhost", **more}
    said = []
    b"".join(wsgi.application(environ, lambda line, *_: said.append(line)))
    return said[0]
print(ask("GET", "/"), ask("GET", "/v1/clusters"), ask("GET", "/v1/clusters/some-name"), ask("BREW", "/v1/pots"))
metrics.count("leases_lost")
metrics.observe("phase_seconds", 0.2, phase="observe", outcome="Wait")
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The text that Prometheus gets: of two processes that have ended, and of the database."""
    where = tmp_path_factory.mktemp("metrics")
    config, port, url = where / "magnum_lite.conf", free_port(), f"sqlite:///{where}/db.sqlite"
    config.write_text(
        f"[DEFAULT]\ntransport_url = fake://\n[database]\nconnection = {url}\n[metrics]\n"
        f"directory = {where}/counts\nport = {port}\n[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9/v3\n"
    )
    migrations.upgrade(Database(url))
    seen = {**os.environ, "MAGNUM_LITE_CONFIG": str(config), "PYTHONWARNINGS": "ignore"}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", WORKER], env=seen, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "magnum_lite.cmd.metrics", "--config-file", config]
    with Server(
        command, where / "out", lambda: answers(port, b"GET / HTTP/1.0\r\n\r\n"), url="", env=seen
    ) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert server.stop() < 10
    return text


def test_processes_of_a_host_are_added_up(served):
    assert 'magnum_lite_requests_total{code="200",method="GET",route=""} 2.0' in served
    assert 'magnum_lite_requests_total{code="401",method="GET",route="clusters"} 2.0' in served
    assert "magnum_lite_leases_lost_total 2.0" in served
    assert 'magnum_lite_phase_seconds_count{outcome="Wait",phase="observe"} 2.0' in served


def test_callers_choose_no_label(served):
    """Names in paths and methods nobody knows would make a series for each."""
    assert 'method="GET",route="clusters/{ident}"' in served or 'route="clusters/{' in served
    assert "some-name" not in served and "pots" not in served and "BREW" not in served


def test_the_database_is_told_of(served):
    assert "magnum_lite_database_up 1.0" in served
    assert "magnum_lite_conductors_up 0.0" in served
    assert "magnum_lite_queue_length 0.0" in served


def test_promtool_likes_metrics_and_rules(served):
    promtool = packages.promtool()
    found = subprocess.run(
        [promtool, "check", "metrics"], input=served, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    rules = ETC / "prometheus/magnum-lite.rules.yaml"
    found = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def used(text):
    return set(re.findall(r"magnum_lite_[a-z_]+", text))


def test_rules_and_dashboard_are_about_what_there_is():
    rules = yaml.safe_load((ETC / "prometheus/magnum-lite.rules.yaml").read_text())
    asked = used(" ".join(r["expr"] for g in rules["groups"] for r in g["rules"]))
    board = json.loads((ETC / "grafana/magnum-lite.json").read_text())
    shown = used(" ".join(t["expr"] for p in board["panels"] for t in p["targets"]))
    assert asked - NAMES == set() and shown - NAMES == set()
    unseen = {n.removesuffix("_sum").removesuffix("_count").removesuffix("_bucket") for n in NAMES}
    assert unseen - {s.removesuffix("_bucket") for s in shown} == set(), "everything has a panel"
