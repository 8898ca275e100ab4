"""The session of the 2016 talk about Swarm bays, word for word, with the client of its time."""

import io
import shlex
import tarfile

import pytest

from magnum_lite.local.demo import debian_programs, images
from tests.clients.conftest import BAY
from tests.support.machine import eventually

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def docker(talk, bay):
    """A shell line with ``docker`` in it, with the files and variables of the talk."""
    talk.run("openssl req -new -newkey rsa:2048 -nodes -subj '/CN=Your Name' -keyout key.pem -out cert.csr")
    talk.run(f"magnum ca-sign --bay {BAY} --csr cert.csr > cert.pem")
    talk.run(f"magnum ca-show --bay {BAY} > ca.pem")
    address = talk.run(f"magnum bay-show {BAY} | grep api_address").split("|")[2].strip()
    assert address.startswith("https://")
    variables = {
        "DOCKER_CERT_PATH": str(talk.directory),
        "DOCKER_HOST": address.replace("https://", "tcp://"),
        "DOCKER_TLS_VERIFY": "true",
    }
    return lambda line: talk.run(line, **variables)


@pytest.fixture(scope="module")
def pulled(docker, talk):
    """The images of the session, which no registry can serve here: busybox by their names."""
    busybox = debian_programs.busybox()
    for name, command in (("nginx", ("httpd", "-f", "-p", "80", "-h", "/www")), ("centos:7", ("sh",))):
        image = images.Image(name, command)
        (talk.directory / "image.tar").write_bytes(with_bash(images.archive(image, busybox)))
        docker(f"docker import {shlex.join(images.changes(image))} image.tar {name}")


def with_bash(archive):
    """The root file system with a /bin/bash, which busybox has not by this name."""
    out = io.BytesIO(archive)
    with tarfile.open(fileobj=out, mode="a") as tar:
        entry = tarfile.TarInfo("bin/bash")
        content = b'#!/bin/sh\nexec /bin/sh "$@"\n'
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_the_signed_certificate_is_the_keys_own_and_the_cas(docker, talk):
    assert "cert.pem: OK" in talk.run("openssl verify -CAfile ca.pem cert.pem")
    asked = talk.run("openssl req -in cert.csr -noout -pubkey")
    assert talk.run("openssl x509 -in cert.pem -noout -pubkey") == asked


def test_bay_show_has_what_the_slides_have(talk, tenant, bay):
    now = tenant.complete(bay["uuid"])
    shown = talk.show(f"magnum bay-show {BAY}")
    assert shown["status"] == now["status"]
    assert shown["name"] == BAY
    assert shown["node_count"] == str(now["node_count"])
    assert shown["master_count"] == "1"
    assert now["node_addresses"][0] in shown["node_addresses"]
    (listed,) = [row for row in talk.table("magnum bay-list") if row["name"] == BAY]
    assert listed == {
        "uuid": bay["uuid"],
        "name": BAY,
        "node_count": str(now["node_count"]),
        "master_count": "1",
        "status": now["status"],
    }


def test_baymodels(talk, bay):
    shown = talk.show("magnum baymodel-show swarm-model")
    assert shown["uuid"] == bay["baymodel_id"]
    assert (shown["coe"], shown["external_network_id"]) == ("swarm", "CERN_NETWORK")
    made = talk.show(
        "magnum baymodel-create --name other --image-id fedora-atomic-23 --keypair-id my-key "
        "--external-network-id public --coe swarm --labels cvmfs=true"
    )
    assert "cvmfs" in made["labels"]
    assert {row["name"] for row in talk.table("magnum baymodel-list")} >= {"swarm-model", "other"}
    assert talk.show("magnum baymodel-update other replace name=renamed")["name"] == "renamed"
    talk.run("magnum baymodel-delete renamed")
    assert "renamed" in talk.refused("magnum baymodel-show renamed")


def test_docker_info_shows_the_nodes(docker, tenant, bay):
    said = docker("docker info")
    assert f" Nodes: {tenant.complete(bay['uuid'])['node_count'] + 1}" in said
    assert " Managers: 1" in said
    assert "Kernel Version:" in said
    assert "Storage Driver:" in said


def test_containers_run(docker, pulled):
    ident = docker("docker run -d nginx").strip()
    assert len(ident) == 64
    try:
        assert "nginx" in docker("docker ps")
        assert ident[:12] in docker("docker ps --format '{{.ID}}'")
    finally:
        docker("docker rm -f $(docker ps -q)")


def test_a_shell_in_a_container(docker, pulled, talk):
    said = docker(
        "printf 'echo in-the-container-$((40 + 2))\\nexit\\n' | "
        "script -qec 'docker run -it --rm centos:7 /bin/bash' /dev/null"
    )
    assert "in-the-container-42" in said


def test_the_bay_grows_to_five_nodes(docker, talk, tenant, bay):
    talk.run(f"magnum bay-update {BAY} replace node_count=5")
    assert tenant.complete(bay["uuid"])["node_count"] == 5
    eventually("six nodes", lambda: " Nodes: 6" in docker("docker info"), 30)
    assert docker("docker node ls --format '{{.Status}}'").split() == ["Ready"] * 6
    shown = talk.show(f"magnum bay-show {BAY}")
    assert (shown["status"], shown["node_count"]) == ("UPDATE_COMPLETE", "5")
    assert shown["node_addresses"].count(".") == 15
