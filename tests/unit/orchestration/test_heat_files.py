"""A template with everything it refers to, by short names."""

import json

import pytest

from magnum_lite import paths
from magnum_lite.orchestration.templates import MissingFiles, Templates


@pytest.fixture
def templates(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "a" / "top.yaml").write_text(
        "heat_template_version: 2021-04-16\n"
        "parameters: {size: {type: number, default: 1}}\n"
        "resources:\n"
        "  one: &one {type: ../shared/node.yaml, properties: {text: {get_file: deep/text}}}\n"
        "  two: *one\n"
        "  group: {type: OS::Heat::ResourceGroup, properties: {resource_def: {type: ../shared/node.yaml}}}\n"
    )
    (tmp_path / "a" / "deep" / "text").write_text("héllo\n")
    (tmp_path / "shared" / "node.yaml").write_text(
        "heat_template_version: 2021-04-16\n"
        "resources:\n"
        "  self: {type: node.yaml}\n"
        "  given: {type: OS::Heat::Value, properties: {value: {get_file: from-the-driver}}}\n"
    )
    return Templates(tmp_path)


def test_references_are_paths_below_the_root(templates):
    loaded = templates.load("a/top.yaml")
    top = json.loads(loaded.text)
    assert top["heat_template_version"] == "2021-04-16"
    assert top["resources"]["one"] == top["resources"]["two"]
    assert top["resources"]["one"]["type"] == "shared/node.yaml"
    assert top["resources"]["group"]["properties"]["resource_def"]["type"] == "shared/node.yaml"
    assert top["resources"]["one"]["properties"]["text"] == {"get_file": "a/deep/text"}
    assert set(loaded.files) == {"shared/node.yaml", "a/deep/text"}
    assert loaded.files["a/deep/text"] == "héllo\n"
    assert json.loads(loaded.files["shared/node.yaml"])["resources"]["self"]["type"] == "shared/node.yaml"
    assert loaded.parameters == {"size": {"type": "number", "default": 1}}
    assert templates.load("a/top.yaml") is loaded


def test_what_is_not_on_disk_must_come_with_the_request(templates):
    assert templates.load("a/top.yaml").expected == {"from-the-driver"}
    with pytest.raises(MissingFiles, match="from-the-driver"):
        templates.files_of("a/top.yaml", {})
    files = templates.files_of("a/top.yaml", {"from-the-driver": "x"})
    assert files["from-the-driver"] == "x"
    assert len(files) == 3


def test_a_template_that_is_not_there(templates, tmp_path):
    (tmp_path / "bad.yaml").write_text("resources: {x: {type: nowhere.yaml}}")
    for name in ("bad.yaml", "none.yaml"):
        with pytest.raises(FileNotFoundError):
            templates.load(name)


def test_nothing_outside_the_root_is_read(templates, tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "resources: {x: {type: OS::X, properties: {v: {get_file: ../../etc/passwd}}}}"
    )
    assert templates.load("bad.yaml").expected == {"../../etc/passwd"}
    assert templates.load("bad.yaml").files == {}


def test_a_pattern_becomes_a_resource_and_an_output_for_each_node_group(templates, tmp_path):
    (tmp_path / "a" / "bay.yaml").write_text(
        "parameters: {node_groups: {type: json}}\n"
        "x-shared: &shared {zone: z}\n"
        "x-node-group:\n"
        "  resource:\n"
        "    type: ../shared/node.yaml\n"
        "    properties: {<<: *shared, count: {get_param: [node_groups, '%group%', count]}}\n"
        "  output: {value: {get_attr: ['%group%', nodes]}}\n"
        "resources: {net: {type: OS::Neutron::Net}}\n"
        "outputs: {}\n"
    )
    plain = json.loads(templates.text_of("a/bay.yaml", {"node_groups": {}}))
    assert set(plain) == {"parameters", "resources", "outputs"}
    assert set(plain["resources"]) == {"net"}
    two = json.loads(templates.text_of("a/bay.yaml", {"node_groups": {"g2": {}, "g1": {}}}))
    assert two["resources"]["net"] == plain["resources"]["net"]
    assert two["resources"]["g1"] == {
        "type": "shared/node.yaml",
        "properties": {"zone": "z", "count": {"get_param": ["node_groups", "g1", "count"]}},
    }
    assert two["outputs"] == {name: {"value": {"get_attr": [name, "nodes"]}} for name in ("g1", "g2")}
    assert templates.text_of("a/bay.yaml", {}) == templates.load("a/bay.yaml").text


def test_the_products_own_templates_load():
    own = Templates()
    for path in sorted(paths.heat_templates().glob("*/cluster.yaml")):
        if path.parent.name == "common":
            continue  # what the engines' own are made of
        loaded = own.load(f"{path.parent.name}/cluster.yaml")
        assert all(not name.startswith((".", "/")) for name in (*loaded.files, *loaded.expected))
        assert (
            len(loaded.text) + sum(map(len, loaded.files.values())) < 512 * 1024
        )  # Heat's max_template_size
