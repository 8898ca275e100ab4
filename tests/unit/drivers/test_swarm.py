"""What Swarm refuses, and what it reads from a stack's outputs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.drivers.checks import MAX_GROUPS
from magnum_lite.drivers.swarm import SwarmDriver
from magnum_lite.models.renewal import Signs
from magnum_lite.models.stack import NodeFacts
from tests.support.bay_spec import GROUP, NODE, TOKEN, groups, more, spec

DRIVER = SwarmDriver()
SERVER = "0b5e7c52-6d0e-4a57-9f4c-0d5f7f1c2a11"
STACK = "9c1d7c52-6d0e-4a57-9f4c-0d5f7f1c2a22"


def _member(**changes):
    return {"server": SERVER, "address": "10.0.0.5", "floating": "192.0.2.7", "stack": STACK} | changes


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"groups": groups(masters=2)}, "master_count"),
        ({"groups": groups(masters=7)}, "master_count"),
        ({"groups": groups()[:1]}, "nodegroups"),
        ({"groups": (*groups(), groups()[1])}, "nodegroups"),
        ({"docker_storage_driver": "devicemapper"}, "docker_storage_driver"),
        ({"docker_storage_driver": "overlay9"}, "docker_storage_driver"),
        ({"volume_driver": "rexray"}, "volume_driver"),
        ({"external_network": None}, "floating_ip_enabled"),
        ({"fixed_subnet": "s"}, "fixed_subnet"),
        ({"fixed_network": "n", "labels": {"fixed_subnet_cidr": "10.0.0.0/24"}}, "labels/fixed_subnet_cidr"),
        ({"http_proxy": "proxy:1"}, "http_proxy"),
        ({"no_proxy": "a\nb"}, "no_proxy"),
        ({"insecure_registry": "a b"}, "insecure_registry"),
        ({"dns_nameservers": ("dns.example",)}, "dns_nameserver"),
        ({"labels": {"ssh_allowed_cidrs": "everywhere"}}, "labels/ssh_allowed_cidrs"),
        ({"labels": {"nodes_affinity_policy": "close"}}, "labels/nodes_affinity_policy"),
    ],
)
def test_it_refuses_what_it_can_not_do(changes, field):
    assert [p.field for p in DRIVER.check(spec(**changes))] == [field]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": groups(masters=5, workers=0)},
        {"external_network": None, "floating_ip_enabled": False},
        {"fixed_network": "n", "fixed_subnet": "s"},
        {"insecure_registry": "10.0.0.0/8, registry.example:5000", "docker_storage_driver": ""},
        {"labels": {"cvmfs": "true", "something_unknown": "kept"}},
    ],
)
def test_it_takes_what_it_can(changes):
    assert DRIVER.check(spec(**changes)) == []


def test_dropped_storage_names_the_release():
    (problem,) = DRIVER.check(spec(docker_storage_driver="devicemapper"))
    assert "25.0" in problem.message


def test_all_problems_are_told_at_once():
    wrong = spec(groups=groups(masters=2), volume_driver="x", labels={"cvmfs": "maybe"})
    assert len(DRIVER.check(wrong)) == 3


def test_facts_of_a_finished_stack():
    facts = DRIVER.facts(
        {"masters": {"0": _member()}, "workers": {"10": _member(floating=""), "2": _member()}}
    )
    assert facts.api_address == "tcp://192.0.2.7:2376"
    assert [(n.role, n.index) for n in facts.nodes] == [("master", 0), ("worker", 2), ("worker", 10)]
    assert facts.nodes[0] == NodeFacts("master", 0, SERVER, "10.0.0.5", "192.0.2.7", STACK)
    assert facts.nodes[2].floating_address is None


def test_without_floating_ips_the_api_is_at_the_fixed_address():
    assert DRIVER.facts({"masters": {"0": _member(floating="")}}).api_address == "tcp://10.0.0.5:2376"


def test_a_server_that_is_only_a_name_is_not_there_yet():
    facts = DRIVER.facts({"masters": {"0": _member(server="server", floating="")}})
    assert facts.nodes[0].server_id is None
    assert facts.nodes[0].address == "10.0.0.5"


def test_a_node_has_no_address_before_its_floating_ip_is_known():
    """Else its certificate would lack the address that tenants use."""
    facts = DRIVER.facts({"masters": {"0": _member(floating=None)}})
    assert facts.nodes[0].stack_id == STACK
    assert facts.nodes[0].address is None
    assert facts.api_address is None


@pytest.mark.parametrize("outputs", [{}, {"masters": None}, {"masters": {}, "workers": {"0": None}}])
def test_facts_before_there_is_anything(outputs):
    facts = DRIVER.facts(outputs)
    assert facts.api_address is None
    assert facts.nodes == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["0", "1", "server", "stack"]), x),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["masters", "workers", "api_address"]), JSON))
def test_facts_of_anything(outputs):
    DRIVER.facts(outputs)


def test_a_server_certificate_is_for_managers_only():
    node = {"hostname": "m-0", "role": "master", "address": "10.0.0.5", "floating_address": "192.0.2.7"}
    (server,) = DRIVER.certificates(spec(), node)
    assert (server.name, server.common_name, server.signs) == ("server", "m-0", Signs.SERVERS)
    assert server.sans == ("m-0", "localhost", "192.0.2.7", "10.0.0.5", "127.0.0.1")
    assert DRIVER.certificates(spec(), node | {"role": "worker"}) == ()
    assert DRIVER.trusts("worker") == ()


def test_security_rules_are_closed_where_nothing_was_asked():
    rules = DRIVER.stack_request(spec(labels={"published_ports": "none"})).parameters["ingress_rules"]
    assert rules == []
    rules = DRIVER.stack_request(
        spec(labels={"ssh_allowed_cidrs": "192.0.2.1,2001:db8::/32", "published_ports": "53/udp"})
    ).parameters["ingress_rules"]
    ssh = {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    assert rules == [
        ssh | {"remote_ip_prefix": "192.0.2.1/32", "ethertype": "IPv4"},
        ssh | {"remote_ip_prefix": "2001:db8::/32", "ethertype": "IPv6"},
        {"protocol": "udp", "port_range_min": 53, "port_range_max": 53},
    ]


def test_removed_indices_and_credentials_reach_heat_as_texts():
    changed = groups(removed_indices=(3, 1), credentials={10: "u:t", 2: "v:w"})
    parameters = DRIVER.stack_request(spec(groups=changed)).parameters
    assert parameters["removed_workers"] == ["1", "3"]
    assert parameters["worker_credentials"] == {"2": "v:w", "10": "u:t"}


def test_nodes_are_spread_over_zones_and_keep_theirs():
    """By their indices, so that neither scaling nor replacement moves one to another zone."""
    labels = {"availability_zone": "z", "availability_zones": "a, b,c"}
    few = DRIVER.stack_request(spec(groups=groups(masters=3, workers=2), labels=labels)).parameters
    assert few["manager_zones"] == {"0": "a", "1": "b", "2": "c"}
    assert few["worker_zones"] == {"0": "a", "1": "b"}
    scaled = groups(masters=3, workers=4, removed_indices=(0, 3))
    many = DRIVER.stack_request(spec(groups=scaled, labels=labels)).parameters
    assert many["worker_zones"] == {"1": "b", "2": "c", "4": "b", "5": "c"}
    one = DRIVER.stack_request(spec(labels={"availability_zone": "z"})).parameters
    assert set(one["manager_zones"].values()) == {"z"}
    assert DRIVER.stack_request(spec()).parameters["worker_zones"] == {}


def with_groups(*extra):
    return spec(groups=(*groups(), *extra))


def test_more_node_groups_are_parameters_of_their_own():
    gpu = more(
        "gpu", count=3, image="gpu-node", flavor="g1.large", docker_volume_size=9, removed_indices=(1,),
        labels={"availability_zone": "z2", "docker_volume_type": "fast", "nodes_affinity_policy": "none"}
        | {"boot_volume_size": "30", "boot_volume_type": "slow"},
    )  # fmt: skip
    assert DRIVER.check(with_groups(gpu)) == []
    parameters = DRIVER.stack_request(with_groups(gpu)).parameters
    assert parameters["node_groups"] == {
        "nodegroup_gpu_99999999": {
            "word": "gpu", "count": 3, "removed": ["1"], "image": "gpu-node", "flavor": "g1.large", "kept": {},
            "volume_size": 9, "volume_type": "fast", "zones": {"0": "z2", "2": "z2", "3": "z2"},
            "boot_volume": {"size": 30, "type": "slow"}, "affinity": "none",
        }
    }  # fmt: skip
    assert parameters["node_group_credentials"] == {"nodegroup_gpu_99999999": {"0": f"{NODE}:{TOKEN}"}}
    plain = DRIVER.stack_request(spec()).parameters
    mine = {"node_groups", "node_group_credentials"}
    assert {k: v for k, v in parameters.items() if k not in mine} == {
        k: v for k, v in plain.items() if k not in mine
    }


def test_facts_tell_groups_apart():
    key = more("gpu").key
    facts = DRIVER.facts(
        {
            "masters": {"0": _member()},
            "workers": {"0": _member()},
            key: {"stack": STACK, "nodes": {"0": _member(), "x": None}},
            "nodegroup_new_11111111": {"stack": "nodegroup_new_11111111", "nodes": None},
        }
    )
    assert [(n.group, n.role, n.index) for n in facts.nodes] == [
        ("", "master", 0), ("", "worker", 0), (key, "worker", 0)
    ]  # fmt: skip
    assert facts.groups == {key: STACK}


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("swarm_masters/0/server", ("master", "")),
        ("swarm_nodes/3/ready", ("worker", "")),
        ("nodegroup_gpu_99999999/swarm_nodes/0/port", ("worker", "nodegroup_gpu_99999999")),
        ("network", None),
        ("", None),
    ],
)
def test_a_resource_belongs_to_its_group(path, group):
    assert DRIVER.group_of(path) == group


def test_what_node_groups_can_not_be():
    def problem(*extra):
        (found,) = DRIVER.check(with_groups(*extra))
        return found

    assert problem(more("m", role="master")).field == "role"
    taint = {"key": "gpu", "value": "", "effect": "NoSchedule"}
    found = problem(more("gpu", taints=(taint,)))
    assert found.field == "node_taints" and "--constraint node.labels" in found.message
    assert (
        problem(more("gpu", labels={"nodes_affinity_policy": "near"})).field == "labels/nodes_affinity_policy"
    )
    many = [more(f"g{n}", uuid=f"{n:08d}{GROUP[8:]}") for n in range(MAX_GROUPS + 1)]
    assert "30" in problem(*many).message
    assert DRIVER.check(with_groups(*many[1:])) == []
