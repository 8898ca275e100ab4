"""What a request must look like before any use case sees it: paths, methods, types, bodies, arguments."""

import pytest

from tests.functional.conftest import TEMPLATE, errors, fields
from tests.support.stand import Stand


def test_unknown_paths(shared, words):
    for path in ("/v2", "/v1/nothing", f"/v1/{words.clusters}/a/b", f"/v1/{words.clusters}/a/actions/dance",
                 "/v1/v1/clusters", "/favicon.ico", f"/v1//{words.clusters}//"):  # fmt: skip
        (entry,) = errors(shared.api.get(path, expect_errors=True), 404)
        assert entry["code"] == "no-such-path", path


def test_paths_without_v1_and_with_slashes(shared, words):
    for path in (f"/{words.clusters}", f"/v1/{words.clusters}/", f"/{words.templates}/",
                 f"/v1/{words.clusters}/detail/"):  # fmt: skip
        assert shared.api.get(path).status_int == 200
    made = shared.template()
    assert shared.api.get(f"/v1/{words.templates}/{made['uuid']}/").json["uuid"] == made["uuid"]


@pytest.mark.parametrize("method", ["PUT", "HEAD", "OPTIONS", "TRACE", "DELETE"])
def test_methods_that_are_not_served(shared, words, method):
    answer = shared.api.request(f"/v1/{words.clusters}", method=method, expect_errors=True)
    assert answer.status_int == 405
    assert answer.headers["Allow"] == "GET, POST"
    if method != "HEAD":
        assert errors(answer, 405)[0]["code"] == "method-not-allowed"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/png"])
def test_answers_are_json(shared, words, accept):
    answer = shared.api.get(f"/v1/{words.clusters}", headers={"Accept": accept}, expect_errors=True)
    errors(answer, 406)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.1", "application/*"])
def test_json_is_acceptable(shared, words, accept):
    assert shared.api.get(f"/v1/{words.clusters}", headers={"Accept": accept}).status_int == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded",
                                  "application/octet-stream", "multipart/form-data; boundary=x", ""])  # fmt: skip
def test_bodies_are_json(shared, words, kind):
    answer = shared.api.post(
        f"/v1/{words.clusters}", "name=x", headers={"Content-Type": kind}, expect_errors=True
    )
    (entry,) = errors(answer, 415)
    assert "application/json" in entry["detail"]


def test_json_types(stand, words):
    made = stand.template()
    path = f"/v1/{words.templates}/{made['uuid']}"
    for kind in ("application/json-patch+json", "application/json; charset=utf-8", "APPLICATION/JSON"):
        answer = stand.api.patch(path, "[]", headers={"Content-Type": kind})
        assert answer.status_int == 200


def test_delete_as_magnumclient_sends_it(stand, words):
    made = stand.template()
    path = f"/v1/{words.templates}/{made['uuid']}"
    answer = stand.api.delete(path, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_int == 204
    assert answer.body == b""


@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b'{"a": NaN}', b'{"a": Infinity}', b"\xff\xfe", b'{"a": 1}trailing', b"'a'",
     b'{"name": "a", "name": "b"}', b"[" * 5000, b"[" * 40 + b"]" * 40, b'{"a": "\\ud800"}',
     b'{"a": ' + b"1" * 5000 + b"}", b'{"\\udfff": 1}', b" ", b'["\\ud83d"]'],
)  # fmt: skip
def test_bodies_that_are_not_json(shared, words, body):
    for path in (f"/v1/{words.clusters}", f"/v1/{words.templates}", "/v1/certificates"):
        answer = shared.api.post(path, body, content_type="application/json", expect_errors=True)
        assert errors(answer, 400)[0]["code"] == "bad-request", body[:40]


def test_pairs_of_surrogates_are_characters(stand, words):
    body = b'{"coe": "swarm", "image_id": "plain", "name": "\\ud83d\\ude00"}'
    answer = stand.api.post(
        f"/v1/{words.templates}", body, content_type="application/json", expect_errors=True
    )
    assert list(fields(answer)) == ["image_id"]


@pytest.mark.parametrize("body", ["null", "[]", '"x"', "5", "true", "1.5", "[[]]"])
def test_bodies_that_are_not_objects(shared, words, body):
    for path in (f"/v1/{words.clusters}", f"/v1/{words.templates}", "/v1/certificates",
                 f"/v1/{words.clusters}/x/actions/resize"):  # fmt: skip
        answer = shared.api.post(path, body, content_type="application/json", expect_errors=True)
        assert "object" in errors(answer, 400)[0]["detail"]


def test_no_body_at_all(shared, words):
    for path in (f"/v1/{words.clusters}", f"/v1/{words.templates}", "/v1/certificates"):
        (entry,) = errors(shared.api.post(path, expect_errors=True), 400)
        assert entry["detail"].startswith("Missing argument")


def test_large_bodies(tmp_path, words):
    stand = Stand(tmp_path, api__max_body_bytes=1024)
    body = b'{"name": "%s"}' % (b"a" * 2000)
    answer = stand.api.post(
        f"/v1/{words.clusters}", body, content_type="application/json", expect_errors=True
    )
    assert errors(answer, 413)[0]["code"] == "body-too-large"
    # without a length, as a chunked body comes
    answer = stand.api.post(
        f"/v1/{words.clusters}", body, content_type="application/json", expect_errors=True,
        extra_environ={"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked",
                       "wsgi.input_terminated": True},
    )  # fmt: skip
    assert answer.status_int in {400, 413}


@pytest.mark.parametrize("length", ["x", "-1", "99999999999999999999", "1e3"])
def test_lengths_that_are_none(shared, words, length):
    answer = shared.api.post(
        f"/v1/{words.clusters}", b"{}", content_type="application/json", expect_errors=True,
        extra_environ={"CONTENT_LENGTH": length},
    )  # fmt: skip
    assert answer.status_int in {400, 413}


@pytest.mark.parametrize("query", ["x=1", "limit=1&bogus=2", "LIMIT=1", "%00=1", "=1", "name=x"])
def test_unknown_arguments(shared, words, query):
    for path in (words.clusters, words.templates, f"{words.clusters}/detail"):
        answer = shared.api.get(f"/v1/{path}?{query}", expect_errors=True)
        assert errors(answer, 400)[0]["detail"].startswith("Unknown argument: ")


def test_arguments_that_are_no_text(shared, words):
    for query in ("%ff=1", "limit=%ff", "marker=%c3%28"):
        errors(shared.api.get(f"/v1/{words.clusters}?{query}", expect_errors=True), 400)


def test_identifiers_that_are_no_text(shared, words):
    for ident in ("%ff", "%00", "a%00b", "%ed%a0%80"):
        answer = shared.api.get(f"/v1/{words.clusters}/{ident}", expect_errors=True)
        assert answer.status_int in {400, 404}


def test_every_fault_of_a_body_at_once(shared, words):
    body = TEMPLATE | {
        "coe": "nomad", "public": "maybe", "docker_volume_size": 0, "apiserver_port": 80, "bogus": 1,
        "server_type": "toaster", "dns_nameserver": "8.8.8.8,nine", "http_proxy": "proxy:3128",
        "labels": {"a": ["b"]}, "name": "x" * 256, "user_id": "me",
    }  # fmt: skip
    found = fields(shared.api.post_json(f"/v1/{words.templates}", body, expect_errors=True))
    assert set(found) == {
        "coe", "public", "docker_volume_size", "apiserver_port", "bogus", "server_type", "dns_nameserver",
        "http_proxy", "labels", "name", "user_id",
    }  # fmt: skip
    assert "Unknown attribute" in found["bogus"]
    assert "nine" in found["dns_nameserver"]


def test_faults_of_a_cluster_in_its_dialect(shared, words):
    body = {"name": "5", "node_count": "many", words.timeout: -1, "master_count": 0, "status": "x"}
    found = fields(shared.api.post_json(f"/v1/{words.clusters}", body, expect_errors=True))
    assert set(found) == {"name", "node_count", words.timeout, "master_count", "status", words.template_id}
    assert "Mandatory" in found[words.template_id]


def test_words_of_the_other_dialect_are_unknown(shared, words):
    body = {words.template_id: "x", words.other.template_id: "x", words.other.timeout: 60}
    found = fields(shared.api.post_json(f"/v1/{words.clusters}", body, expect_errors=True))
    assert set(found) == {words.other.template_id, words.other.timeout}


def test_deprecation_header(shared, words):
    answer = shared.api.get(f"/v1/{words.clusters}")
    assert ("Deprecation" in answer.headers) is (words.clusters == "bays")
    missing = shared.api.get(f"/v1/{words.clusters}/none", expect_errors=True)
    assert ("Deprecation" in missing.headers) is (words.clusters == "bays")


def test_unforeseen_faults_say_nothing(tmp_path, words, caplog):
    stand = Stand(tmp_path)
    with stand.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE cluster")
    answer = stand.api.get(f"/v1/{words.clusters}", expect_errors=True)
    (entry,) = errors(answer, 500)
    assert "request id" in entry["detail"]
    for leak in ("sqlite", "SELECT", "Traceback", "sqlalchemy", "table"):
        assert leak.lower() not in answer.text.lower()
    assert entry["request_id"] in caplog.text
