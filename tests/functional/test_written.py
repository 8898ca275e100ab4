"""Templates in lists are what they are now, whatever was written of them before."""

import pytest

from magnum_lite.api import written
from magnum_lite.api.controllers import cluster_templates
from magnum_lite.services import cluster_templates as services
from tests.support.stand import OTHER, Stand


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path)


def listed(stand, path="clustertemplates", **headers):
    return stand.api.get(f"/v1/{path}", headers=headers).json[path.split("/")[0]]


def test_a_list_shows_each_as_it_is_shown_alone(stand):
    for number in range(3):
        stand.template(name=f"t{number}")
    for path in ("clustertemplates", "baymodels", "clustertemplates/detail"):
        for _ in range(2):
            found = listed(stand, path)
            alone = [stand.api.get(f"/v1/{path.split('/')[0]}/{t['uuid']}").json for t in found]
            assert found == alone
            assert len(found) == 3


def test_a_change_shows_at_once(stand):
    uuid = stand.template(labels={"a": "1"})["uuid"]
    assert listed(stand)[0]["labels"] == {"a": "1"}
    for value in ("2", "3"):
        patch = [{"op": "replace", "path": "/labels/a", "value": value}]
        stand.api.patch_json(f"/v1/clustertemplates/{uuid}", patch)
        assert listed(stand)[0]["labels"] == {"a": value}
        assert listed(stand, "baymodels")[0]["labels"] == {"a": value}


def test_a_deleted_one_is_gone_and_another_of_its_uuid_is_another(stand):
    first = stand.template(name="first")
    assert listed(stand)[0]["name"] == "first"
    stand.api.delete(f"/v1/clustertemplates/{first['uuid']}")
    assert listed(stand) == []
    stand.template(name="second", uuid=first["uuid"])
    assert listed(stand)[0]["name"] == "second"


def test_links_are_of_the_host_that_was_asked(stand):
    stand.template()
    here = listed(stand)
    elsewhere = listed(stand, Host="elsewhere.example")
    assert elsewhere[0]["links"][0]["href"].startswith("http://elsewhere.example")
    assert listed(stand) == here


def test_what_is_kept_of_one_project_is_not_another_s(stand):
    stand.template()
    assert len(listed(stand)) == 1
    assert listed(stand, **{"X-Project-Id": OTHER}) == []


def test_little_is_kept(stand, monkeypatch):
    kept = written.Written(most=3000)
    monkeypatch.setattr(cluster_templates, "_WRITTEN", kept)
    for number in range(5):
        stand.template(name=f"t{number}", labels={"x": "y" * 500})
        assert [t["name"] for t in listed(stand)] == [f"t{n}" for n in range(number + 1)]
        assert kept._size <= 3000
    stand.template(name="large", labels={"x": "y" * 4000, "z": "y" * 4000})
    monkeypatch.setattr(written, "_LARGE", 5000)
    assert listed(stand)[-1]["name"] == "large"


def test_what_another_thread_makes_forgotten_is_there_until_the_answer_is(stand, monkeypatch):
    kept = written.Written(most=4000)
    monkeypatch.setattr(cluster_templates, "_WRITTEN", kept)
    for number in range(2):
        stand.template(name=f"t{number}")
    before = listed(stand)
    page = services.page

    def meanwhile(*arguments):
        found = page(*arguments)
        for number in range(10):
            kept._keep(number, b"x" * 1000)
        return found

    monkeypatch.setattr(services, "page", meanwhile)
    assert listed(stand) == before
