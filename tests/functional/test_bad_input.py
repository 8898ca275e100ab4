"""Bad input by table: the same abuse for every route that takes a body, and for every field that a body may
have. What the fuzzers might or might not try is tried here each time.
"""

import json

import pytest
import webtest

from magnum_lite.api.routes import ROUTES
from magnum_lite.models.fields import Resource
from magnum_lite.models.views import create_view
from tests.functional.conftest import errors, fields
from tests.functional.test_api_fuzz import harmless
from tests.functional.test_authorisation import Home
from tests.support.stand import headers

NEWEST = {"OpenStack-API-Version": "container-infra latest", "Content-Type": "application/json"}
TAKERS = [r for r in ROUTES if r.takes]
TAKER = pytest.mark.parametrize("route", TAKERS, ids=lambda r: f"{r.method}-{'/'.join(r.path)}")
DEEP = 40
BODIES = {
    "empty": b"{", "null": b"null", "number": b"5", "text": b'"x"', "true": b"true", "list of null": b"[null]",
    "list of lists": b"[[[]]]", "not a number": b'{"node_count": NaN}', "infinity": b'{"node_count": -Infinity}',
    "huge exponent": b'{"node_count": 1e400}', "huge integer": b'{"node_count": %s}' % (b"9" * 4000),
    "integer over the limit of digits": b'{"node_count": %s}' % (b"9" * 5000),
    "deep lists": b"[" * 100_000, "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deeper than allowed": b'{"labels":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "a field twice": b'{"name": "a", "name": "b"}', "a label twice": b'{"labels": {"a": "1", "a": "2"}}',
    "NUL": b'{"name": "a\\u0000b"}', "raw NUL": b'{"name": "a\x00b"}', "broken UTF-8": b'{"name": "\xc3\x28"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}', "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "half of a pair": b'{"name": "\\ud800"}', "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "UTF-8 with a mark": b"\xef\xbb\xbf{}", "form": b"name=x&node_count=1", "XML": b"<?xml version='1.0'?><a/>",
    "two documents": b"{}{}", "comment": b"{/* */}", "empty name": b'{"": 1}', "long name": b'{"%s": 1}' % (b"x" * 70_000),
    "proto": b'{"__proto__": {"a": 1}, "constructor": 1, "__class__": "x"}', "many names": None, "many items": None,
}  # fmt: skip
BODIES["many names"] = json.dumps({f"n{i}": i for i in range(10_000)}).encode()
BODIES["many items"] = json.dumps([{}] * 50_000).encode()
WRONG = [
    None, True, -1, 2**31, 2**63, -(2**63), 2**64, 1.5, 1e308, -0.0, "", " ", "\u0000", "a\nb", "\x1b[2J", "\ufeff",
    "😀" * 64, "x" * 256, "x" * 9000, "9" * 400, "１２", "NaN", "1e5", "0x10", "' OR 1=1 --", "../../etc/passwd",
    "{{7*7}}", "${HOME}", "$(reboot)", "%n%s", "{'a': 'b'}", "{'a': __import__('os')}", "[" * 3000, "prod.json",
    "a.tar.gz", ".", "..", "a/b", [], [[]], {}, {"a": {"b": {}}}, {"": ""}, {"a": None}, {"a" * 300: "x"},
    {"a": "x" * 5000}, {"\u0000": "x"}, {str(i): "x" for i in range(300)},
]  # fmt: skip
MAKERS = [r for r in TAKERS if r.method == "POST" and issubclass(r.takes.model, Resource)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home"))


def path_of(home, route):
    arguments = home.arguments(route, changes=False)
    return "/v1/" + "/".join(arguments.get(p, p) for p in route.path)


def send(home, route, raw, query="", **more):
    api = home.stand.as_caller(roles="admin")
    more.setdefault("headers", NEWEST)
    return harmless(
        api.request(path_of(home, route) + query, method=route.method, body=raw, expect_errors=True, **more)
    )


@pytest.mark.parametrize("abuse", BODIES)
@TAKER
def test_bodies(home, route, abuse):
    answer = send(home, route, BODIES[abuse])
    assert answer.status_int in {400, 413}
    assert len(answer.body) < 300_000  # the answer to much is not more
    errors(answer, answer.status_int)


@TAKER
def test_ten_megabytes_of_labels(home, route):
    raw = json.dumps({"labels": {str(i): "x" * 1000 for i in range(10_000)}}).encode()
    assert errors(send(home, route, raw), 413)[0]["code"] == "body-too-large"


@TAKER
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "a" * 5000, "/"]
)
def test_types_of_bodies(home, route, kind):
    answer = send(home, route, b"{}", headers=NEWEST | {"Content-Type": kind})
    assert errors(answer, 415)[0]["code"] == "unsupported-media-type"


@pytest.mark.parametrize("route", MAKERS, ids=lambda r: "/".join(r.path))
def test_every_field_by_every_value(home, route):
    """One field at a time: taken or refused by its name, and what was taken can be read again. Clusters are
    only planned, which checks them as if.
    """
    model, rename = route.takes.model, route.dialect.rename(route.takes.model)
    for field in sorted(create_view(model).model_fields):
        name = rename.get(field, field)
        for value in WRONG:
            body = dict(home.body(route)) | {name: value}
            answer = send(home, route, json.dumps(body).encode(), query="?plan=true" if route.plans else "")
            if answer.status_int == 400:
                assert any(f.startswith(name) or not f for f in fields(answer)), (name, value, answer.text)
            else:
                assert answer.status_int in {200, 201, 403, 404, 409}, (name, value, answer.text)
            if answer.status_int == 201 and answer.json.get("uuid") and len(route.path) == 1:
                found = home.stand.api.get(f"/v1/{route.path[0]}/{answer.json['uuid']}", headers=NEWEST)
                harmless(found)


@pytest.mark.parametrize("route", MAKERS, ids=lambda r: "/".join(r.path))
def test_all_faults_of_a_body_come_in_one_answer(home, route):
    model, rename = route.takes.model, route.dialect.rename(route.takes.model)
    names = [rename.get(n, n) for n in create_view(model).model_fields]
    body = {n: [[]] for n in names} | {"bogus": 1, "lease_owner": "me"}
    found = fields(send(home, route, json.dumps(body).encode()))
    assert {f.partition("/")[0] for f in found} == {*body}


@pytest.mark.parametrize("route", MAKERS, ids=lambda r: "/".join(r.path))
def test_what_is_only_read_can_not_be_written(home, route):
    view = create_view(route.takes.model)
    rename = route.dialect.rename(route.takes.model)
    for field in route.takes.model.model_fields:
        if field not in view.model_fields:
            name = rename.get(field, field)
            body = dict(home.body(route)) | {name: "x"}
            assert "Unknown attribute" in fields(send(home, route, json.dumps(body).encode()))[name]


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.path], ids=lambda r: f"{r.method}-{'/'.join(r.path)}"
)
@pytest.mark.parametrize("ident", [
    "%00", "%ff", "%c0%ae", "..", "%2e%2e", "a%2fb", "a.json", "a.xml", "x.tar.gz", "%F0%9F%98%80", "'", "%22", "%25",
    "a" * 5000, "-1", "0", "1e400", "9" * 400, "00000000-0000-0000-0000-000000000000", "%E2%80%AE", "a%0d%0ab", "%20",
    "*", "~", ";", "$%7bx%7d",
])  # fmt: skip
def test_identifiers(home, route, ident):
    if not any(p[:1] == "{" for p in route.path):
        return
    path = "/v1/" + "/".join(ident if p[:1] == "{" else p for p in route.path)
    body = json.dumps(home.body(route)).encode() if home.body(route) else b""
    answer = harmless(
        home.stand.as_caller(roles="admin").request(
            path, method=route.method, body=body, headers=NEWEST, expect_errors=True
        )
    )
    assert answer.status_int in {400, 404, 405, 409}, answer.text


ARGUMENTS = [
    "",
    "x",
    "-1",
    "0",
    "9" * 30,
    "1e9",
    "%00",
    "%ff",
    "%F0%9F%98%80",
    "'",
    "a" * 5000,
    "true",
    "id",
    "uuid",
    "desc",
]
QUERIED = [r for r in ROUTES if r.query and r.path[-1] != "upgrade"]


@pytest.mark.parametrize("route", QUERIED, ids=lambda r: f"{r.method}-{'/'.join(r.path)}")
def test_query_arguments(home, route):
    home.quota(there=False)
    body = json.dumps(home.body(route)).encode() if home.body(route) else b""
    api, path = home.stand.as_caller(roles="admin"), path_of(home, route)
    for name in sorted(route.query - ({"plan"} if route.method == "DELETE" else set())):
        for value in ARGUMENTS:
            # with a plan for the other arguments: what is removed is not there for the next value
            query = f"{name}={value}" + ("&plan=true" if name != "plan" and "plan" in route.query else "")
            answer = harmless(
                api.request(
                    f"{path}?{query}", method=route.method, body=body, headers=NEWEST, expect_errors=True
                )
            )
            assert answer.status_int in {200, 201, 202, 400, 404, 409}, (path, query, answer.text)


HEADERS = ["OpenStack-API-Version", "Accept", "If-Match", "If-None-Match", "X-Openstack-Request-Id",
           "Transfer-Encoding", "Host", "Range", "Expect", "X-Forwarded-Host", "Content-Encoding", "Cookie"]  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_headers(home, name):
    for value in ("", "x" * 9000, "\xe9", '"' * 500, "*", ",", "W/", "bytes=0-", "-1", "container-infra 9.9", "a b c", "\t",
                  "%00", "0x1", "chunked, chunked", "\x85", "application/json; charset=utf-16"):  # fmt: skip
        key = f"HTTP_{name.upper().replace('-', '_')}"
        api = webtest.TestApp(home.stand.wsgi, extra_environ=headers(roles="admin") | {key: value})
        for method, path in (
            ("GET", f"clusters/{home.made}"),
            ("GET", "bays"),
            ("PATCH", f"bays/{home.made}"),
        ):
            answer = harmless(api.request(f"/v1/{path}", method=method, expect_errors=True))
            assert answer.status_int in {200, 304, 400, 404, 406, 412, 413, 415}
