"""Microversions and the headers of every answer (API.md 1.1, 1.4)."""

import re

import pytest

from tests.functional.conftest import errors

HEADER = "OpenStack-API-Version"
WORDS = ("container-infra", "container-infrastructure", "container-infrastructure-management")


def get(stand, header, path="/v1/clusters"):
    """An answer to a GET with this header (None: without)."""
    return stand.api.get(path, headers={HEADER: header} if header is not None else {}, expect_errors=True)


@pytest.mark.parametrize("minor", range(1, 15))
@pytest.mark.parametrize("word", WORDS)
def test_every_version_under_every_word(shared, word, minor):
    answer = get(shared, f"{word} 1.{minor}")
    assert answer.status_int == 200
    assert answer.headers[HEADER] == f"{word} 1.{minor}"
    assert answer.headers["OpenStack-API-Minimum-Version"] == f"{word} 1.1"
    assert answer.headers["OpenStack-API-Maximum-Version"] == f"{word} 1.14"
    assert answer.headers["Vary"].lower() == HEADER.lower()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "container-infra 1.1"),
        ("", "container-infra 1.1"),
        ("container-infra latest", "container-infra 1.14"),
        ("container-infrastructure-management latest", "container-infrastructure-management 1.14"),
        ("1.1", "container-infra 1.1"),
        ("latest", "container-infra 1.14"),
        ("  container-infra   1.3 ", "container-infra 1.3"),
    ],
)
def test_what_a_header_means(shared, header, said):
    assert get(shared, header).headers[HEADER] == said


@pytest.mark.parametrize("version", ["1.0", "1.15", "2.1", "0.9", "9999.9999"])
def test_out_of_range(shared, version):
    answer = get(shared, f"container-infra {version}")
    (entry,) = errors(answer, 406)
    assert entry["code"] == "magnum.microversion-unsupported"
    assert (entry["min_version"], entry["max_version"]) == ("1.1", "1.14")
    assert entry["title"] == "Requested microversion is unsupported"
    assert entry["links"][0]["rel"] == "help"


@pytest.mark.parametrize(
    "header",
    ["compute 1.1", "container-infra", "container-infra x", "container-infra 1", "container-infra 1.1 1.2",
     "container-infra 1.1.1", "container-infra -1.1", "container-infra 1.99999", "baremetal latest", "é 1.1"],
)  # fmt: skip
def test_malformed(shared, header):
    answer = get(shared, header)
    (entry,) = errors(answer, 406)
    assert entry["code"] == "not-acceptable"
    assert HEADER not in answer.headers
    assert "OpenStack-API-Maximum-Version" not in answer.headers


def test_version_headers_are_on_errors_too(shared):
    answer = get(shared, "container-infra 1.7", "/v1/clusters/nobody")
    assert answer.status_int == 404
    assert answer.headers[HEADER] == "container-infra 1.7"


def test_request_ids(shared):
    mine = "req-01234567-89ab-4def-8123-0123456789ab"
    answer = shared.api.get("/v1/clusters", headers={"X-Openstack-Request-Id": mine})
    assert answer.headers["x-openstack-request-id"] == mine
    for bad in ("", "req-x", "'; DROP TABLE cluster", "req-" + "a" * 400):
        given = shared.api.get("/v1/clusters", headers={"X-Openstack-Request-Id": bad})
        found = given.headers["x-openstack-request-id"]
        assert re.fullmatch(r"req-[0-9a-f-]{36}", found)
        assert found != bad


def test_version_documents_need_nobody(shared):
    root = shared.api.get("/").json
    assert root["versions"][0] == {
        "id": "v1",
        "links": [{"href": "http://localhost/v1/", "rel": "self"}],
        "status": "CURRENT",
        "max_version": "1.14",
        "min_version": "1.1",
    }
    for path in ("/v1", "/v1/"):
        v1 = shared.api.get(path).json
        assert v1["id"] == "v1"
        assert v1["media_types"][0]["type"] == "application/vnd.openstack.magnum.v1+json"
        for name in ("clustertemplates", "clusters", "certificates", "baymodels", "bays"):
            assert v1[name][0] == {"href": f"http://localhost/v1/{name}/", "rel": "self"}


@pytest.mark.parametrize(("minor", "key", "absent"), [(1, "stack_id", "cluster_id"), (12, "stack_id",
                         "cluster_id"), (13, "cluster_id", "stack_id"), (14, "cluster_id", "stack_id")])  # fmt: skip
def test_stack_id_was_renamed(shared, minor, key, absent):
    uuid = shared.cluster()
    headers = {HEADER: f"container-infra 1.{minor}"}
    one = shared.api.get(f"/v1/clusters/{uuid}", headers=headers).json
    listed = shared.api.get("/v1/clusters", headers=headers).json["clusters"][-1]
    for found in (one, listed):
        assert key in found
        assert absent not in found
    bay = shared.api.get(f"/v1/bays/{uuid}", headers=headers).json
    assert "stack_id" in bay
    assert "cluster_id" not in bay
    shared.api.delete(f"/v1/clusters/{uuid}")


def test_links_follow_the_host(shared):
    answer = shared.api.get("/v1/clustertemplates", headers={"Host": "api.example.org:9511"})
    assert answer.status_int == 200
    root = shared.api.get("/", headers={"Host": "api.example.org:9511"}).json
    assert root["versions"][0]["links"][0]["href"] == "http://api.example.org:9511/v1/"
