"""ETags: 304 for what a client has, 412 for a change of what it has not seen, and no update is lost."""

import threading

import pytest
import webtest

from magnum_lite.api import etags
from magnum_lite.api.routes import ROUTES
from magnum_lite.db.session import Database
from tests.functional.conftest import errors
from tests.support.stand import Stand

NAME = [{"op": "replace", "path": "/name", "value": "changed"}]


def count(number):
    return [{"op": "replace", "path": "/node_count", "value": number}]


def tagged(api, path, **headers):
    answer = api.get(path, headers=headers)
    assert answer.headers["ETag"].startswith('"')
    return answer.headers["ETag"]


def given(api, method, path, tag, body=None, header="If-Match"):
    more = {"headers": {header: tag}, "expect_errors": True}
    if body is None:
        return api.request(path, method=method, **more)
    return getattr(api, f"{method.lower()}_json")(path, body, **more)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    stand = Stand(tmp_path_factory.mktemp("home"))
    stand.used = stand.template()
    stand.made = stand.cluster(stand.used)
    stand.converge(stand.made)
    return stand


@pytest.mark.parametrize("path", [
    "clusters", "clusters/detail", "clusters/{}", "bays/{}", "clusters/{}/events", "clusters/{}/nodes", "labels",
    "clustertemplates", "baymodels/detail", "certificates/{}", "certificates/{}/issued", "openapi.json", "",
])  # fmt: skip
def test_what_the_client_has_is_not_sent_again(home, path):
    path = "/v1/" + path.format(home.made)
    tag = tagged(home.api, path)
    for header in (tag, f"W/{tag}", f'"x", {tag}', f'W/"a,b",{tag} , "c"', "*"):
        answer = given(home.api, "GET", path, header, header="If-None-Match")
        assert answer.status_int == 304
        assert answer.body == b""
        assert answer.headers["ETag"] == tag
        assert answer.headers["Vary"] == "OpenStack-API-Version"
        assert answer.headers["x-openstack-request-id"]
    for header in ('"x"', tag.strip('"'), f'{tag[:-2]}"', "", "W/", ",,", "**", '"unterminated'):
        answer = given(home.api, "GET", path, header, header="If-None-Match")
        assert answer.status_int == 200
        assert answer.json


def test_errors_have_none(home):
    answer = given(home.api, "GET", "/v1/clusters/nowhere", "*", header="If-None-Match")
    errors(answer, 404)
    assert "ETag" not in answer.headers


def test_each_dialect_version_and_page_has_its_own(home):
    first = tagged(home.api, f"/v1/clusters/{home.made}")
    assert first == tagged(home.api, f"/v1/clusters/{home.made}")
    new = {"OpenStack-API-Version": "container-infra 1.14"}
    others = [
        tagged(home.api, f"/v1/bays/{home.made}"), tagged(home.api, f"/v1/clusters/{home.made}", **new),
        tagged(home.api, "/v1/clusters"), tagged(home.api, "/v1/clusters?limit=1"),
    ]  # fmt: skip
    assert len({first, *others}) == 5


def test_a_change_of_any_part_changes_it(stand):
    uuid = stand.cluster()
    seen = [tagged(stand.api, f"/v1/clusters/{uuid}")]
    stand.converge(uuid)
    seen.append(tagged(stand.api, f"/v1/clusters/{uuid}"))
    stand.api.patch_json(f"/v1/clusters/{uuid}", count(1))
    seen.append(tagged(stand.api, f"/v1/clusters/{uuid}"))
    assert len(set(seen)) == 3


def test_templates(stand, words):
    path = f"/v1/{words.templates}/{stand.template()['uuid']}"
    tag = tagged(stand.api, path)
    stand.api.patch_json(path, [{"op": "replace", "path": "/tags", "value": "a"}])
    for method, body in (("PATCH", NAME), ("DELETE", None)):
        (entry,) = errors(given(stand.api, method, path, tag, body), 412)
        assert entry["code"] == "precondition-failed"
    now = tagged(stand.api, path)
    errors(given(stand.api, "PATCH", path, f"W/{now}", NAME), 412)  # weak tags name no state
    assert given(stand.api, "PATCH", path, f'"x", {now}', NAME).status_int == 200
    assert given(stand.api, "DELETE", path, "*").status_int == 204
    errors(given(stand.api, "DELETE", path, "*"), 404)


def test_clusters(stand, words):
    uuid = stand.cluster()
    stand.converge(uuid)
    path = f"/v1/{words.clusters}/{uuid}"
    tag = tagged(stand.api, path)
    assert given(stand.api, "PATCH", path, tag, count(3)).status_int in {200, 202}
    for method, to, body in (
        ("PATCH", path, count(4)), ("POST", f"{path}/actions/resize", {"node_count": 4}),
        ("POST", f"{path}/actions/logs", None), ("DELETE", path, None),
    ):  # fmt: skip
        errors(given(stand.api, method, to, tag, body), 412)
    assert stand.get(uuid)["node_count"] == 3
    assert (
        given(
            stand.api, "POST", f"{path}/actions/resize", tagged(stand.api, path), {"node_count": 2}
        ).status_int
        == 202
    )
    assert given(stand.api, "DELETE", path, tagged(stand.api, path)).status_int == 204


def test_foreign_objects_stay_unknown(home):
    other = home.as_caller(project="c" * 32)
    for tag in ("*", '"x"', tagged(home.api, f"/v1/clusters/{home.made}")):
        errors(given(other, "DELETE", f"/v1/clusters/{home.made}", tag), 404)


def test_a_reader_is_refused_as_without_it(home):
    reader = home.as_caller(roles="reader")
    path = f"/v1/clusters/{home.made}"
    errors(given(reader, "DELETE", path, tagged(reader, path)), 403)


@pytest.mark.parametrize("noun", ["template", "cluster"])
def test_a_change_between_check_and_write_is_seen(stand, monkeypatch, noun):
    if noun == "template":
        path, mine, theirs = f"/v1/clustertemplates/{stand.template()['uuid']}", NAME, "tags"
        theirs = [{"op": "add", "path": "/labels/x", "value": "theirs"}]
    else:
        uuid = stand.cluster()
        stand.converge(uuid)
        path, mine, theirs = f"/v1/clusters/{uuid}", count(3), count(4)
    tag = tagged(stand.api, path)
    write, first = etags.Guarded.write, [True]

    def late(self):
        if first.pop() if first else False:
            assert stand.api.patch_json(path, theirs).status_int in {200, 202}
        return write(self)

    monkeypatch.setattr(etags.Guarded, "write", late)
    errors(given(stand.api, "PATCH", path, tag, mine), 412)
    now = stand.api.get(path).json
    assert now["node_count"] == 4 if noun == "cluster" else now["labels"] == {"x": "theirs"}


def test_of_many_at_once_one_wins(tmp_path):
    url = f"sqlite:///{tmp_path}/many.sqlite"
    stand = Stand(tmp_path, url=url)
    path = f"/v1/clustertemplates/{stand.template()['uuid']}"
    tag, answers = tagged(stand.api, path), []

    def change(name):
        body = [{"op": "replace", "path": "/name", "value": name}]
        answers.append((given(stand.as_caller(), "PATCH", path, tag, body).status_int, name))

    threads = [threading.Thread(target=change, args=(f"n{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for status, name in answers if status == 200]
    assert sorted(s for s, _ in answers) == [200] + [412] * 7
    assert [stand.api.get(path).json["name"]] == won
    assert isinstance(stand.deps.database, Database)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method != "GET"], ids=lambda r: f"{r.method}-{'/'.join(r.path)}"
)
def test_every_change_of_an_object_is_of_one_that_can_be_read(route):
    reader = etags.seen(route, ROUTES)
    assert (reader is None) == (not any(p[:1] == "{" for p in route.path) or route.path[0] == "credentials")


def test_it_is_the_same_without_a_token(home):
    api = webtest.TestApp(home.wsgi)
    assert given(api, "GET", "/v1", tagged(api, "/v1"), header="If-None-Match").status_int == 304
