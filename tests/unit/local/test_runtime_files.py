"""What is written for the services: certificate of the door, settings, clouds.yaml, image inputs."""

import json
import ssl
import stat
import subprocess

import pytest
import yaml
from oslo_config import cfg

from magnum_lite import config
from magnum_lite.local import (
    catalog,
    cloud_settings,
    clouds_yaml,
    door_certificate,
    heat,
    image,
    keystone,
    passwords,
    plan,
    service_settings,
    state,
)
from magnum_lite.local.cloud import settings as cloud_side
from magnum_lite.local.service_unit import in_order


@pytest.fixture
def settings(tmp_path):
    settings = state.Settings(tmp_path / "state", 93, 15000, 18004, 18000, 18774, 9511, 9512)
    state.save(settings)
    settings.log_dir.mkdir()
    return settings


def test_the_door_has_a_certificate_for_the_address_that_nodes_call(settings):
    door = door_certificate.ensure(settings.state_dir, settings.transit_address)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(door.cert, door.key)
    good = ("openssl", "verify", "-x509_strict", "-CAfile", door.ca, "-verify_ip")
    assert subprocess.run((*good, "10.93.255.1", door.cert), check=False, capture_output=True).returncode == 0
    assert subprocess.run((*good, "10.93.255.2", door.cert), check=False, capture_output=True).returncode != 0
    assert stat.S_IMODE(door.key.stat().st_mode) == 0o600


def test_the_door_keeps_its_certificate_and_mends_a_lost_file(settings):
    before = door_certificate.ensure(settings.state_dir, settings.transit_address)
    texts = [path.read_text() for path in (before.ca, before.cert, before.key)]
    before.cert.unlink()
    before.ca.write_text("torn")
    after = door_certificate.ensure(settings.state_dir, settings.transit_address)
    assert [path.read_text() for path in (after.ca, after.cert, after.key)] == texts


def test_our_service_reads_its_settings(settings):
    service_settings.write(settings)
    conf = config.load(["--config-file", str(service_settings.config_file(settings))], cfg.ConfigOpts())
    assert conf.node_door.url == "https://10.93.255.1:9512"
    assert conf.conductor.concurrency == "threading"
    assert conf.service_user.password == passwords.password(settings.state_dir, "magnum-lite")
    assert stat.S_IMODE(service_settings.config_file(settings).stat().st_mode) == 0o600


def test_the_local_cloud_reads_its_settings(settings):
    cloud_settings.write(settings)
    read = cloud_side.load(cloud_settings.settings_file(settings))
    assert read.network_prefix == "10.93"
    assert {each.name for each in read.images} == {"debian-12-node", "fedora-atomic-23"}
    assert all(each.os_distro and each.ref == image.REFERENCE for each in read.images)
    assert [each.name for each in read.flavors] == ["m1.small", "m1.medium", "m2.medium"]


def test_heat_has_its_stock_paste_file_and_a_key_of_32_characters(settings):
    heat.write_settings(settings)
    text = heat.files(settings).config.read_text()
    assert heat.paste_file().is_file()
    assert f"api_paste_config = {heat.paste_file()}" in text
    key = next(line for line in text.splitlines() if line.startswith("auth_encryption_key"))
    assert len(key.split(" = ")[1]) == 32


def test_clouds_yaml_has_a_cloud_for_each_kind_of_user(settings):
    path = clouds_yaml.write(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    clouds = yaml.safe_load(path.read_text())["clouds"]
    assert set(clouds) == {"magnum-lite", "magnum-lite-demo2", "magnum-lite-reader", "magnum-lite-admin"}
    assert clouds["magnum-lite-reader"]["auth"]["project_name"] == "demo"


def test_merging_keeps_the_users_other_clouds(settings, tmp_path):
    target = tmp_path / "clouds.yaml"
    target.write_text("clouds: {mine: {auth: {username: me}}}\ncache: {auth: true}\n")
    clouds_yaml.merge(settings, target)
    document = yaml.safe_load(target.read_text())
    assert document["clouds"]["mine"] == {"auth": {"username": "me"}}
    assert "magnum-lite" in document["clouds"]
    assert document["cache"] == {"auth": True}


def test_the_plan_is_in_order_and_no_command_line_has_a_secret(settings):
    for write in (service_settings.write, cloud_settings.write, heat.write_settings, keystone.write_settings):
        write(settings)
    for user in catalog.USERS:
        passwords.password(settings.state_dir, user.name)
    units = in_order(plan.units(settings))
    secrets = [path.read_text().strip() for path in (settings.state_dir / "secrets").iterdir()]
    assert len(secrets) > len(catalog.USERS)
    lines = json.dumps([unit.command for unit in units if hasattr(unit, "command")])
    assert not [secret for secret in secrets if secret in lines]


def test_the_image_is_named_after_what_it_is_made_from(monkeypatch):
    before = image.key()
    assert before == image.key()
    monkeypatch.setattr(image, "SUITE", "trixie")
    assert image.key() != before


def test_the_image_has_what_a_node_needs():
    assert {"systemd", "cloud-init", "docker.io", "jq", "openssl", "curl"} <= set(image.packages())
    assert "linux-image-amd64" not in image.packages()
    assert "linux-image-amd64" in image.packages("packages-cloud.txt")


def test_the_image_sources_are_of_its_suite():
    sources = image.sources()
    assert any(" bookworm main" in line for line in sources)
    assert all("bookworm" in line for line in sources)
