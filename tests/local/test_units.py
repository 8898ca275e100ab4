"""The installation guide and the units, as they are, on a host of their own: a system container with systemd, with
the real MariaDB, RabbitMQ and Keystone.
"""

import contextlib
import io
import json
import re
import shutil
import sys
import tarfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from magnum_lite import paths
from magnum_lite.local import passwords, service_settings, state
from magnum_lite.local.cloud import node_flags
from magnum_lite.local.cloud.engine import NodeSpec
from tests.support import servers
from tests.support.machine import eventually
from tests.support.openstack import change, sections
from tests.support.relay import relay_inside

pytestmark = pytest.mark.local
CHECKOUT = paths.settings().parent.parent
GUIDE = (CHECKOUT / "doc/install.rst").read_text()
UNITS = ("magnum-lite-api", "magnum-lite-conductor", "magnum-lite-node-door", "magnum-lite-metrics")
API = "http://127.0.0.1:9511"
#: Where what `environment` brings along lies.
PACKAGES = [path for path in dict.fromkeys(sys.path) if path.endswith("site-packages")]
PLACES = [f"/srv/packages/{number}" for number in range(len(PACKAGES))]
BROUGHT = f"PYTHONPATH={':'.join(['/srv/checkout', *PLACES])} LD_LIBRARY_PATH=/usr/local/python/lib"


class Host:
    """A machine of an operator's, in which commands are run as root."""

    def __init__(self, api, ident):
        self._api, self._id = api, ident

    def run(self, command, expect=0):
        made = self._api.exec_create(self._id, ["bash", "-c", command])
        out = self._api.exec_start(made["Id"]).decode(errors="replace")
        code = self._api.exec_inspect(made["Id"])["ExitCode"]
        assert expect is None or code == expect, f"{command}: {code}: {out[-3000:]}"
        return out.strip()

    def put(self, path, text, mode=0o640):
        content = text.encode()
        with io.BytesIO() as buffer:
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), mode
                tar.addfile(entry, io.BytesIO(content))
            assert self._api.put_archive(self._id, "/", buffer.getvalue())

    def unit(self, name, what):
        return self.run(f"systemctl show --property {what} --value {name}")

    def get(self, path, token=None):
        """Code and body of the API's answer."""
        header = f"-H 'X-Auth-Token: {token}'" if token else ""
        text = self.run(f"curl -s -m 20 -w '\\n%{{http_code}}' {header} {API}{path}", expect=None)
        body, _, code = text.rpartition("\n")
        return int(code), body


def commands(section):
    """What the guide tells root to type in a section."""
    text = GUIDE.split(f"\n{section}\n{'-' * len(section)}\n", 1)[1]
    text = re.split(r"\n[^\n]+\n-{4,}\n", text, maxsplit=1)[0]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def environment(where):
    """What ``pip install`` would have made at /opt/magnum-lite: this environment's programs. Its libraries and the
    interpreter are brought along, as a user's home is none of a unit's business.
    """
    mine = Path(sys.prefix)
    (where / "bin").mkdir(parents=True)
    for program in ("gunicorn", "uwsgi", *(p.name for p in (mine / "bin").glob("magnum-lite*"))):
        lines = (mine / "bin" / program).read_text().splitlines(keepends=True)
        (where / "bin" / program).write_text("#!/opt/magnum-lite/bin/python\n" + "".join(lines[1:]))
        (where / "bin" / program).chmod(0o755)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (where / "bin/python").symlink_to(f"/usr/local/python/bin/{name}")
    (where / "pyvenv.cfg").write_text("home = /usr/local/python/bin\ninclude-system-site-packages = false\n")
    shutil.copytree(
        CHECKOUT / "etc", where / "share/magnum_lite/etc", ignore=shutil.ignore_patterns("__pycache__")
    )
    binds = {str(where): "/opt/magnum-lite", **dict(zip(PACKAGES, PLACES, strict=True))}
    return binds | {sys.base_prefix: "/usr/local/python", str(CHECKOUT): "/srv/checkout"}


@pytest.fixture(scope="module")
def host(machine, tmp_path_factory):
    """With all that the guide asks for, up to its first start."""
    settings = state.load(machine.state_dir)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(servers.scratch("magnum-lite-units-"))
        place.chmod(0o755)
        database = stack.enter_context(servers.mariadb(place))
        bus = stack.enter_context(servers.rabbitmq(place))
        url = servers.create_database(Path(sys.executable), database.url, "magnum_lite")
        near = {"database": url, "bus": bus.url, "keystone": settings.keystone_url}
        for found in near.values():
            where = urlsplit(found)
            stack.enter_context(relay_inside(settings.netns_path, (where.hostname, where.port)))
        binds = environment(place / "opt")
        api = docker.APIClient(base_url=f"unix://{settings.docker_socket}", version="auto", timeout=120)
        stack.callback(api.close)
        image = max(api.images(), key=lambda i: i["Created"])["Id"]
        spec = NodeSpec(
            server_id="units", project_id="none", hostname="units", image=image, vcpus=2, ram_mib=2048,
            links=(), files={}, nameservers=(),
        )  # fmt: skip
        config = node_flags.host_config(api, spec, "host")
        config["Binds"] = [f"{source}:{target}:ro" for source, target in binds.items()]
        config["RestartPolicy"] = {"Name": "no"}
        made = api.create_container(image, name="units", host_config=config, stop_signal="SIGRTMIN+3")["Id"]
        stack.callback(api.remove_container, made, force=True, v=True)
        found = Host(api, made)
        # cloud-init is for nodes
        found.put("/etc/cloud/cloud-init.disabled", "")
        api.start(made)
        eventually(
            "systemd", lambda: found.run("systemctl is-system-running", None) in {"running", "degraded"}, 60
        )
        for command in commands("Install"):
            if "venv" not in command and "pip install" not in command:
                found.run(command)
        _settings(found, machine, near, place)
        yield found


def _settings(host, machine, near, place):
    """The example with these addresses and passwords."""
    mine = sections(service_settings.config_file(state.load(machine.state_dir)))
    config = place / "magnum_lite.conf"
    config.write_text((paths.settings() / "magnum_lite.conf.example").read_text())
    door = mine["node_door"]
    login = {
        name: mine[section][name] for section in ("keystone_authtoken",) for name in ("username", "password")
    }
    change(
        config,
        DEFAULT={"transport_url": near["bus"]},
        database={"connection": near["database"]},
        node_door={"host": "127.0.0.1", "url": "https://127.0.0.1:9512"},
        keystone_authtoken={**login, "auth_url": near["keystone"], "www_authenticate_uri": near["keystone"]},
        service_user={**login, "auth_url": near["keystone"]},
    )
    host.put("/etc/magnum_lite/magnum_lite.conf", config.read_text())
    for name, option in (("door.pem", "cert_file"), ("door.key", "key_file"), ("door-ca.pem", "ca_file")):
        host.put(f"/etc/magnum_lite/tls/{name}", Path(door[option]).read_text())
    host.run("chown -R root:magnum-lite /etc/magnum_lite/tls /etc/magnum_lite/magnum_lite.conf")
    (kek,) = (line for line in commands("Settings") if "kek" in line)
    host.run(kek)
    for unit in (*UNITS, "magnum-lite-api-uwsgi"):
        host.put(f"/etc/default/{unit}", BROUGHT.replace(" ", "\n") + "\n", 0o644)


def up(host, *units):
    eventually("units run", lambda: all(host.unit(u, "ActiveState") == "active" for u in units), 60)
    eventually("the API answers", lambda: host.get("/healthcheck")[0] == 200, 60)


def test_first_start(host, machine):
    upgrade, start, health, _ = commands("First start")
    host.run(f"env {BROUGHT} {upgrade}")
    host.run(start)
    up(host, *UNITS)
    assert host.run(f"{health} 2>/dev/null").startswith("OK")
    admin = machine.tenant("magnum-lite-admin").cloud
    token = admin.session.get_token()

    def conductor():
        code, body = host.get("/v1/mservices", token)
        assert code == 200, body
        return [s for s in json.loads(body)["mservices"] if s["state"] == "up"]

    assert eventually("the conductor beats", conductor, 60)
    code, body = host.get("/v1/clusters", token)
    assert (code, json.loads(body)["clusters"]) == (200, [])
    assert host.get("/v1/clusters", "wrong")[0] == 401
    page = host.run("curl -s http://127.0.0.1:9513/metrics")
    assert re.search(r"^magnum_lite_conductors_up(\{.*\})? 1", page, re.MULTILINE), page[-2000:]
    assert "alert" in host.run("curl -sk https://127.0.0.1:9512/ 2>&1; echo alert")  # it shakes hands


def test_units_have_no_more_than_they_need(host):
    for unit in UNITS:
        pid = host.unit(unit, "MainPID")
        status = host.run(f"cat /proc/{pid}/status")
        uid = host.run("id -u magnum-lite")
        assert f"Uid:\t{uid}\t{uid}" in status and "NoNewPrivs:\t1" in status, status
        assert re.search(r"CapEff:\t0+\n", status) and re.search(r"CapBnd:\t0+\n", status), status
        inside = f"nsenter -t {pid} -m --"
        host.run(f"{inside} touch /etc/magnum_lite/x", expect=1)
        host.run(f"{inside} touch /usr/x", expect=1)
    for path in ("kek", "magnum_lite.conf", "tls/door.key"):
        assert host.run(f"stat -c %a /etc/magnum_lite/{path}")[-1] == "0", path
        host.run(f"su -s /bin/sh nobody -c 'cat /etc/magnum_lite/{path}'", expect=1)


@pytest.mark.parametrize("unit", UNITS)
def test_a_killed_one_comes_back(host, unit):
    old = host.unit(unit, "MainPID")
    host.run(f"kill -9 {old}")
    eventually("a new one", lambda: host.unit(unit, "MainPID") not in {"0", old}, 30)
    up(host, *UNITS)


def test_reload_and_stop(host):
    """New workers at a reload, none lost; a stop is over within its time, and clean."""
    pid = host.unit("magnum-lite-api", "MainPID")
    host.run("systemctl reload magnum-lite-api")
    assert host.unit("magnum-lite-api", "MainPID") == pid
    up(host, *UNITS)
    for unit in UNITS:
        began = time.monotonic()
        host.run(f"systemctl stop {unit}")
        assert time.monotonic() - began < 13, unit
        assert host.unit(unit, "Result") == "success", (unit, host.run(f"journalctl -u {unit} | tail -20"))


def test_uwsgi_instead(host, machine):
    """The other unit takes the place of gunicorn's."""
    host.run("systemctl start magnum-lite-api magnum-lite-conductor")
    up(host, "magnum-lite-api")
    host.run("systemctl start magnum-lite-api-uwsgi")
    assert host.unit("magnum-lite-api", "ActiveState") in {"inactive", "failed", "deactivating"}
    up(host, "magnum-lite-api-uwsgi", "magnum-lite-conductor")
    token = machine.tenant().cloud.session.get_token()
    assert host.get("/v1/clusters", token)[0] == 200


def test_nothing_secret_was_said(host, machine):
    said = host.run("journalctl --no-pager; cat /var/log/magnum-lite/*")
    kept = [path.read_text().strip() for path in (machine.state_dir / passwords.DIRECTORY).iterdir()]
    assert len(kept) > 3
    assert not [secret for secret in kept if secret in said]
    kek = host.run("cat /etc/magnum_lite/kek")
    assert kek and kek not in said
