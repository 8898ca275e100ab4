"""Schemathesis over the OpenAPI document: requests as it allows, and as it does not, against the service; its
answers must be such as the document promises.
"""

import json
import random

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from magnum_lite.api.openapi import document, operation_id
from magnum_lite.api.routes import ROOT, ROUTES
from tests.functional.test_api_fuzz import LEAKS
from tests.support.fuzz import FACTOR, examples
from tests.support.stand import PROJECT, Stand

WHO = {"X-User-Id": "u1", "X-Project-Id": PROJECT, "X-Roles": "member,reader,admin", "X-User-Name": "ana"}
EVERY = (ROOT, *ROUTES)
SCHEMA = schemathesis.openapi.from_dict(document(EVERY))
RUNS = settings(
    max_examples=examples(10),
    deadline=None,
    derandomize=FACTOR == 0,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(300 * max(1, FACTOR))
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Home:
    """A project in which the names that paths ask for exist, again after something removed them."""

    def __init__(self, where):
        self.where = where
        self.start()

    def start(self):
        """All anew: a stand in which thousands of nodes were asked for is slow."""
        self.stand = Stand(self.where, cluster__max_clusters_per_project=-1)
        self.used = self.stand.template()["uuid"]
        self.made = {
            "template": self.stand.template()["uuid"],
            "cluster": self.stand.cluster({"uuid": self.used}),
        }
        self.stand.converge(self.made["cluster"])

    def ident(self, collection, *, to_be_removed=False):
        """A uuid of an object there."""
        kind = "template" if collection in {"clustertemplates", "baymodels"} else "cluster"
        path = {"template": "clustertemplates", "cluster": "clusters"}[kind]
        found = self.stand.api.get(f"/v1/{path}/{self.made[kind]}", expect_errors=True)
        if found.status_int == 200 and not found.json.get("status", "").startswith("DELETE"):
            return self.made[kind]
        if kind == "template":
            self.made[kind] = self.stand.template()["uuid"]
        elif to_be_removed:
            self.made[kind] = self.stand.cluster({"uuid": self.used})
        else:
            self.start()
        return self.made[kind]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home"))


def negated(case):
    """Which parts of a request are such as the document does not allow."""
    parts = {} if case.meta is None else case.meta.components
    return {str(where.value) for where, part in parts.items() if part.mode == GenerationMode.NEGATIVE}


def meant(home, case, route, dice):
    """Most requests are about things that there are: random names end in a 404 soon. What is wrong on purpose
    stays as it is.
    """
    wrong = negated(case)
    if "path" not in wrong and dice.random() < 0.8:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = {
                "ident": lambda: home.ident(route.path[0], to_be_removed=route.method == "DELETE"),
                "group": lambda: "default-worker",
                "project": lambda: PROJECT,
                "resource": lambda: "Cluster",
                "name": lambda: "node_labels",
            }[name]()
    if "body" not in wrong and isinstance(case.body, dict) and dice.random() < 0.6:
        made = home.ident("clusters")  # first: it may begin all anew
        known = {"cluster_template_id": home.used, "baymodel_id": home.used, "image_id": "fedora-atomic-23",
                 "flavor_id": "m2.medium", "keypair": "my-key", "keypair_id": "my-key",
                 "external_network_id": "CERN_NETWORK", "cluster_uuid": made}  # fmt: skip
        case.body = {k: known.get(k, v) if isinstance(v, str) else v for k, v in case.body.items()}


def harmless(answer, route):
    """Never a fault of the service's own, and nothing of its inside."""
    documented = {501, 503} if route.method != "GET" else set()
    assert answer.status_code < 500 or answer.status_code in documented, answer.text[:2000]
    for leak in LEAKS:
        assert leak not in answer.text
    if answer.content:
        json.loads(answer.content)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda m: m.value)
@pytest.mark.parametrize("route", EVERY, ids=operation_id)
def test_fuzz(home, route, mode):
    operation = SCHEMA.find_operation_by_id(operation_id(route))
    done = []

    @RUNS
    @given(case=operation.as_strategy(generation_mode=mode), number=st.integers(0, 2**32))
    def run(case, number):
        dice = random.Random(number)
        meant(home, case, route, dice)
        answer = case.call(app=home.stand.wsgi, base_url="http://localhost", headers=WHO)
        done.append(answer.status_code)
        harmless(answer, route)
        wrong = negated(case)
        # a header that nobody knows, or no token behind whom keystonemiddleware stands, is no fault here
        known = answer.status_code == 412  # the tag is looked at before the body
        refused = [negative_data_rejection] if wrong and wrong <= {"body", "query"} and not known else []
        case.validate_response(answer, checks=[*CHECKS, *refused])

    run()
    assert done
