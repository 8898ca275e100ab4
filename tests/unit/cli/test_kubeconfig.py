"""A bay's kubeconfig, and what merging it does to one's own."""

import stat

import pytest
import yaml

from magnum_lite.local.commands import kubeconfig
from magnum_lite.local.commands.failure import Failure

ADDRESS = "https://192.0.2.1:6443"


def made(name="b1", address=ADDRESS, key="key"):
    return kubeconfig.document(name, address, ca="ca", certificate="cert", key=key)


@pytest.fixture
def own(tmp_path, monkeypatch):
    path = tmp_path / "home" / ".kube" / "config"
    monkeypatch.setenv("KUBECONFIG", f"{path}:/nowhere")
    return path


def test_it_is_whole_and_refers_to_no_file():
    found = made()
    assert found["clusters"][0]["cluster"] == {"server": ADDRESS, "certificate-authority-data": "Y2E="}
    assert found["users"][0]["user"] == {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}
    assert found["current-context"] == found["contexts"][0]["name"] == "magnum-lite-b1"


def test_a_new_file_is_the_owners_only(own):
    kubeconfig.merge(kubeconfig.own(), made())
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert yaml.safe_load(own.read_text()) == made()
    assert [p.name for p in own.parent.iterdir()] == ["config"]


def test_what_is_there_stays(own):
    other = {"apiVersion": "v1", "kind": "Config", "preferences": {"colors": True}, "current-context": "prod"}
    other["clusters"] = [{"name": "prod", "cluster": {"server": "https://prod"}}]
    other["users"] = [{"name": "prod", "user": {"token": "t"}}]
    other["contexts"] = [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}]
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump(other))
    kubeconfig.merge(own, made(key="old"))
    kubeconfig.merge(own, made())
    found = yaml.safe_load(own.read_text())
    assert [u["name"] for u in found["users"]] == ["prod", "magnum-lite-b1"]
    assert found["users"][1] == made()["users"][0]
    assert (found["current-context"], found["preferences"]) == ("magnum-lite-b1", {"colors": True})
    assert kubeconfig.forget("b1", ADDRESS)
    assert yaml.safe_load(own.read_text()) == other | {"current-context": ""}


def test_another_bay_of_the_same_name_is_left_alone(own):
    kubeconfig.merge(own, made(address="https://192.0.2.9:6443"))
    before = own.read_text()
    assert not kubeconfig.forget("b1", ADDRESS)
    assert not kubeconfig.forget("b2", ADDRESS)
    assert own.read_text() == before


def test_nothing_to_forget(own):
    assert not kubeconfig.forget("b1", ADDRESS)
    assert not own.exists()


def test_a_file_in_use_and_one_that_is_no_kubeconfig(own):
    own.parent.mkdir(parents=True)
    own.write_text("- a list\n")
    with pytest.raises(Failure, match="no kubeconfig"):
        kubeconfig.merge(own, made())
    lock = own.with_name("config.lock")
    assert not lock.exists()
    lock.touch()
    with pytest.raises(Failure, match="being changed"):
        kubeconfig.merge(own, made())
    assert own.read_text() == "- a list\n"
