"""Who may do what on which route. The table's rows are ``api/routes.py: ROUTES``: a route that is not in
``EXPECTED`` fails here until somebody has thought about it.
"""

import pytest

from magnum_lite.api.routes import ROUTES
from tests.functional.conftest import TEMPLATE, errors
from tests.support.stand import OTHER, Stand

CALLERS = {
    "other": {"project": OTHER, "user": "u2"},
    "other-reader": {"project": OTHER, "user": "u2", "roles": "reader"},
    "reader": {"user": "u3", "roles": "reader"},
    "nobody": {"user": "u4", "roles": ""},
    "stranger": {"user": "u5", "roles": "billing,service"},
    "member": {"user": "u6"},
    "admin": {"project": OTHER, "user": "root", "roles": "admin"},
}
# other, other-reader, reader, nobody, stranger, member, admin
READ = (404, 404, 200, 403, 403, 200, 200)
LIST = (200, 200, 200, 403, 403, 200, 200)
OPEN = (200,) * 7


def write(good):
    return (404, 404, 403, 403, 403, good, good)


EXPECTED = {
    ("GET", "T"): LIST,
    ("POST", "T"): (201, 403, 403, 403, 403, 201, 201),
    ("GET", "T/detail"): LIST,
    ("GET", "T/{ident}"): READ,
    ("PATCH", "T/{ident}"): write(200),
    ("DELETE", "T/{ident}"): write(204),
    ("GET", "C"): LIST,
    # the template is another project's: unknown
    ("POST", "C"): (404, 403, 403, 403, 403, 202, 202),
    ("GET", "C/detail"): LIST,
    ("GET", "C/{ident}"): READ,
    ("PATCH", "C/{ident}"): write(202),
    ("DELETE", "C/{ident}"): write(204),
    ("GET", "C/{ident}/events"): READ,
    ("GET", "C/{ident}/nodes"): READ,
    ("GET", "C/{ident}/logs"): READ,
    ("POST", "C/{ident}/actions/logs"): write(202),
    ("POST", "C/{ident}/actions/resize"): write(202),
    ("POST", "C/{ident}/actions/upgrade"): write(501),
    ("GET", "certificates/{ident}"): READ,
    # not 404: the contract calls an unknown cluster the field's fault
    ("POST", "certificates"): (400, 400, 403, 403, 403, 201, 201),
    ("GET", "certificates/{ident}/issued"): READ,
    ("GET", "labels"): OPEN,
    ("GET", ""): OPEN,
}


def noun(path):
    """Routes of both dialects are one row of the table."""
    return "/".join(
        {"bays": "C", "clusters": "C", "baymodels": "T", "clustertemplates": "T"}.get(p, p) for p in path
    )


def test_every_route_is_in_the_table():
    assert {(r.method, noun(r.path)) for r in ROUTES} == set(EXPECTED)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A project with a cluster and a template; each call gets fresh ones where it destroys them."""
    stand = Stand(tmp_path_factory.mktemp("home"), cluster__max_clusters_per_project=-1)
    stand.free = stand.template()["uuid"]
    stand.used = stand.template()
    stand.made = stand.cluster(stand.used)
    stand.converge(stand.made)
    stand.csr = next(iter(stand.machines.values())).csr(name="anybody")
    return stand


def _arguments(stand, route):
    """(ident, body) of a request that would succeed."""
    path = noun(route.path)
    ident = stand.free if path.startswith("T") else stand.made
    if route.method == "DELETE":
        ident = stand.template()["uuid"] if path.startswith("T") else stand.cluster(stand.used)
    template_id = "baymodel_id" if route.dialect.deprecated else "cluster_template_id"
    body = {
        ("POST", "T"): TEMPLATE,
        ("POST", "C"): {template_id: stand.used["uuid"], "keypair": "my-key"},
        ("PATCH", "T/{ident}"): [{"op": "replace", "path": "/name", "value": "changed"}],
        ("PATCH", "C/{ident}"): [{"op": "replace", "path": "/node_count", "value": 2}],
        ("POST", "C/{ident}/actions/resize"): {"node_count": 2},
        ("POST", "C/{ident}/actions/upgrade"): {"cluster_template": "x"},
        ("POST", "certificates"): {"cluster_uuid": stand.made, "csr": stand.csr},
    }.get((route.method, path))
    return ident, body


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method}-{'/'.join(r.path)}")
def test_the_table(home, route, caller):
    key = (route.method, noun(route.path))
    expected = EXPECTED[key][list(CALLERS).index(caller)]
    ident, body = _arguments(home, route)
    path = "/v1/" + "/".join(ident if p == "{ident}" else p for p in route.path)
    api = home.as_caller(**CALLERS[caller])
    headers = {"OpenStack-API-Version": "container-infra 1.10"}
    if key == ("POST", "C") and route.dialect.deprecated and expected == 404:
        expected = 400  # bays: the field's fault
    more = {"headers": headers, "expect_errors": True}
    if body is None:
        answer = api.request(path, method=route.method, **more)
    else:
        answer = getattr(api, f"{route.method.lower()}_json")(path, body, **more)
    assert answer.status_int == expected, answer.text
    if expected >= 400:
        errors(answer, expected)
        # never a hint: an object that exists nowhere gets the very same answer
        if "{ident}" in route.path and caller.startswith("other"):
            nowhere = "00000000-0000-4000-8000-000000000000"
            path = path.replace(ident, nowhere)
            call = getattr(api, f"{route.method.lower()}_json") if body is not None else None
            twin = call(path, body, **more) if call else api.request(path, method=route.method, **more)
            assert twin.status_int == expected
            assert (
                twin.json["errors"][0]["detail"].replace(nowhere, ident) == answer.json["errors"][0]["detail"]
            )


def test_lists_show_the_own_project_only(home):
    for collection in ("clusters", "bays", "clustertemplates", "baymodels"):
        assert home.as_caller(project=OTHER, user="u9", roles="reader").get(f"/v1/{collection}").json[
            collection
        ] == [x for x in home.as_caller(project=OTHER).get(f"/v1/{collection}").json[collection]]
        theirs = {
            x["uuid"] for x in home.as_caller(project="c" * 32).get(f"/v1/{collection}").json[collection]
        }
        assert theirs == set()
        everything = {
            x["uuid"] for x in home.as_caller(**CALLERS["admin"]).get(f"/v1/{collection}").json[collection]
        }
        ours = {x["uuid"] for x in home.api.get(f"/v1/{collection}").json[collection]}
        assert ours
        assert ours < everything or ours == everything


def test_names_of_other_projects_do_not_collide(stand):
    stand.template(name="same")
    other = stand.as_caller(project=OTHER)
    other.post_json("/v1/clustertemplates", TEMPLATE | {"name": "same"})
    assert stand.api.get("/v1/clustertemplates/same").json["project_id"] != OTHER
    assert other.get("/v1/baymodels/same").json["project_id"] == OTHER
    (entry,) = errors(stand.as_caller(roles="admin").get("/v1/baymodels/same", expect_errors=True), 409)
    assert entry["code"] == "ambiguous-name"


def test_events_of_a_deleted_cluster_stay_in_its_project(stand):
    uuid = stand.cluster()
    stand.converge(uuid)
    stand.api.delete(f"/v1/clusters/{uuid}")
    assert stand.converge(uuid) is None
    path = f"/v1/clusters/{uuid}/events"
    assert stand.api.get(path).json["events"]
    for query in ("", "?marker=1"):
        errors(stand.as_caller(project=OTHER).get(path + query, expect_errors=True), 404)


def test_roles_are_compared_without_case(stand):
    uuid = stand.cluster()
    assert stand.as_caller(roles="Reader").get(f"/v1/clusters/{uuid}").status_int == 200
    assert stand.as_caller(roles="_member_").delete(f"/v1/clusters/{uuid}").status_int == 204
