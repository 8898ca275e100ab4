"""Whose bay is it when its owner has only an application credential, leaves, or belongs to a project in which the
service may not act yet, or no more?
"""

import secrets
import subprocess

import keystoneauth1.exceptions
import pytest

from tests.support.openstack import PROGRAMS, environment

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(900),
    # Whose bays these are is the same on both databases.
    pytest.mark.parametrize("cloud", ["postgresql"], indirect=True),
]


@pytest.fixture
def keystone(cloud):
    return cloud.tenant("magnum-lite-admin").cloud.identity


@pytest.fixture
def project(keystone):
    """``project(domain)``: a new one with a member; (project, user, how he logs in). All go with the test."""
    made = []

    def make(domain):
        name, password = f"guest-{secrets.token_hex(4)}", secrets.token_hex(16)
        project = keystone.create_project(name=name, domain_id=domain)
        user = keystone.create_user(name=name, password=password, domain_id=domain)
        keystone.assign_project_role_to_user(project, user, keystone.find_role("member"))
        made.append((project, user))
        auth = {"username": name, "password": password, "user_domain_id": domain}
        return project, user, auth | {"project_name": name, "project_domain_id": domain}

    yield make
    for project, user in made:
        keystone.delete_user(user, ignore_missing=True)
        keystone.delete_project(project, ignore_missing=True)


def test_an_application_credential_whose_owner_leaves(cloud, keystone, project):
    """Who asked is asked once: the bay is made, kept and removed without him."""
    home, user, auth = project("default")
    owner = cloud.guest(auth)
    made = owner.cloud.identity.create_application_credential(user, "robot")
    robot = cloud.guest(
        {"application_credential_id": made.id, "application_credential_secret": made.secret},
        "v3applicationcredential",
    )
    uuid = robot.bay("robots", robot.model("robots"), node_count=1)
    keystone.update_user(user, is_enabled=False)
    with pytest.raises(keystoneauth1.exceptions.Unauthorized):
        cloud.guest(auth).cloud.authorize()
    heir_name, password = f"heir-{home.name}", secrets.token_hex(16)
    heir = keystone.create_user(name=heir_name, password=password, domain_id="default")
    keystone.assign_project_role_to_user(home, heir, keystone.find_role("member"))
    try:
        keystone.delete_user(user)
        heritage = cloud.guest(auth | {"username": heir_name, "password": password})
        assert heritage.complete(uuid)["status"] == "CREATE_COMPLETE"
        assert {n["state"] for n in heritage.nodes(uuid)} == {"ready"}
        heritage.delete(uuid)
    finally:
        keystone.delete_user(heir)


def purge(cloud, project, *words):
    """``magnum-lite-manage purge-project``: (exit code, what it says)."""
    command = [
        PROGRAMS / "magnum-lite-manage",
        "--config-file",
        cloud.config,
        "purge-project",
        project.id,
        *words,
    ]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_domain_that_nobody_opened(cloud, keystone, client, project):
    """The operator is told the command, which helps; a project that goes is purged while it is there, and forgotten
    when it is gone.
    """
    domain = keystone.create_domain(name=f"elsewhere-{secrets.token_hex(4)}")
    try:
        (first, _, auth), (second, _, other) = project(domain.id), project(domain.id)
        tenant, gone = cloud.guest(auth), cloud.guest(other)
        uuid = tenant.bay("early", tenant.model("early"), node_count=1)
        lost = gone.bay("lost", gone.model("lost"), node_count=1)
        for who, bay in ((tenant, uuid), (gone, lost)):
            found = who.wait(bay)
            assert found["status"] == "CREATE_FAILED"
            assert "The service may not act in this project" in found["status_reason"]
        command = found["status_reason"].partition("mends it with: ")[2]

        keystone.delete_project(second)
        code, words = purge(cloud, second)
        assert code == 4 and lost in words and "--forget" in words, words
        code, words = purge(cloud, second, "--forget")
        assert code == 0 and "Forgotten" in words, words
        assert "Nothing is left" in purge(cloud, second)[1]

        operator = client("magnum-lite-admin")
        operator.run(command.replace("<the project's domain>", domain.id))
        tenant.call("PATCH", f"/bays/{uuid}", [{"op": "replace", "path": "/node_count", "value": 1}], 202)
        assert tenant.complete(uuid)["status"].endswith("COMPLETE")

        code, words = purge(cloud, first)
        assert code == 4 and uuid in words and "--delete" in words, words
        code, words = purge(cloud, first, "--delete")
        assert code == 0 and "1 bays are being deleted" in words, words
        assert tenant.wait(uuid) is None
        code, words = purge(cloud, first, "--delete")
        assert code == 0, words
        assert "Nothing is left" in purge(cloud, first)[1]
    finally:
        keystone.update_domain(domain, is_enabled=False)
        keystone.delete_domain(domain)
