"""Who the tests are on the real one-machine cloud."""

import pytest


@pytest.fixture(scope="module")
def tenant(machine):
    """A member of the project demo, with the key pair of the talk."""
    found = machine.tenant()
    if not any(k.name == "my-key" for k in found.cloud.compute.keypairs()):
        found.cloud.compute.create_keypair(name="my-key")
    return found
