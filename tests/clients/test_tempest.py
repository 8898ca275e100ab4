"""magnum-tempest-plugin's API tests, twice as it has them (old personas and RBAC), with users and projects
that it makes itself in the real Keystone. ``tempest_skip.txt`` says what can not run, and why.
"""

import configparser
import re
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig

SKIPPED = Path(__file__).parent / "tempest_skip.txt"

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def settings(state_dir, where):
    """tempest.conf for the machine."""
    found = OpenStackConfig(config_files=[str(state_dir / "clouds.yaml")]).get_one(cloud="magnum-lite-admin")
    wanted = configparser.RawConfigParser()
    wanted.read_dict(
        {
            "DEFAULT": {"log_file": str(where / "tempest.log")},
            "auth": {
                "use_dynamic_credentials": "true",
                "create_isolated_networks": "false",
                "tempest_roles": "member",
                "admin_username": found.auth["username"],
                "admin_password": found.auth["password"],
                "admin_project_name": found.auth["project_name"],
                "admin_domain_name": "Default",
            },
            "identity": {
                "auth_version": "v3",
                "uri_v3": found.auth["auth_url"],
                "region": found.region_name,
                "v3_endpoint_type": "public",
            },
            "compute": {"endpoint_type": "public"},
            "service_available": {
                "magnum": "true",
                "neutron": "false",
                "nova": "true",
                "cinder": "false",
                "swift": "false",
                "glance": "false",
            },
            "enforce_scope": {"magnum": "true"},
            "oslo_concurrency": {"lock_path": str(where / "locks")},
            "magnum": {
                "coe": "swarm",
                "image_id": "fedora-atomic-23",
                "flavor_id": "m1.small",
                "master_flavor_id": "m1.small",
                "nic_id": "public",
                "dns_nameserver": "137.138.17.5",
                "keypair_name": "magnum-test",
                "copy_logs": "false",
                "cluster_creation_timeout": "3",
                "cluster_delete_timeout": "3",
            },
        }
    )
    path = where / "tempest.conf"
    path.touch(0o600)
    with path.open("w") as out:
        wanted.write(out)
    return path


def test_its_api_tests_pass(machine, client):
    tempest = client("tempest")
    path = settings(machine.state_dir, tempest.directory)
    tempest.run("stestr --version && tempest init workspace > init.log 2>&1")
    said = tempest.attempt(
        f"cd workspace && tempest run --config-file {path} --concurrency 2 "
        f"--regex magnum_tempest_plugin --exclude-list {SKIPPED} --slowest",
        seconds=540,
    )
    counts = {word: int(number) for word, number in re.findall(r"- (Passed|Skipped|Failed): (\d+)", said.out)}
    assert said.code == 0, counts
    assert counts["Failed"] == 0
    assert counts["Skipped"] == 0
    assert counts["Passed"] == 55
