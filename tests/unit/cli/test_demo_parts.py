"""Parts of the demo that need neither root nor a cloud."""

import io
import shutil
import subprocess
import sys
import tarfile
from importlib import resources

import pytest
import yaml

from magnum_lite.local.commands.failure import Failure
from magnum_lite.local.demo import images, leftovers
from magnum_lite.local.demo.narration import Narrator

SCRIPTS = sorted(
    p.name for p in (resources.files("magnum_lite.local.demo") / "files").iterdir() if p.name.endswith(".sh")
)


@pytest.fixture
def busybox(tmp_path):
    """Something that lists its applets."""
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nnc\\n'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda i: i.name)
def test_images_hold_what_they_run(image, busybox):
    with tarfile.open(fileobj=io.BytesIO(images.archive(image, busybox))) as tar:
        members = {m.name: m for m in tar.getmembers()}
    assert members["bin/sh"].linkname == "busybox"
    assert members["bin/busybox"].mode == 0o755
    for path, _ in image.scripts:
        assert members[path].mode == 0o755
    for word in image.command:
        if word.startswith("/bin/"):
            assert word[1:] in members
    assert images.changes(image)[1].startswith('CMD ["')


def test_the_compose_file_has_the_talks_services():
    document = yaml.safe_load(images.data_file("compose.yml"))
    assert set(document["services"]) == {"lb", "web", "redis"}
    names = {i.name for i in images.IMAGES}
    for service in document["services"].values():
        assert service["image"].removeprefix("${REGISTRY}/") in names
        assert service["deploy"]["endpoint_mode"] == "dnsrr"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_clean(name):
    path = str(resources.files("magnum_lite.local.demo") / "files" / name)
    subprocess.run(["sh", "-n", path], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", path], check=True)


def test_a_failing_command_is_told_with_its_words(capsys):
    tell = Narrator()
    with pytest.raises(Failure, match="exploded"):
        tell.run(sys.executable, "-c", "raise SystemExit('exploded')", show="boom now")
    assert "$ boom now" in capsys.readouterr().out


def test_commands_do_not_see_the_users_docker(monkeypatch, capsys):
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere")
    tell = Narrator()
    tell.environment = {"DOCKER_CERT_PATH": "/here"}
    script = "import os; print(os.environ.get('DOCKER_HOST'), os.environ['DOCKER_CERT_PATH'])"
    assert tell.run(sys.executable, "-c", script) == "None /here\n"


def test_waiting_has_a_deadline():
    with pytest.raises(Failure, match="not so after"):
        Narrator().until(lambda: False, "Pigs fly", seconds=0.1)


def test_what_is_new_is_named():
    before = leftovers.Inventory({"stacks": frozenset({"a"}), "servers": frozenset()})
    after = leftovers.Inventory({"stacks": frozenset({"a", "b"}), "servers": frozenset()})
    assert after.beyond(before) == {"stacks": frozenset({"b"})}
    assert before.beyond(after) == {}
