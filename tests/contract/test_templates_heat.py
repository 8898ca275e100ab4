"""Every template, read by Heat's own library: syntax, functions, conditions, and each resource's properties
against its schema. Where ``MAGNUM_LITE_TEST_CLOUDS_YAML`` names a clouds.yaml with the cloud
``magnum-lite-service``, that Heat validates the whole stacks as well.
"""

import json

import pytest
import yaml

from magnum_lite import paths
from magnum_lite.drivers import registry
from magnum_lite.orchestration.templates import Templates
from tests.support.bay_spec import NODE as NODE_ID
from tests.support.bay_spec import TOKEN, groups, more, spec

TEMPLATES = Templates(paths.heat_templates())

CASES = {
    "plain": spec(),
    "three managers, no workers": spec(groups=groups(masters=3, workers=0)),
    "no way out": spec(external_network=None, floating_ip_enabled=False),
    "fixed network": spec(fixed_network="public", fixed_subnet="s"),
    "own range": spec(labels={"fixed_subnet_cidr": "10.83.7.0/24"}),
    "volumes": spec(groups=groups(docker_volume_size=5)),
    "typed volumes": spec(groups=groups(docker_volume_size=5), labels={"docker_volume_type": "fast"}),
    "no groups": spec(labels={"nodes_affinity_policy": "none", "published_ports": "none"}),
    "ssh": spec(labels={"ssh_allowed_cidrs": "192.0.2.0/24,2001:db8::/32", "availability_zone": "z"}),
    "zones": spec(groups=groups(masters=3, workers=4), labels={"availability_zones": "a,b"}),
    "a volume for etcd": spec(groups=groups(docker_volume_size=5), labels={"etcd_volume_size": "2"}),
    "boot volumes": spec(labels={"boot_volume_size": "9", "boot_volume_type": "fast"}),
    "a load balancer": spec(
        groups=groups(masters=3),
        master_lb_enabled=True,
        labels={"master_lb_allowed_cidrs": "192.0.2.0/24,198.51.100.7/32", "octavia_provider": "ovn"},
    ),
    "a load balancer on a fixed network": spec(
        fixed_network="public",
        fixed_subnet="s",
        master_lb_enabled=True,
        labels={"master_lb_floating_ip_enabled": "false", "octavia_lb_healthcheck": "no"},
    ),
    "scaled": spec(groups=groups(workers=7, removed_indices=(0, 3))),
    "two more groups": spec(
        groups=(*groups(), more("gpu", count=2, removed_indices=(1,)), more("Zéro", count=0))
    ),
}
NODE = {
    "role": "worker", "index": "3", "hostname": "bay-worker-3", "image": "i", "flavor": "f", "volume_size": 0,
    "boot_volume": {}, "kept": {}, "volume_type": "", "zones": {}, "credentials": {"3": "uuid:token"}, "network": "n", "subnet": "",
    "security_groups": ["g"], "server_group": "", "reachable": False, "external_network": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def heat():
    """Heat's template engine, with its resource types."""
    from heat.common import context
    from heat.engine import environment, resources, stack, template
    from oslo_config import cfg

    cfg.CONF([], project="heat", default_config_files=[])
    resources.initialise()

    def parse(document, files, parameters):
        made = template.Template(
            document, files=files, env=environment.Environment({"parameters": parameters})
        )
        made.validate()
        nobody = context.RequestContext(username="nobody", project_id="p", is_admin=False)
        return stack.Stack(nobody, "probe", made)

    return parse


def _check(stack):
    for name, resource in stack.items():
        # Names and required ones; values need a cloud.
        resource.properties.validate(with_value=False)
        missing = [
            key
            for key, schema in resource.properties_schema.items()
            if schema.required and key not in resource.t._properties
        ]
        assert not missing, f"{name} lacks {missing}"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("coe", registry.engines())
def test_heat_reads_the_whole_stack(heat, coe, case):
    request = registry.get(coe).stack_request(case)
    text = TEMPLATES.text_of(request.template, request.parameters)
    files = TEMPLATES.files_of(request.template, request.files)
    stack = heat(json.loads(text), files, dict(request.parameters))
    stack.parameters.validate()
    _check(stack)
    kinds = [resource.type() for resource in stack.values()]
    assert kinds.count("OS::Heat::ResourceGroup") == 2
    assert sum("group.yaml" in kind for kind in kinds) == len(case.groups) - 2
    assert kinds.count("OS::Neutron::Net") == (case.fixed_network is None)
    assert kinds.count("OS::Neutron::Subnet") == (case.fixed_network is None)
    assert kinds.count("OS::Neutron::Router") == (
        case.fixed_network is None and case.external_network is not None
    )
    assert kinds.count("OS::Nova::ServerGroup") == 2 * (case.labels.get("nodes_affinity_policy") != "none")


@pytest.mark.parametrize(
    ("changes", "present"),
    [
        ({}, set()),
        ({"volume_size": 3}, {"data_volume", "data_volume_attachment"}),
        ({"volume_size": 3, "volume_type": "fast"}, {"typed_volume", "data_volume_attachment"}),
        ({"etcd_volume_size": 3}, {"etcd_volume", "etcd_volume_attachment"}),
        ({"boot_volume": {"size": 3, "type": ""}}, set()),
        ({"boot_volume": {"size": 3, "type": "fast"}}, {"root_volume"}),
        ({"reachable": True, "external_network": "public"}, {"floating_ip"}),
        ({"balanced": True, "pool": "p", "api_port": 6443}, {"member"}),
    ],
)
def test_a_node_has_what_was_asked_for(heat, changes, present):
    request = registry.get("swarm").stack_request(spec())
    files = TEMPLATES.files_of(request.template, request.files)
    stack = heat(json.loads(files["common/node.yaml"]), files, NODE | changes)
    _check(stack)
    server = "server_on_volume" if changes.get("boot_volume") else "server"
    assert not set(stack) & set(stack.parameters), "to Heat that is one name too many"
    assert set(stack) == {"port", server, "ready_handle", "ready"} | present


def test_a_node_group_is_a_stack_with_its_own_nodes(heat):
    """As Heat resolves it: properties of the group's resource, then of the nodes in the group's stack."""
    gpu = more("gpu", count=2, docker_volume_size=7, labels={"nodes_affinity_policy": "none"})
    request = registry.get("swarm").stack_request(spec(groups=(*groups(), gpu)))
    files = TEMPLATES.files_of(request.template, request.files)
    text = TEMPLATES.text_of(request.template, request.parameters)
    stack = heat(json.loads(text), files, dict(request.parameters))
    given = dict(stack[gpu.key].properties.items())
    inner = heat(json.loads(files["swarm/group.yaml"]), files, given)
    _check(inner)
    assert set(inner) == {"swarm_nodes"}
    assert inner["swarm_nodes"].properties["count"] == 2
    node = inner["swarm_nodes"].properties["resource_def"]["properties"]
    assert (node["hostname"], node["volume_size"]) == ("swarm-bay01-5f1e2d3c-gpu-%index%", 7)
    assert node["credentials"] == {"0": f"{NODE_ID}:{TOKEN}"}


@pytest.mark.parametrize(
    ("credentials", "text"), [({"3": "uuid:token"}, "uuid:token"), ({"4": "x:y"}, ""), ({}, "")]
)
def test_each_node_gets_its_own_credential(heat, credentials, text):
    request = registry.get("swarm").stack_request(spec())
    files = TEMPLATES.files_of(request.template, request.files)
    stack = heat(json.loads(files["common/node.yaml"]), files, NODE | {"credentials": credentials})
    rendered = stack["server"].t._properties["user_data"].result()
    written = {f["path"]: f["content"] for f in yaml.safe_load(rendered)["write_files"]}
    assert written["/etc/magnum-lite/credential"] == text
    assert written["/etc/magnum-lite/volume"] == ""
    assert yaml.safe_load(rendered)["hostname"] == "bay-worker-3"


def test_every_if_has_its_else():
    """Heat 27's legacy engine can't update a stack with an ``if`` of two arguments."""

    def walk(value):
        if isinstance(value, dict):
            if "if" in value:
                assert len(value["if"]) == 3, value
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    for coe in registry.engines():
        request = registry.get(coe).stack_request(spec(groups=(*groups(), more("gpu"))))
        walk(json.loads(TEMPLATES.text_of(request.template, request.parameters)))
        for name, text in TEMPLATES.files_of(request.template, request.files).items():
            if name.endswith(".yaml"):
                walk(json.loads(text))


def test_templates_are_short():
    for path in paths.heat_templates().rglob("*.yaml"):
        assert len(path.read_text().splitlines()) < 250, path


@pytest.mark.local
@pytest.mark.parametrize(
    "name",
    ["plain", "own range", "volumes", "no groups", "ssh", "no way out", "two more groups", "a load balancer"],
)
def test_a_real_heat_accepts_it(name, service_clouds):
    from keystoneauth1 import session
    from keystoneauth1.identity import v3

    from magnum_lite.orchestration.heat import HeatStacks

    auth = yaml.safe_load(service_clouds.read_text())["clouds"]["magnum-lite-service"]["auth"]
    real = session.Session(auth=v3.Password(**auth))
    request = registry.get("swarm").stack_request(CASES[name])
    made = HeatStacks(lambda _project: real).preview("", request).added
    assert made["OS::Nova::Server"] == sum(group.count for group in CASES[name].groups)


@pytest.mark.parametrize(
    ("kept", "image", "flavor"),
    [
        ({}, "i", "f"),
        ({"3": {"image": "old", "flavor": "small"}}, "old", "small"),
        ({"4": {"image": "old", "flavor": "small"}}, "i", "f"),
    ],
)
def test_a_node_keeps_the_image_that_it_was_made_with(heat, kept, image, flavor):
    files = TEMPLATES.files_of("swarm/cluster.yaml", registry.get("swarm").stack_request(spec()).files)
    stack = heat(json.loads(files["common/node.yaml"]), files, NODE | {"kept": kept})
    server = stack["server"].t.freeze()._properties
    assert (server["image"], server["flavor"]) == (image, flavor)


def test_what_is_kept_reaches_each_groups_nodes(heat):
    old = {1: {"image": "old", "flavor": "small"}}
    gpu = more("gpu", count=2, kept=old)
    both = groups(masters=3, surge=1, kept=old)
    request = registry.get("swarm").stack_request(spec(groups=(*both, gpu)))
    files = TEMPLATES.files_of(request.template, request.files)
    stack = heat(
        json.loads(TEMPLATES.text_of(request.template, request.parameters)), files, dict(request.parameters)
    )
    stack.parameters.validate()
    wanted = {"1": {"image": "old", "flavor": "small"}}
    for name, count in (("swarm_masters", 4), ("swarm_nodes", 3)):
        given = stack[name].properties
        assert given["count"] == count
        assert given["resource_def"]["properties"]["kept"] == wanted
    assert stack[gpu.key].properties["kept"] == wanted


OWN = {"image": "i", "flavor": "f", "boot_volume": {"size": 9, "type": ""}}


@pytest.mark.parametrize(
    ("size", "kind", "kept", "image", "mapping"),
    [
        (0, "", {}, "i", None),
        (7, "", {}, None, {"image": "i", "volume_size": 7}),
        (7, "fast", {}, None, {"type": "fast", "size": 7, "image": "i"}),
        # what was there before the cluster had such volumes, or with others, stays as it is
        (7, "", {"image": "i", "flavor": "f"}, "i", None),
        (7, "fast", {"image": "old", "flavor": "f"}, "old", None),
        (0, "", OWN, None, {"image": "i", "volume_size": 9}),
        (7, "fast", OWN | {"image": "old"}, None, {"image": "old", "volume_size": 9}),
        (
            7,
            "",
            OWN | {"boot_volume": {"size": 9, "type": "slow"}},
            None,
            {"type": "slow", "size": 9, "image": "i"},
        ),
    ],
)
def test_what_a_node_boots_from(heat, size, kind, kept, image, mapping):
    files = TEMPLATES.files_of("swarm/cluster.yaml", registry.get("swarm").stack_request(spec()).files)
    given = {"boot_volume": {"size": size, "type": kind} if size else {}, "kept": {"3": kept} if kept else {}}
    stack = heat(json.loads(files["common/node.yaml"]), files, NODE | given)
    server = stack["server" if image else "server_on_volume"]
    server._validate_block_device_mapping()  # Heat wants just one thing to boot from
    made = server.t.freeze()._properties
    assert made.get("image") == image
    if mapping and "type" in mapping:
        volume = stack["root_volume"].t.freeze()._properties
        assert {name: volume[name] for name in ("image", "size")} | {"type": volume["volume_type"]} == mapping
        assert [m["boot_index"] for m in made["block_device_mapping_v2"]] == [0]
        return
    assert "root_volume" not in stack
    more = {"boot_index": 0, "delete_on_termination": True}
    assert made.get("block_device_mapping_v2") == ([mapping | more] if mapping else None)


@pytest.mark.parametrize(("boot", "name"), [({}, "server"), ({"size": 2, "type": ""}, "server_on_volume")])
def test_all_that_a_server_has_is_of_the_one_that_is_there(heat, boot, name):
    files = TEMPLATES.files_of("swarm/cluster.yaml", registry.get("swarm").stack_request(spec()).files)
    given = {"boot_volume": boot, "volume_size": 3, "etcd_volume_size": 2}
    stack = heat(json.loads(files["common/node.yaml"]), files, NODE | given)
    for resource in ("data_volume_attachment", "etcd_volume_attachment", "ready"):
        needs = {needed.name for needed in stack[resource].t.dependencies(stack)}
        assert name in needs, resource
    for output in ("OS::stack_id", "facts"):
        assert name in stack.outputs[output].required_resource_names()
