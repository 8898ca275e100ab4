"""Every string that a tenant sets, all the way: through the driver, Heat's own template engine, cloud-config and a
real shell. It arrives as it was written, or is refused, and nothing of it is run, included or filled in.
"""

import base64
import gzip
import json
import subprocess

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from magnum_lite.drivers import registry
from magnum_lite.models import labels
from tests.contract.test_templates_heat import NODE, TEMPLATES, heat
from tests.support.bay_spec import TOKEN, groups, more, spec
from tests.support.fuzz import examples

__all__ = ["heat"]  # a fixture
HOSTILE = [
    "{get_file: /etc/passwd}", "get_file: user-data-worker", "__CREDENTIAL__", "__HOSTNAME__", "__VOLUME__", "%index%",
    "{get_attr: [server, user_data]}", "$(touch PWNED)", "`touch PWNED`", "'; touch PWNED; '", '"; touch PWNED; "',
    "a\nruncmd: [[touch, PWNED]]", "%(x)s {0} ${x} $HOME", "{{ 7*7 }}", "<% 7*7 %>", "\\", "\u2028", "é😀", "null",
    "!!python/object/apply:os.system ['touch PWNED']", "- &a [*a]", "yes", "1e3", " ", "#",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=80)
)
PLAIN = ("http_proxy", "https_proxy", "no_proxy", "insecure_registry", "docker_storage_driver")
LABELS = ("registry_mirror", "availability_zone", "docker_volume_type", "nodes_affinity_policy", "my-own")
SHOWN = {
    "TENANT_HTTP_PROXY": "http_proxy",
    "TENANT_HTTPS_PROXY": "https_proxy",
    "TENANT_NO_PROXY": "no_proxy",
    "INSECURE_REGISTRY": "insecure_registry",
    "STORAGE_DRIVER": "docker_storage_driver",
}


def rendered(heat, request, role):
    """The user data of node 0 of a role, as Heat gives it to Nova."""
    files = TEMPLATES.files_of(request.template, request.files)
    node = NODE | {"role": role, "index": "0", "credentials": {"0": f"id:{TOKEN}"}}
    stack = heat(json.loads(files["common/node.yaml"]), files, node)
    return stack["server"].t._properties["user_data"].result()


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    plain=st.fixed_dictionaries(dict.fromkeys(PLAIN, TEXTS)),
    own=st.fixed_dictionaries(dict.fromkeys(LABELS, TEXTS)),
    name=TEXTS,
    key=TEXTS,
)
@example(dict.fromkeys(PLAIN, HOSTILE[0]), dict.fromkeys(LABELS, HOSTILE[2]), HOSTILE[11], HOSTILE[11])
@example(dict.fromkeys(PLAIN, HOSTILE[9]), dict.fromkeys(LABELS, HOSTILE[7]), HOSTILE[2], HOSTILE[19])
def test_from_the_request_to_the_shell(heat, tmp_path_factory, plain, own, name, key):
    of = spec(name=name, ssh_public_key=key, labels=own, **plain)
    request = registry.get("swarm").stack_request(of)
    for role in ("manager", "worker"):
        document = yaml.safe_load(rendered(heat, request, role))
        honest = yaml.safe_load(rendered(heat, registry.get("swarm").stack_request(spec()), role))
        # only these two may differ from what a plain cluster gets
        assert document.keys() - {"ssh_authorized_keys"} == honest.keys()
        for part in ("runcmd", "bootcmd", "hostname", "preserve_hostname"):
            assert document[part] == honest[part]
        files = {f["path"]: f for f in document["write_files"]}
        assert files["/etc/magnum-lite/credential"]["content"] == f"id:{TOKEN}"
        differ = {f["path"] for f in document["write_files"] if f not in honest["write_files"]}
        assert differ <= {"/etc/magnum-lite/node.env"}
        where = tmp_path_factory.mktemp("shell")
        packed = files["/etc/magnum-lite/node.env"]["content"]
        (where / "node.env").write_bytes(gzip.decompress(base64.b64decode(packed)))
        shown = "".join(f'printf "%s\\0" "${n}"; ' for n in (*SHOWN, "REGISTRY_MIRROR"))
        run = subprocess.run(
            ["bash", "-c", f". ./node.env; {shown}"], cwd=where, capture_output=True, check=True, timeout=30
        )
        got = [x.decode() for x in run.stdout.split(b"\0")[:-1]]
        assert got == [*(plain[f] for f in SHOWN.values()), own["registry_mirror"]]
        assert [p.name for p in where.iterdir()] == ["node.env"]


@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(zone=TEXTS, kind=TEXTS, image=TEXTS, flavor=TEXTS, group=TEXTS)
@example(*HOSTILE[:5])
@example(HOSTILE[5], HOSTILE[6], HOSTILE[11], HOSTILE[12], HOSTILE[13])
def test_heat_takes_every_parameter_as_text(heat, zone, kind, image, flavor, group):
    """What looks like a function of the template language stays a value, in the stack and in a group's."""
    mine = {"availability_zone": zone, "docker_volume_type": kind}
    extra = more(group, image=image, flavor=flavor, labels=mine, docker_volume_size=3)
    whole = spec(groups=(*groups(image=image, flavor=flavor), extra), labels=mine)
    request = registry.get("swarm").stack_request(whole)
    files = TEMPLATES.files_of(request.template, request.files)
    text = TEMPLATES.text_of(request.template, request.parameters)
    stack = heat(json.loads(text), files, dict(request.parameters))
    found = stack.parameters
    zones = {"0": zone, "1": zone} if zone else {}
    wanted = {"worker_zones": zones, "volume_type": kind, "worker_image": image, "worker_flavor": flavor}
    assert {n: found[n] for n in wanted} == wanted
    plain = registry.get("swarm").stack_request(spec(groups=(*groups(), more(group))))
    assert set(stack) == set(
        heat(
            json.loads(TEMPLATES.text_of(plain.template, plain.parameters)),
            TEMPLATES.files_of(plain.template, plain.files),
            dict(plain.parameters),
        )
    ), "no resource comes or goes by what a string says"
    inner = dict(stack[extra.key].properties.items())
    assert (inner["zones"], inner["volume_type"], inner["image"], inner["flavor"]) == (
        {"0": zone} if zone else {},
        kind,
        image,
        flavor,
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "field", ["http_proxy", "https_proxy", "insecure_registry", "no_proxy", "discovery_url"]
)
def test_the_api_takes_it_whole_or_refuses_it(stand, field, text):
    """Nothing is silently changed, and what is refused names its field."""
    where = "cluster" if field == "discovery_url" else "template"
    if where == "template":
        body = {"name": "m", "coe": "swarm", "image_id": "fedora-atomic-23", "flavor_id": "m2.medium"}
        body |= {"keypair_id": "my-key", "external_network_id": "CERN_NETWORK", field: text}
        made = stand.api.post_json("/v1/clustertemplates", body, expect_errors=True)
    else:
        body = {"name": "b", "cluster_template_id": stand.template()["uuid"], field: text}
        made = stand.api.post_json("/v1/clusters", body, expect_errors=True)
    if made.status_int == 400:
        assert field in made.text
        return
    if where == "template":
        assert made.json[field] == text
        body = {"name": "b", "cluster_template_id": made.json["uuid"]}
        accepted = stand.api.post_json("/v1/clusters", body, expect_errors=True)
        assert accepted.status_int in {202, 400}
        if accepted.status_int == 400:
            assert field in accepted.text
    else:
        assert stand.get(made.json["uuid"])[field] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_names_that_reach_hosts_are_harmless(stand, text):
    """A cluster's name is refused, or becomes a slug; labels of nodes are checked or kept as data."""
    template = stand.template()["uuid"]
    body = {"name": text, "cluster_template_id": template}
    assert stand.api.post_json("/v1/clusters", body, expect_errors=True).status_int == (
        400 if text != "null" and text != "yes" else 202
    )
    odd = {"name": "fine", "cluster_template_id": template, "labels": {"node_labels": f"tier={text}"}}
    answer = stand.api.post_json("/v1/clusters", odd, expect_errors=True)
    assert answer.status_int == (400 if labels.check("node_labels", f"tier={text}") else 202), answer.text
