"""What engines say of going over from one cluster template to another, and what counts as another make."""

import pytest

from magnum_lite.drivers import checks, registry
from magnum_lite.drivers.make import make_of
from tests.support.bay_spec import spec


def of(**labels):
    return spec(labels=labels)


@pytest.mark.parametrize(
    ("before", "after", "good"),
    [
        ("v1.35.2", "v1.36.3", True),
        ("v1.35.2", "v1.35.9", True),
        ("v1.35.9", "v1.35.2", True),
        ("v1.35.2", "v1.37.0", False),
        ("v1.36.0", "v1.35.9", False),
        ("v1.36.0", "v2.36.0", False),
    ],
)
def test_kubernetes_goes_up_by_one_minor(before, after, good):
    found = registry.get("kubernetes").check_upgrade(of(kube_tag=before), of(kube_tag=after))
    assert [p.field for p in found] == ([] if good else ["labels/kube_tag"])


def test_ranges_of_kubernetes_stay():
    driver = registry.get("kubernetes")
    found = driver.check_upgrade(of(), of(pods_network_cidr="10.200.0.0/16", cgroup_driver="cgroupfs"))
    assert {p.field for p in found} == {"labels/pods_network_cidr", "labels/cgroup_driver"}


def test_networks_and_volumes_stay():
    after = spec(fixed_network="n", floating_ip_enabled=False, labels={"docker_volume_type": "fast"})
    assert {p.field for p in checks.fixed(spec(), after)} == {
        "fixed_network", "floating_ip_enabled", "labels/docker_volume_type"
    }  # fmt: skip
    assert list(checks.fixed(of(published_ports="80"), of(ssh_allowed_cidrs="192.0.2.0/24"))) == []


TEMPLATE = {"image_id": "i", "labels": {"registry_mirror": "https://a"}, "docker_storage_driver": "overlay2"}
GROUP = {"image_id": "i", "flavor_id": "f"}


@pytest.mark.parametrize(
    ("template", "group", "same"),
    [
        ({"name": "other", "public": True}, {"node_count": 9}, True),
        ({"labels": {"registry_mirror": "https://a", "published_ports": "80", "unknown": "x"}}, {}, True),
        ({"labels": {"registry_mirror": "https://b"}}, {}, False),
        ({"labels": {"registry_mirror": "https://a", "kube_tag": "v1.36.0"}}, {}, False),
        ({"docker_storage_driver": "btrfs"}, {}, False),
        ({"http_proxy": "http://p"}, {}, False),
        ({}, {"image_id": "j"}, False),
        ({}, {"flavor_id": "g"}, False),
    ],
)
def test_only_what_nodes_are_made_from_counts(template, group, same):
    before = make_of({"template": TEMPLATE, "labels": {}}, GROUP)
    after = make_of({"template": TEMPLATE | template, "labels": {}}, GROUP | group)
    assert (before == after) is same
