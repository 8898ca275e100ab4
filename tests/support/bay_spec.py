"""A cluster as drivers see it, for their tests."""

import dataclasses

from magnum_lite.drivers.contract import (
    MASTER,
    WORKER,
    ClusterSpec,
    DoorSpec,
    GroupSpec,
    group_key,
    group_word,
)

UUID = "5f1e2d3c-aaaa-4bbb-8ccc-1234567890ab"
TOKEN = "0123456789abcdef0123456789abcdef"
GROUP = "99999999-2222-4333-8444-666666666666"
NODE = "11111111-2222-4333-8444-555555555555"


def groups(*, masters=1, workers=2, **changes):
    """The two default groups; ``changes`` go to both."""
    credentials = {0: f"{NODE}:{TOKEN}"}
    both = {"flavor": "m1.small", "image": "node", "credentials": credentials} | changes
    return (
        GroupSpec(name="default-master", role=MASTER, count=masters, **both),
        GroupSpec(name="default-worker", role=WORKER, count=workers, **both),
    )


def more(name, *, uuid=GROUP, **changes):
    """A node group beside the default ones."""
    plain = {"role": WORKER, "count": 1, "flavor": "m1.small", "image": "node"}
    plain |= {"key": group_key(uuid, name), "word": group_word(uuid, name)}
    return GroupSpec(name=name, **plain | {"credentials": {0: f"{NODE}:{TOKEN}"}} | changes)


def spec(**changes):
    """A spec that every driver can serve, changed."""
    plain = ClusterSpec(
        uuid=UUID,
        name="swarm-bay01",
        stack_name="swarm-bay01-5f1e2d3c",
        timeout_mins=60,
        groups=groups(),
        door=DoorSpec(url="https://10.79.255.1:9512/", ca_pem="-----BEGIN CERTIFICATE-----\nAA\n"),
        external_network="public",
        dns_nameservers=("192.0.2.53",),
    )
    return dataclasses.replace(plain, **changes)
