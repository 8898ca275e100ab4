"""Both dialects, as values that the tests of the API are parametrised over."""

import dataclasses

import pytest

from tests.support.stand import Stand


@dataclasses.dataclass(frozen=True)
class Words:
    """How one dialect calls things."""

    clusters: str
    cluster: str
    templates: str
    template_id: str
    timeout: str
    Cluster: str
    Template: str

    @property
    def other(self):
        """The other dialect."""
        return BAYS if self is CLUSTERS else CLUSTERS


CLUSTERS = Words(
    "clusters", "cluster", "clustertemplates", "cluster_template_id", "create_timeout",
    "Cluster", "Cluster template",
)  # fmt: skip
BAYS = Words("bays", "bay", "baymodels", "baymodel_id", "bay_create_timeout", "Bay", "Baymodel")


@pytest.fixture(params=[CLUSTERS, BAYS], ids=["clusters", "bays"])
def words(request):
    """One dialect after the other."""
    return request.param


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A stand for a whole module, for tests that only read or only refuse."""
    return Stand(tmp_path_factory.mktemp("shared"))


TEMPLATE = {
    "coe": "swarm",
    "image_id": "fedora-atomic-23",
    "flavor_id": "m2.medium",
    "keypair_id": "my-key",
    "external_network_id": "CERN_NETWORK",
}


def errors(answer, status):
    """The entries of an error, after a look at its form."""
    assert answer.status_int == status, answer.text
    assert answer.content_type == "application/json"
    found = answer.json["errors"]
    ident = answer.headers["x-openstack-request-id"]
    for entry in found:
        assert entry["status"] == status
        assert entry["title"]
        assert entry["detail"]
        assert entry["code"]
        assert entry["request_id"] == ident
        assert isinstance(entry["links"], list)
    return found


def fields(answer, status=400):
    """Field → detail of a refused body."""
    return {e.get("field", ""): e["detail"] for e in errors(answer, status)}
