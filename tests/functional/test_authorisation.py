"""Who may do what on which route. The table's rows are ``api/routes.py: ROUTES``: a route that is not in
``EXPECTED`` fails here until somebody has thought about it.
"""

import dataclasses
import itertools

import pytest
import webtest
import yaml
from keystonemiddleware.opts import list_auth_token_opts
from oslo_config import cfg

from magnum_lite import config, policy
from magnum_lite.api.app import bare_application, make_application
from magnum_lite.api.routes import ROUTES
from tests.functional.conftest import TEMPLATE, errors
from tests.support.stand import OTHER, PROJECT, Stand, headers

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
NONE = (404, 404, 404, 403, 403, 404, 404)


def write(good):
    return (404, 404, 403, 403, 403, good, good)


def admin(good):
    return (403, 403, 403, 403, 403, 403, good)


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
    ("POST", "C/{ident}/actions/upgrade"): write(202),
    ("GET", "C/{ident}/nodegroups"): READ,
    ("POST", "C/{ident}/nodegroups"): write(202),
    ("GET", "C/{ident}/nodegroups/{group}"): READ,
    ("PATCH", "C/{ident}/nodegroups/{group}"): write(202),
    ("DELETE", "C/{ident}/nodegroups/{group}"): write(204),
    ("GET", "certificates/{ident}"): READ,
    # not 404: the contract calls an unknown cluster the field's fault
    ("POST", "certificates"): (400, 400, 403, 403, 403, 201, 201),
    ("PATCH", "certificates/{ident}"): write(202),
    ("GET", "certificates/{ident}/issued"): READ,
    ("PATCH", "credentials/{ident}"): write(202),
    ("GET", "quotas"): admin(200),
    ("POST", "quotas"): admin(201),
    # a project's id is no secret, and 404 would say that it has no quota
    ("GET", "quotas/{project}/{resource}"): (403, 403, 200, 403, 403, 200, 200),
    ("PATCH", "quotas/{project}/{resource}"): admin(202),
    ("DELETE", "quotas/{project}/{resource}"): admin(204),
    ("GET", "stats"): LIST,
    ("GET", "mservices"): admin(200),
    ("GET", "federations"): LIST,
    ("GET", "federations/detail"): LIST,
    ("POST", "federations"): (501, 403, 403, 403, 403, 501, 501),
    ("GET", "federations/{ident}"): NONE,
    ("PATCH", "federations/{ident}"): (404, 403, 403, 403, 403, 404, 404),
    ("DELETE", "federations/{ident}"): (404, 403, 403, 403, 403, 404, 404),
    ("GET", "labels"): OPEN,
    ("GET", "labels/{name}"): OPEN,
    ("GET", "openapi.json"): OPEN,
    ("GET", ""): OPEN,
}
NOWHERE = "00000000-0000-4000-8000-000000000000"
NEWEST = {"OpenStack-API-Version": "container-infra latest"}


def noun(path):
    """Routes of both dialects are one row of the table."""
    return "/".join(
        {"bays": "C", "clusters": "C", "baymodels": "T", "clustertemplates": "T"}.get(p, p) for p in path
    )


def key_of(route):
    return route.method, noun(route.path)


def test_every_route_is_in_the_table():
    assert {key_of(r) for r in ROUTES} == set(EXPECTED)


class Home:
    """A project with a cluster and a template; each call gets fresh ones where it destroys them."""

    def __init__(self, where):
        self.stand = Stand(where, cluster__max_clusters_per_project=-1)
        self.admin = self.stand.as_caller(**CALLERS["admin"])
        self.free = self.stand.template()["uuid"]
        self.used = self.stand.template()
        self.made = self.complete()
        self.csr = next(iter(self.stand.machines.values())).csr(name="anybody")
        self.numbers = itertools.count()
        for group, options in list_auth_token_opts():
            self.stand.conf.register_opts(options, group=group)
        self.stand.conf.set_override(
            "www_authenticate_uri", "http://127.0.0.1:9/v3", group="keystone_authtoken"
        )
        self.pipeline = make_application(self.stand.deps)

    def complete(self):
        """A cluster that nothing goes on in."""
        uuid = self.stand.cluster(self.used, node_count=1)
        self.stand.converge(uuid)
        return uuid

    def group(self):
        """A node group that may be removed."""
        body = {"name": f"g{next(self.numbers)}", "node_count": 1}
        path = f"/v1/clusters/{self.made}/nodegroups"
        return self.stand.api.post_json(path, body, headers=NEWEST).json["uuid"]

    def quota(self, *, there):
        """The project's quota, made or removed."""
        self.admin.delete(f"/v1/quotas/{PROJECT}/Cluster", expect_errors=True)
        if there:
            self.admin.post_json(
                "/v1/quotas", {"project_id": PROJECT, "resource": "Cluster", "hard_limit": 1000}
            )

    def arguments(self, route, *, changes=True):
        """Name → value of the path's arguments of a request that would succeed, once."""
        path, fresh = noun(route.path), route.method == "DELETE" and changes
        if path.startswith("T"):
            ident = self.stand.template()["uuid"] if fresh else self.free
        elif path == "C/{ident}" and fresh:
            ident = self.stand.cluster(self.used)
        elif route.method == "PATCH" and route.path[0] in {"certificates", "credentials"} and changes:
            ident = self.complete()  # the next rotation has to wait for this one
        else:
            ident = self.made
        if route.path[:1] == ("quotas",) and changes:
            self.quota(there="{project}" in route.path)
        group = self.group() if fresh and "{group}" in route.path else "default-worker"
        return {
            "{ident}": ident, "{group}": group, "{project}": PROJECT, "{resource}": "Cluster", "{name}": "node_labels"
        }  # fmt: skip

    def body(self, route):
        """Of a request that would succeed."""
        template_id = "baymodel_id" if route.dialect.deprecated else "cluster_template_id"
        return {
            ("POST", "T"): TEMPLATE,
            ("POST", "C"): {template_id: self.used["uuid"], "keypair": "my-key"},
            ("PATCH", "T/{ident}"): [{"op": "replace", "path": "/name", "value": "changed"}],
            ("PATCH", "C/{ident}"): [{"op": "replace", "path": "/node_count", "value": 50}],
            ("POST", "C/{ident}/actions/resize"): {"node_count": 1},
            ("POST", "C/{ident}/actions/upgrade"): {"cluster_template": self.used["uuid"]},
            ("POST", "C/{ident}/nodegroups"): {"name": f"g{next(self.numbers)}", "node_count": 1},
            ("PATCH", "C/{ident}/nodegroups/{group}"): [
                {"op": "add", "path": "/max_node_count", "value": 99}
            ],
            ("POST", "certificates"): {"cluster_uuid": self.made, "csr": self.csr},
            ("POST", "quotas"): {"project_id": PROJECT, "resource": "Cluster", "hard_limit": 5},
            ("PATCH", "quotas/{project}/{resource}"): {"hard_limit": 7},
        }.get(key_of(route))

    def ask(self, app, who, route, arguments, form="{}"):
        """The answer to one caller; ``form``: what stands around the path, ``-v1`` for without it."""
        path = "/".join(("/v1", *(arguments.get(p, p) for p in route.path)))
        if form.startswith("-v1") and route.path:
            path = path.removeprefix("/v1")
        path = form.removeprefix("-v1").format(path)
        api, body = webtest.TestApp(app, extra_environ=who), self.body(route)
        more = {"headers": NEWEST, "expect_errors": True}
        if body is None:
            return api.request(path, method=route.method, **more)
        return getattr(api, f"{route.method.lower()}_json")(path, body, **more)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home"))


def expected(route, caller):
    found = EXPECTED[key_of(route)][list(CALLERS).index(caller)]
    # bays: the field's fault
    return 400 if key_of(route) == ("POST", "C") and route.dialect.deprecated and found == 404 else found


ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method}-{'/'.join(r.path)}")
CALLER = pytest.mark.parametrize("caller", CALLERS)


@CALLER
@ROUTE
def test_the_table(home, route, caller):
    wanted, who = expected(route, caller), headers(**CALLERS[caller])
    arguments = home.arguments(route, changes=wanted < 300)
    answer = home.ask(home.stand.wsgi, who, route, arguments)
    assert answer.status_int == wanted, answer.text
    if wanted < 400:
        return
    errors(answer, wanted)
    if "{ident}" in route.path and caller.startswith("other"):
        # never a hint: an object that exists nowhere gets the very same answer
        twin = home.ask(home.stand.wsgi, who, route, {**arguments, "{ident}": NOWHERE})
        assert twin.status_int == wanted
        told, there = (a.json["errors"][0]["detail"] for a in (twin, answer))
        assert told.replace(NOWHERE, arguments["{ident}"]) == there


@CALLER
@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.plans], ids=lambda r: f"{r.method}-{'/'.join(r.path)}"
)
def test_plans_are_told_to_who_may_act(home, route, caller):
    wanted = expected(route, caller)
    arguments = home.arguments(route, changes=False)
    if "{group}" in route.path and route.method == "DELETE":
        arguments["{group}"] = home.group() if wanted < 300 else "default-worker"
    before = (
        home.stand.api.get("/v1/clusters").json,
        home.stand.api.get(f"/v1/clusters/{home.made}/events").json,
    )
    answer = home.ask(home.stand.wsgi, headers(**CALLERS[caller]), route, arguments, form="{}?plan=true")
    assert answer.status_int == (200 if wanted < 300 else wanted), answer.text
    if caller.startswith("other") and wanted >= 400:
        assert not any(word in answer.text for word in ("172.", "CERN_NETWORK", "default-master"))
    if wanted >= 400 or "nodegroups" not in route.path:
        after = (
            home.stand.api.get("/v1/clusters").json,
            home.stand.api.get(f"/v1/clusters/{home.made}/events").json,
        )
        assert after == before


@ROUTE
def test_nobody_gets_in_without_a_token(home, route):
    arguments = home.arguments(route, changes=False)
    for forged in ({}, headers(roles="admin"), headers() | {"HTTP_X_IDENTITY_STATUS": "Confirmed"}):
        for form in ("{}", "{}/", "-v1{}"):
            answer = home.ask(home.pipeline, forged, route, arguments, form=form)
            assert answer.status_int == (200 if route.public else 401)
            assert route.public or "WWW-Authenticate" in answer.headers


def with_rules(home, where, rules):
    """The service with the operator's policy file."""
    path, options = where / "policy.yaml", where / "magnum_lite.conf"
    path.write_text(yaml.safe_dump(rules))
    options.write_text(f"[oslo_policy]\npolicy_file = {path}\n")
    found = policy.Policy(config.load(["--config-file", str(options)], cfg.ConfigOpts()))
    return bare_application(dataclasses.replace(home.stand.deps, policy=found))


BASES = {name for name in policy._BASE}
RULED = [(r, rule) for r in ROUTES for rule in r.rules]


@pytest.mark.parametrize(
    ("route", "rule"), RULED, ids=lambda x: x if isinstance(x, str) else "/".join((x.method, *x.path))
)
def test_the_rules_of_a_route_guard_it(home, tmp_path, route, rule):
    app = with_rules(home, tmp_path, {rule: "!"})
    answer = home.ask(app, headers(roles="admin"), route, home.arguments(route, changes=False))
    (entry,) = errors(answer, 403)
    assert rule in entry["detail"]


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.rules], ids=lambda r: f"{r.method}-{'/'.join(r.path)}"
)
def test_no_other_rule_guards_it(home, tmp_path, route):
    others = {r.name: "!" for r in policy.list_rules()}
    for name in (*BASES, *route.rules):
        others.pop(name)
    app = with_rules(home, tmp_path, others)
    caller = "admin" if EXPECTED[key_of(route)][5] == 403 else "member"
    answer = home.ask(app, headers(roles=caller), route, home.arguments(route))
    assert answer.status_int == expected(route, caller), answer.text


def test_a_patch_is_allowed_whole_or_not_at_all(home, tmp_path):
    uuid = home.complete()
    before = home.stand.get(uuid)
    body = [
        {"op": "replace", "path": "/node_count", "value": 3},
        {"op": "replace", "path": "/health_status", "value": "UNHEALTHY"},
    ]
    for rule in ("cluster:update", "cluster:update_health_status"):
        api = webtest.TestApp(with_rules(home, tmp_path, {rule: "!"}), extra_environ=headers())
        (entry,) = errors(api.patch_json(f"/v1/clusters/{uuid}", body, expect_errors=True), 403)
        assert rule in entry["detail"]
        assert home.stand.get(uuid) == before


def test_a_reader_is_told_so_before_his_numbers_are_looked_at(home):
    home.group()
    body = [{"op": "replace", "path": "/node_count", "value": 0}]
    reader = home.stand.as_caller(**CALLERS["reader"])
    errors(reader.patch_json(f"/v1/clusters/{home.made}", body, expect_errors=True), 403)


def test_the_numbers_of_other_projects_are_refused(home):
    for caller, wanted in (("other", 403), ("other-reader", 403), ("reader", 200), ("admin", 200)):
        answer = home.stand.as_caller(**CALLERS[caller]).get(
            f"/v1/stats?project_id={PROJECT}", expect_errors=True
        )
        assert answer.status_int == wanted, caller
    assert home.stand.as_caller(project="c" * 32).get("/v1/stats").json == {"clusters": 0, "nodes": 0}


def test_lists_show_the_own_project_only(home):
    home = home.stand
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
        assert ours <= everything


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


def test_what_an_administrator_sees_is_the_operators_choice(home, tmp_path):
    uuid = home.stand.cluster()
    admin = headers(project="c" * 32, roles="admin")
    closed = {f"cluster:{verb}_all_projects": "!" for verb in ("get_one", "get_all", "detail", "delete")}
    api = webtest.TestApp(with_rules(home, tmp_path, closed), extra_environ=admin)
    assert api.get("/v1/clusters").json["clusters"] == []
    assert api.get("/v1/clusters/detail").json["clusters"] == []
    api.get(f"/v1/clusters/{uuid}", status=404)
    api.delete(f"/v1/clusters/{uuid}", status=404)
    nobody = {"context_is_admin": "role:cloud_admin"}
    api = webtest.TestApp(with_rules(home, tmp_path, nobody), extra_environ=admin)
    api.get(f"/v1/clusters/{uuid}", status=404)
    cloud = webtest.TestApp(
        with_rules(home, tmp_path, nobody), extra_environ=admin | {"HTTP_X_ROLES": "cloud_admin"}
    )
    assert cloud.get(f"/v1/clusters/{uuid}").json["uuid"] == uuid


def test_certificates_for_the_creator_alone_as_upstream_has_it(home, tmp_path):
    uuid = home.stand.cluster()
    rules = {"certificate:get": "rule:admin_or_project_reader_user"}
    wsgi = with_rules(home, tmp_path, rules)
    path = f"/v1/certificates/{uuid}"
    assert webtest.TestApp(wsgi, extra_environ=headers()).get(path, expect_errors=True).status_int != 403
    webtest.TestApp(wsgi, extra_environ=headers(user="u2")).get(path, status=403)
