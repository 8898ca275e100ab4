"""Pages of lists: next links, sorting, markers (API.md 1.2)."""

import pytest

from tests.functional.conftest import errors
from tests.support.stand import Stand


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Seven templates and clusters; values with nulls and doubles among them."""
    stand = Stand(tmp_path_factory.mktemp("full"))
    for number in range(7):
        template = stand.template(
            name=f"t{number % 3}", docker_volume_size=None if number % 2 else number + 1,
            public=False, fixed_network="private" if number == 3 else None,
        )  # fmt: skip
        stand.cluster(template, name=f"c{number % 3}", create_timeout=60 - number // 2)
    return stand


def collections(words):
    return (words.templates, words.clusters, f"{words.templates}/detail", f"{words.clusters}/detail")


def followed(stand, path, name):
    """All items, by following next as it is given."""
    found = []
    for _ in range(20):
        body = stand.api.get(path).json
        found += body[name]
        if "next" not in body:
            return found
        path = body["next"]
        assert path.startswith("http://localhost/v1/")
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_next_is_followed_to_the_end(full, words, limit):
    for path in collections(words):
        name = path.split("/")[0]
        everything = [x["uuid"] for x in full.api.get(f"/v1/{path}").json[name]]
        assert len(everything) == 7
        first = full.api.get(f"/v1/{path}?limit={limit}").json
        assert len(first[name]) == min(limit, 7)
        assert ("next" in first) is (limit <= 7)
        if "next" in first:
            assert first["next"] == (
                f"http://localhost/v1/{path}?sort_key=id&sort_dir=asc&limit={limit}"
                f"&marker={first[name][-1]['uuid']}"
            )
        assert [x["uuid"] for x in followed(full, f"/v1/{path}?limit={limit}", name)] == everything


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_sort_key_gives_every_row_once(full, words, direction):
    keys = {
        words.templates: ["id", "uuid", "name", "coe", "docker_volume_size", "fixed_network", "public",
                          "created_at", "updated_at", "image_id"],
        words.clusters: ["id", "uuid", "name", words.template_id, words.timeout, "status", "stack_id",
                         "created_at", "keypair", "health_status"],
    }  # fmt: skip
    for path in collections(words):
        name = path.split("/")[0]
        for key in keys[name]:
            query = f"/v1/{path}?sort_key={key}&sort_dir={direction}"
            whole = full.api.get(query).json[name]
            paged = followed(full, f"{query}&limit=2", name)
            assert [x["uuid"] for x in paged] == [x["uuid"] for x in whole], key
            assert len({x["uuid"] for x in whole}) == 7
            if key in whole[0] and key != "id":
                values = [x[key] for x in whole]
                known = [v for v in values if v is not None]
                assert known == sorted(known, reverse=direction == "desc"), key
                nulls = [None] * (len(values) - len(known))
                assert values == (known + nulls if direction == "asc" else nulls + known), key


def test_the_cap_applies_without_a_limit(tmp_path, words):
    stand = Stand(tmp_path, api__max_limit=2)
    for _ in range(5):
        stand.template()
    body = stand.api.get(f"/v1/{words.templates}").json
    assert len(body[words.templates]) == 2
    assert len(followed(stand, f"/v1/{words.templates}", words.templates)) == 5
    assert len(stand.api.get(f"/v1/{words.templates}?limit=100").json[words.templates]) == 2
    assert len(followed(stand, f"/v1/{words.templates}?limit=100", words.templates)) == 5


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=", "limit=99999999999999999999", "sort_dir=up",
     "sort_dir=", "sort_key=labels", "sort_key=nope", "sort_key=", "sort_key=id%3BDROP", "marker=x", "marker=",
     "sort_key=ssh_public_key", "sort_key=fencing_token", "sort_key=template", "sort_key=name,uuid"],
)  # fmt: skip
def test_what_is_refused(full, words, query):
    for path in collections(words):
        answer = full.api.get(f"/v1/{path}?{query}", expect_errors=True)
        assert errors(answer, 400)[0]["field"] == query.split("=")[0]


def test_some_views_do_not_sort(full, words):
    for key in ("node_count", "node_addresses", "labels", "health_status_reason", "master_count"):
        answer = full.api.get(f"/v1/{words.clusters}?sort_key={key}", expect_errors=True)
        (entry,) = errors(answer, 400)
        assert f'The sort_key value "{key}" is an invalid field for sorting' in entry["detail"]


def test_sort_keys_have_the_dialects_names(full, words):
    answer = full.api.get(f"/v1/{words.clusters}?sort_key={words.other.timeout}", expect_errors=True)
    errors(answer, 400)


def test_markers(full, words):
    for path in collections(words):
        name = path.split("/")[0]
        unknown = "00000000-0000-4000-8000-000000000000"
        errors(full.api.get(f"/v1/{path}?marker={unknown}", expect_errors=True), 404)
        last = full.api.get(f"/v1/{path}").json[name][-1]["uuid"]
        assert full.api.get(f"/v1/{path}?marker={last}").json == {name: []}
        foreign = full.as_caller(project="b" * 32)
        errors(foreign.get(f"/v1/{path}?marker={last}", expect_errors=True), 404)


def test_short_and_full_lists(full, words):
    short = full.api.get(f"/v1/{words.clusters}").json[words.clusters][0]
    whole = full.api.get(f"/v1/{words.clusters}/detail").json[words.clusters][0]
    assert set(short) == {
        "uuid", "name", words.template_id, "keypair", "node_count", "master_count", "docker_volume_size",
        "labels", "master_flavor_id", "flavor_id", words.timeout, "health_status", "status", "links", "stack_id",
    }  # fmt: skip
    assert set(short) < set(whole)
    one = full.api.get(f"/v1/{words.clusters}/{whole['uuid']}").json
    assert one == whole
    templates = [full.api.get(f"/v1/{words.templates}{tail}").json for tail in ("", "/detail")]
    assert templates[0] == templates[1]


def test_the_next_page_holds_while_rows_come_and_go(stand, words):
    made = [stand.template(name="x")["uuid"] for _ in range(4)]
    first = stand.api.get(f"/v1/{words.templates}?limit=2").json
    stand.api.delete(f"/v1/{words.templates}/{made[0]}")
    new = stand.template(name="x")["uuid"]
    second = stand.api.get(first["next"]).json
    assert [t["uuid"] for t in second[words.templates]] == made[2:4]
    third = stand.api.get(second["next"]).json
    assert [t["uuid"] for t in third[words.templates]] == [new]
