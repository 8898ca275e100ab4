"""The key-encryption key in a real Barbican, with the real Keystone, by the commands of ``doc/key-rotation.rst``."""

import base64
import configparser
import platform
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from oslo_config import cfg

from magnum_lite.cloud.key_manager import CastellanKeys
from magnum_lite.conductor.sealers import make_sealer
from magnum_lite.config import load
from magnum_lite.local import http_probe, service_settings, state
from magnum_lite.pki import keyring
from magnum_lite.pki.requests import client_request
from tests.support import environments, servers
from tests.support.openstack import PROGRAMS, change, command, environment
from tests.support.processes import Server, free_port
from tests.support.stand import Stand

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]
PINS = Path(__file__).with_name("barbican.txt").read_text()


def _programs():
    """The directory of an environment with Barbican."""

    def fill(python):
        pins = python.parent.parent / "requirements.txt"
        pins.write_text(PINS)
        environments.pip(python, "install", "--quiet", "--no-deps", "--requirement", pins)

    return environments.kept("barbican", f"{PINS}\n{sys.version}\n{platform.machine()}", fill).parent


@pytest.fixture(scope="module")
def place():
    with servers.scratch("magnum-lite-barbican-") as found:
        yield found


@pytest.fixture(scope="module")
def barbican(machine, place):
    """Running, and in Keystone's catalogue."""
    programs, port = _programs(), free_port()
    home = place / ".barbican"
    home.mkdir()
    ours = configparser.RawConfigParser(strict=False)
    ours.read(service_settings.config_file(state.load(machine.state_dir)))
    login = {**ours["keystone_authtoken"], "auth_type": "password"}
    config = home / "barbican.conf"
    config.touch(mode=0o600)
    change(
        config,
        DEFAULT={"host_href": f"http://127.0.0.1:{port}"},
        database={"connection": f"sqlite:///{place}/barbican.sqlite"},
        simple_crypto_plugin={"kek": base64.b64encode(secrets.token_bytes(32)).decode()},
        keystone_authtoken=login,
        queue={"enable": "false"},
    )
    seen = environment(HOME=place)
    command(place, programs / "barbican-manage", "db", "upgrade", HOME=place)
    paste = programs.parent / "etc/barbican/barbican-api-paste.ini"
    url = f"http://127.0.0.1:{port}"
    words = [programs / "gunicorn", "--paste", paste, "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    server = Server(
        words, place / "barbican.out", lambda: http_probe.answers(f"{url}/"), url=url, env=seen, cwd=place
    )
    identity = machine.tenant("magnum-lite-admin").cloud.identity
    service = identity.create_service(name="barbican", type="key-manager")
    (region,) = [r.id for r in identity.regions()][:1]
    made = identity.create_endpoint(service_id=service.id, interface="public", region_id=region, url=url)
    with server:
        yield server
    identity.delete_endpoint(made.id)
    identity.delete_service(service.id)


@pytest.fixture(scope="module")
def config(machine, place):
    """Settings of a service that is not the machine's: a database of its own, the same user."""
    found = place / "magnum_lite.conf"
    found.write_text(service_settings.config_file(state.load(machine.state_dir)).read_text())
    found.chmod(0o600)
    kek = place / "kek"
    keyring.create_key_file(kek)
    change(
        found,
        database={"connection": f"sqlite:///{place}/magnum_lite.sqlite"},
        certificates={"kek_file": str(kek)},
        key_manager={"backend": "barbican"},
        barbican={"auth_endpoint": f"{state.load(machine.state_dir).keystone_url}/v3"},
        DEFAULT={"transport_url": "fake://", "log_file": str(place / "service.log")},
    )
    manage(found, "db", "upgrade")
    return found


def manage(config, *words, expect=0):
    """What an operator's command says: its output and its errors."""
    done = subprocess.run(
        [PROGRAMS / "magnum-lite-manage", "--config-file", config, *words],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout, done.stderr


def settings(path):
    """As a conductor reads them."""
    return load(["--config-file", str(path)], cfg.ConfigOpts())


def stand(place, path, stacks=None):
    """The whole service over the same database, sealing as its settings say."""
    url = f"sqlite:///{place}/magnum_lite.sqlite"
    return Stand(place, url, sealer=make_sealer(settings(path)), stacks=stacks, there=True)


def signs(service, uuid):
    body = {"cluster_uuid": uuid, "csr": client_request("Your Name")[1]}
    answer = service.api.post_json("/v1/certificates", body, expect_errors=True)
    assert answer.status_int == 201, answer.text


def keys(path):
    """Key id -> what ``keys list`` says of it."""
    return dict(re.findall(r"^(\S+)  (.*)$", manage(path, "keys", "list")[0], re.MULTILINE))


def point(path, *idents):
    """Let settings name these keys, in this order."""
    text = re.sub(r"^kek_id = .*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = "".join(f"kek_id = {ident}\n" for ident in idents)
    path.write_text(text.replace("[certificates]\n", f"[certificates]\n{lines}"))


def created(path):
    out, _ = manage(path, "keys", "create")
    (ident,) = re.findall(r"^kek_id = (\S+)$", out, re.MULTILINE)
    return ident


def test_from_a_file_to_barbican_and_on_to_another_key(config, place, barbican, machine):
    before = stand(place, config)
    uuid = before.cluster()
    before.converge(uuid)
    (old,) = keys(config)
    first = created(config)

    point(config, first)
    found = keys(config)
    assert found.pop(old).startswith("opens") and "0 sealed" not in found and len(found) == 1
    out, _ = manage(config, "keys", "reseal")
    assert re.match(r"resealed ([1-9]\d*) of \1;", out), out
    change(config, certificates={"kek_file": None})
    (place / "kek").unlink()
    assert list(keys(config)) == list(found)
    moved = stand(place, config, before.stacks)
    signs(moved, uuid)
    later = moved.cluster()
    moved.converge(later)

    second = created(config)
    point(config, first, second)
    assert [word.split()[0] for word in keys(config).values()] == ["seals", "opens"]
    point(config, second, first)
    manage(config, "keys", "reseal")
    point(config, second)
    assert next(iter(keys(config).values())).startswith("seals") and len(keys(config)) == 1
    last = stand(place, config, before.stacks)
    for each in (uuid, later):
        signs(last, each)


def test_no_tenant_reads_the_key(config, barbican, machine):
    """By the id that an operator's settings have; the cloud's administrators may."""
    ident = created(config)
    where = f"{barbican.url}/v1/secrets/{ident}"
    token = machine.tenant().cloud.session.get_token()
    for path in (where, f"{where}/payload"):
        answer = requests.get(path, headers={"X-Auth-Token": token, "Accept": "*/*"}, timeout=20)
        assert answer.status_code in {403, 404}, (path, answer.status_code)
    assert requests.get(where, timeout=20).status_code == 401


def test_without_barbican_nothing_starts(config, place, barbican):
    """And it says why; once it is back all is as it was."""
    known = re.findall(r"^kek_id = (\S+)$", config.read_text(), re.MULTILINE)  # what is sealed needs them
    alone = place / "alone.conf"
    alone.write_text(config.read_text())
    alone.chmod(0o600)
    change(alone, certificates={"kek_file": None})
    point(alone, *(known or [created(config)]))
    barbican.stop()
    try:
        _, error = manage(alone, "keys", "list", expect=1)
        assert "key manager gave no key" in error and "Traceback" not in error
        done = subprocess.run(
            [PROGRAMS / "magnum-lite-conductor", "--config-file", alone],
            env=environment(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stderr + (place / "service.log").read_text()
        assert done.returncode != 0 and "key manager gave no key" in said, said[-3000:]
    finally:
        barbican.start()
    assert next(iter(keys(alone).values())).startswith("seals")


def test_no_key_in_a_log(config, place, barbican):
    ident = created(config)
    key = base64.b64encode(CastellanKeys(settings(config)).fetch(ident)).decode()
    said = "".join(
        p.read_text(errors="replace") for p in (place / "service.log", place / "barbican.out") if p.exists()
    )
    assert key not in said and key.rstrip("=") not in said
