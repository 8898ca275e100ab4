"""What every registered driver must do. A new engine is tested here by its entry point alone."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite import paths
from magnum_lite.drivers import registry
from magnum_lite.models import labels
from magnum_lite.models.stack import TAG, StackFacts, cluster_tag
from magnum_lite.orchestration.templates import Templates
from tests.support.bay_spec import NODE, TOKEN, UUID, groups, spec

TEMPLATES = Templates(paths.heat_templates())
# A good value for each label, other than its default.
VALUES = {
    "cloud_provider_enabled": "true",
    "keystone_auth_enabled": "true",
    "fixed_subnet_cidr": "10.1.0.0/24",
    "ssh_allowed_cidrs": "192.0.2.0/24",
    "published_ports": "8080",
    "docker_volume_type": "fast",
    "availability_zone": "zone-1",
    "availability_zones": "zone-1,zone-2",
    "etcd_volume_size": "3",
    "boot_volume_size": "20",
    "boot_volume_type": "fast",
    "master_lb_floating_ip_enabled": "false",
    "master_lb_allowed_cidrs": "192.0.2.0/24",
    "api_master_lb_allowed_cidrs": "192.0.2.0/24",
    "octavia_provider": "ovn",
    "octavia_lb_algorithm": "LEAST_CONNECTIONS",
    "octavia_lb_healthcheck": "false",
    "nodes_affinity_policy": "none",
    "registry_mirror": "https://mirror.example.org",
    "kube_tag": "v1.37.2",
    "kube_mirror": "https://mirror.example.org",
    "container_infra_prefix": "registry.example.org/bays",
    "pods_network_cidr": "10.111.0.0/16",
    "service_cluster_ip_range": "10.112.0.0/16",
    "cgroup_driver": "cgroupfs",
}
# What a label does nothing without.
NEEDED = {"boot_volume_type": {"boot_volume_size": "20"}}

drivers = pytest.mark.parametrize("coe", registry.engines())


@drivers
def test_its_name_is_its_coe(coe):
    assert registry.get(coe).coe == coe


def test_swarm_mode_means_swarm():
    assert registry.get("swarm-mode") is registry.get("swarm")
    assert "swarm-mode" not in registry.engines()


def test_an_unknown_engine_is_a_key_error():
    with pytest.raises(KeyError):
        registry.get("mesosphere")


@drivers
def test_a_plain_cluster_is_no_problem(coe):
    assert registry.get(coe).check(spec()) == []


@drivers
def test_the_same_spec_gives_the_same_request(coe):
    driver = registry.get(coe)
    assert driver.stack_request(spec()) == driver.stack_request(spec())


@drivers
def test_the_request_is_whole(coe):
    """Heat would refuse an unknown parameter, a missing one or a missing file."""
    request = registry.get(coe).stack_request(spec())
    loaded = TEMPLATES.load(request.template)
    assert set(request.parameters) == set(loaded.parameters)
    assert TEMPLATES.files_of(request.template, request.files)
    assert set(request.files) == loaded.expected
    json.dumps(dict(request.parameters))


@drivers
def test_an_operator_is_led_back_to_the_cluster(coe):
    request = registry.get(coe).stack_request(spec())
    assert spec().name in request.description and UUID in request.description


@drivers
def test_every_parameter_is_used(coe):
    loaded = TEMPLATES.load(registry.get(coe).stack_request(spec()).template)
    for text in (loaded.text, *loaded.files.values()):
        document = json.loads(text)
        used = json.dumps({k: v for k, v in document.items() if k != "parameters"}) + loaded.pattern
        for name in document.get("parameters") or {}:
            assert f'"get_param": "{name}"' in used or f'"get_param": ["{name}"' in used, name


@drivers
def test_the_stack_leads_back_to_its_cluster(coe):
    request = registry.get(coe).stack_request(spec(timeout_mins=7))
    assert request.name == spec().stack_name
    assert set(request.tags) == {TAG, cluster_tag(UUID)}
    assert request.timeout_mins == 7


@drivers
def test_bootstrap_tokens_are_only_in_hidden_parameters(coe):
    request = registry.get(coe).stack_request(spec())
    declared = TEMPLATES.load(request.template).parameters
    holders = [name for name, value in request.parameters.items() if TOKEN in json.dumps(value)]
    assert holders
    assert all(declared[name].get("hidden") for name in holders)
    assert not [name for name, text in request.files.items() if TOKEN in text]
    for holder in holders:
        assert request.parameters[holder] == {"0": f"{NODE}:{TOKEN}"}


@drivers
def test_a_token_that_was_used_changes_nothing_else(coe):
    driver = registry.get(coe)
    one, other = driver.stack_request(spec()), driver.stack_request(spec(groups=groups(credentials={})))
    changed = {name for name in one.parameters if one.parameters[name] != other.parameters[name]}
    assert all(name.endswith("_credentials") for name in changed)
    assert one.files == other.files


@drivers
def test_labels_feed_what_the_registry_says(coe):
    driver = registry.get(coe)
    for label in labels.known(coe):
        with_it = NEEDED.get(label.name, {})
        plain = driver.stack_request(spec(labels=with_it))
        changed = driver.stack_request(spec(labels=with_it | {label.name: VALUES.get(label.name, "a=b")}))
        if label.feeds == "heat":
            assert changed.parameters != plain.parameters, label.name
            assert changed.files == plain.files, label.name
        elif label.feeds == "node":
            assert changed.files != plain.files, label.name
            assert changed.parameters == plain.parameters, label.name
        else:
            assert changed == plain, label.name


@drivers
def test_counts_and_removed_indices_reach_the_stack(coe):
    driver = registry.get(coe)
    plain = driver.stack_request(spec()).parameters
    for change in ({"workers": 5}, {"masters": 3}):
        assert driver.stack_request(spec(groups=groups(**change))).parameters != plain
    removed = tuple(
        dataclasses.replace(g, removed_indices=(1,)) if g.role == "worker" else g for g in groups()
    )
    assert driver.stack_request(spec(groups=removed)).parameters != plain


@drivers
def test_an_empty_stack_has_no_facts(coe):
    assert registry.get(coe).facts({}) == StackFacts(api_address=None, nodes=())


@drivers
@given(
    st.dictionaries(
        st.text(max_size=9), st.none() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    )
)
def test_strange_outputs_are_no_error(coe, outputs):
    registry.get(coe).facts(outputs)
