"""User data: parses, is small, runs nothing that a tenant wrote, and holds no secret of value."""

import base64
import dataclasses
import gzip
import subprocess

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from magnum_lite.drivers import swarm, user_data
from tests.support import packages
from tests.support.bay_spec import TOKEN, spec
from tests.support.fuzz import examples

FIELDS = ("http_proxy", "https_proxy", "no_proxy", "insecure_registry", "docker_storage_driver")
HOSTILE = [
    "'; touch PWNED; '",
    '"$(touch PWNED)"',
    "`touch PWNED`",
    "a\nb\n",
    "\\'\\",
    "$HOME ${x}",
    "éa😀",
    "#",
]

ROLES = ("master", "worker")
WORDS = swarm.SwarmDriver.words


def rendered(of, role):
    return user_data.render(of, swarm.MACHINE, swarm.settings(of, WORDS[role]))


def _files(role, of):
    document = yaml.safe_load(rendered(of, role))
    return {f["path"]: f for f in document["write_files"]}, document


def _text(file):
    if "encoding" not in file:
        return file["content"]
    assert file["encoding"] == "gz+b64"
    return gzip.decompress(base64.b64decode(file["content"])).decode()


@pytest.mark.parametrize("role", ROLES)
def test_it_is_cloud_config_of_moderate_size(role):
    text = rendered(spec(), role)
    assert text.startswith("#cloud-config\n")
    assert len(text) < 32 * 1024
    assert text == rendered(spec(), role)
    files, document = _files(role, spec())
    assert document["runcmd"][-1] == ["bash", "/usr/local/lib/magnum-lite/boot.sh"]
    assert f"ROLE={WORDS[role]}\n" in _text(files["/etc/magnum-lite/node.env"])
    assert _text(files["/etc/magnum-lite/door-ca.pem"]) == spec().door.ca_pem
    for name, text in ((n, _text(f)) for n, f in files.items()):
        assert text, name


def test_what_heat_fills_in_is_there_once_and_not_packed():
    text = rendered(spec(), "worker")
    for mark in ("__CREDENTIAL__", "__HOSTNAME__", "__VOLUME__"):
        assert text.count(mark) == 1


def test_private_files_are_private():
    files, document = _files("master", spec())
    assert document["bootcmd"] == [["mkdir", "-p", "-m", "0700", "/etc/magnum-lite"]]
    for path, file in files.items():
        if path.startswith("/etc/magnum-lite/"):
            assert file["permissions"] == "0600"


def test_no_secret_is_in_it():
    hidden = "registry.example.org=bob:hunter22"
    text = rendered(spec(labels={"registry_auth": hidden}), "worker")
    files, _ = _files("worker", spec(labels={"registry_auth": hidden}))
    everything = text + "".join(_text(f) for f in files.values())
    assert TOKEN not in everything
    assert "hunter22" not in everything


@pytest.mark.parametrize(
    ("given_key", "kept"),
    [
        ("ssh-ed25519 AAAAC3Nz me@here", ["ssh-ed25519 AAAAC3Nz"]),
        ("ssh-rsa AAAAB+/= 'x'\nruncmd: [evil]", ["ssh-rsa AAAAB+/="]),
        ("not a key!", None),
        (None, None),
    ],
)
def test_only_a_public_key_is_authorised(given_key, kept):
    _, document = _files("worker", spec(ssh_public_key=given_key))
    assert document.get("ssh_authorized_keys") == kept


@settings(max_examples=examples(60), deadline=None)
@given(
    st.fixed_dictionaries({f: st.text(st.characters(exclude_characters="\0", codec="utf-8")) for f in FIELDS})
)
@example(dict.fromkeys(FIELDS, "\r\n\t\x01'"))
@example(dict(zip(FIELDS, HOSTILE, strict=False)))
def test_settings_survive_a_shell_and_run_nothing(tmp_path_factory, values):
    where = tmp_path_factory.mktemp("env")
    of = spec(labels={"registry_mirror": HOSTILE[1]}, **values)
    text = user_data.environment(swarm.settings(of, "manager"))
    (where / "node.env").write_text(text, newline="")
    names = [
        "TENANT_HTTP_PROXY",
        "TENANT_HTTPS_PROXY",
        "TENANT_NO_PROXY",
        "INSECURE_REGISTRY",
        "STORAGE_DRIVER",
    ]
    shown = "".join(f'printf "%s\\0" "${n}"; ' for n in [*names, "REGISTRY_MIRROR"])
    run = subprocess.run(
        ["bash", "-c", f". ./node.env; {shown}"], cwd=where, capture_output=True, check=True, timeout=30
    )
    assert run.stderr == b""
    assert [x.decode() for x in run.stdout.split(b"\0")[:-1]] == [*(values[f] for f in FIELDS), HOSTILE[1]]
    assert [p.name for p in where.iterdir()] == ["node.env"]


@pytest.mark.parametrize("url", ["http://u:p@proxy.example:3128", "https://[2001:db8::1]:3128/"])
def test_proxies_that_are_fine(url):
    assert user_data.proxy_problem(url) is None


@pytest.mark.parametrize("url", ["proxy:3128", "ftp://x", "http://a b", "http://a\nb", "http://x/path", ""])
def test_proxies_that_are_not(url):
    assert user_data.proxy_problem(url)


@pytest.mark.parametrize("role", ROLES)
def test_cloud_init_accepts_it(role, tmp_path):
    of = dataclasses.replace(spec(), ssh_public_key="ssh-ed25519 AAAAC3Nz me")
    (tmp_path / "user-data").write_text(rendered(of, role))
    command = [*packages.cloud_init(), "schema", "--config-file", tmp_path / "user-data"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
