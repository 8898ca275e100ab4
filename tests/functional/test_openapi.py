"""``/v1/openapi.json``: a valid document of all that is served; its examples of answers are in the fuzzers."""

import subprocess
import sys

import jsonschema
import pydantic
import pytest
import webtest
from openapi_spec_validator import validate

from magnum_lite import policy
from magnum_lite.api.components import ARGUMENTS
from magnum_lite.api.openapi import document, operation_id, path_of
from magnum_lite.api.routes import ROOT, ROUTES
from magnum_lite.models.actions import Resize, Upgrade
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.fields import Access
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.quota import Quota
from magnum_lite.models.views import create_view, names
from tests.functional.conftest import TEMPLATE
from tests.functional.test_bad_input import WRONG

EVERY = (ROOT, *ROUTES)
WITHOUT_BODY = {
    ("POST", ("clusters", "{ident}", "actions", "logs")), ("POST", ("bays", "{ident}", "actions", "logs")),
    ("PATCH", ("certificates", "{ident}")), ("PATCH", ("credentials", "{ident}")),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(shared):
    """As anybody gets it, without a token."""
    return webtest.TestApp(shared.wsgi).get("/v1/openapi.json").json


def resolved(served, schema):
    """A schema with the document's components, as jsonschema wants it."""
    return schema | {"components": served["components"]}


def test_it_is_valid(served):
    validate(served)
    assert served["openapi"] == "3.1.0"
    assert served["servers"] == [{"url": "http://localhost"}]


def test_it_has_every_route(served):
    found = {(path, m.upper()) for path, item in served["paths"].items() for m in item}
    assert found == {(path_of(r), r.method) for r in EVERY}
    idents = [o["operationId"] for item in served["paths"].values() for o in item.values()]
    assert sorted(idents) == sorted({operation_id(r) for r in EVERY})


@pytest.mark.parametrize("route", EVERY, ids=operation_id)
def test_every_route_is_described(route):
    assert (route.handler.__doc__ or "").strip()
    assert set(route.rules) <= {r.name for r in policy.list_rules()}
    assert route.rules or route.public or route.path[0] == "labels"
    assert route.query <= set(ARGUMENTS)
    assert all(200 <= code < 300 for code in route.gives)
    if route.method in {"POST", "PATCH"} and route.gives:
        assert route.takes or (route.method, route.path) in WITHOUT_BODY, "which body does it take?"


def test_both_dialects(served):
    schemas = served["components"]["schemas"]
    assert "baymodel_id" in schemas["BayCreate"]["required"]
    assert "cluster_template_id" not in schemas["BayCreate"]["properties"]
    assert {"bay_create_timeout", "bay_faults"} <= set(schemas["Bay"]["properties"])
    assert served["paths"]["/v1/bays"]["get"]["deprecated"]
    assert "deprecated" not in served["paths"]["/v1/clusters"]["get"]


def test_constraints_are_the_models_own(served):
    made = served["components"]["schemas"]["ClusterCreate"]
    assert set(made["properties"]) == names(Cluster, Access.WRITE, Access.CREATE)
    assert made["additionalProperties"] is False
    count = made["properties"]["node_count"]
    assert (count["minimum"], count["maximum"], count["default"]) == (0, 10_000, 1)
    assert {"integer", "string", "null"} == set(count["type"])
    model = served["components"]["schemas"]["ClusterTemplateCreate"]
    assert set(model["properties"]) == names(ClusterTemplate, Access.WRITE, Access.CREATE)
    assert set(model["required"]) == {"coe", "image_id"}


@pytest.mark.parametrize(
    "document_of", ["ClusterCreate", "ClusterTemplateCreate", "Cluster", "Errors", "NodeGroup"]
)
def test_no_private_field_is_in_it(served, document_of):
    text = str(served["components"]["schemas"][document_of])
    for word in ("lease", "sealed", "generation", "fencing", "token", "access", "stored"):
        assert word not in text


def test_answers_are_as_it_says(served, shared):
    template = shared.api.post_json("/v1/clustertemplates", TEMPLATE).json
    uuid = shared.cluster(template)
    shared.converge(uuid)
    for path, name in (
        ("clusters", "Cluster"), ("bays", "Bay"), ("clustertemplates", "ClusterTemplate"), ("baymodels", "ClusterTemplate"),
    ):  # fmt: skip
        ident = template["uuid"] if "model" in path or "template" in path else uuid
        schema = resolved(served, served["components"]["schemas"][name])
        for version in ("1.1", "1.14"):
            headers = {"OpenStack-API-Version": f"container-infra {version}"}
            jsonschema.validate(shared.api.get(f"/v1/{path}/{ident}", headers=headers).json, schema)


def test_nobody_pays_for_it_before_it_is_asked_for():
    code = (
        "import sys, magnum_lite.api.app, magnum_lite.api.routes; "
        "sys.exit('magnum_lite.api.openapi' in sys.modules or 'magnum_lite.api.schemas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_it_is_made_once(shared):
    api = webtest.TestApp(shared.wsgi)
    first = api.get("/v1/openapi.json").json
    assert api.get("/openapi.json/").json == first
    assert document(EVERY) == {k: v for k, v in first.items() if k != "servers"}


MODELS = {
    "ClusterCreate": create_view(Cluster), "ClusterTemplateCreate": create_view(ClusterTemplate),
    "NodeGroupCreate": create_view(NodeGroup), "QuotaCreate": create_view(Quota), "Resize": Resize, "Upgrade": Upgrade,
}  # fmt: skip
# What JSON Schema can't say: which texts are maps or addresses, and numbers in texts by their value
UNSAID = {"dns_nameserver"}
VALUES = [
    *WRONG, 0, 1, 5, 1.0, 10**18, "5", " 5 ", "-5", "+1", "true", "No", "OFF", "vm", "swarm", "swarm-mode", "worker", "a",
    "http://proxy:3128", "ftp://x", "8.8.8.8", "00000000-0000-4000-8000-000000000000", ["a"], [1], [True],
    [{"key": "k", "effect": "NoSchedule"}], [{"key": "k", "value": None, "effect": "x"}], {"a": 1}, {"a": True},
]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_it_allows_what_the_validators_allow(served, name):
    """Value by value: what the document refuses is refused, and what it allows is taken."""
    described = served["components"]["schemas"][name]["properties"]
    for field, info in MODELS[name].model_fields.items():
        allowed = jsonschema.Draft202012Validator(resolved(served, described[field]))
        adapter = pydantic.TypeAdapter(info.rebuild_annotation())
        for value in VALUES:
            if value is None and not info.is_required():
                continue  # means absent
            try:
                adapter.validate_python(value)
                taken = True
            except pydantic.ValidationError:
                taken = False
            says = allowed.is_valid(value)
            kinds = described[field].get("type", ())
            unsaid = field in UNSAID or (
                isinstance(value, str) and {"integer", "object", "array"} & set(kinds)
            )
            assert says == taken or (says and unsaid), (field, value)
