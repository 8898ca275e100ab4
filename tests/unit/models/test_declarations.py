"""What is derived from one declaration: create view, answers by microversion and dialect, columns."""

import ast
import datetime as dt

import pydantic
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.api.dialects import BAYS, CLUSTERS
from magnum_lite.models import fields as f
from magnum_lite.models import views
from magnum_lite.models.certificate import Authority, Certificate, Secret
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.event import Event
from magnum_lite.models.fields import Access
from magnum_lite.models.node import Node
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.quota import Quota, Service
from magnum_lite.models.status import ALL, Action, is_busy, shown

MODELS = [Authority, Certificate, Cluster, ClusterTemplate, Event, Node, NodeGroup, Quota, Secret, Service]


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_declared_whole(model):
    for name, info in model.model_fields.items():
        told = views.facts(info)
        assert info.description, name
        assert told["access"] in {a.value for a in Access}
        if told["until"]:
            assert tuple(told["since"]) <= tuple(told["until"])


@pytest.mark.parametrize("model", MODELS)
def test_columns_are_the_stored_fields(model):
    stored = {n for n, i in model.model_fields.items() if views.facts(i)["stored"]}
    columns = {c.name: c for c in views.columns(model)}
    assert set(columns) == stored
    for name, column in columns.items():
        optional = type(None) in getattr(model.model_fields[name].annotation, "__args__", ())
        assert column.nullable is (optional and name != "created_at"), name
        if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Text):
            assert 0 < column.type.length <= 255  # MySQL's longest that every index takes


def test_nobody_may_send_what_the_service_decides():
    for model in (Cluster, ClusterTemplate, NodeGroup):
        view = views.create_view(model)
        for access in (Access.READ, Access.PRIVATE, Access.UPDATE):
            assert not set(view.model_fields) & views.names(model, access)
    assert "generation" not in views.create_view(Cluster).model_fields
    assert {"name", "uuid"} <= {
        n for n, i in views.create_view(ClusterTemplate).model_fields.items() if not i.is_required()
    }


def test_private_fields_are_never_presented():
    for model in MODELS:
        values = dict.fromkeys(model.model_fields, "secret")
        for summary in (True, False):
            out = views.present(model, values, rename={}, summary=summary)
            assert not set(out) & views.names(model, Access.PRIVATE)
    assert "sealed_key" not in views.present(Authority, {}, rename={})
    assert views.present(Secret, {"sealed": "x"}, rename={}) == {}


def test_dialects_rename_both_ways():
    assert CLUSTERS.rename(Cluster) == {}
    renamed = BAYS.rename(Cluster)
    assert renamed == {
        "cluster_template_id": "baymodel_id", "create_timeout": "bay_create_timeout", "faults": "bay_faults",
    }  # fmt: skip
    assert BAYS.load(Cluster, {"baymodel_id": 1, "name": 2}) == {"cluster_template_id": 1, "name": 2}
    assert "cluster_template_id" not in BAYS.load(Cluster, {"cluster_template_id": 1})
    shown_ = views.present(Cluster, {"cluster_template_id": "t"}, rename=renamed)
    assert shown_["baymodel_id"] == "t"
    assert "cluster_template_id" not in shown_


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Cluster prod could not be found.", "Bay prod could not be found."),
        ("Cluster template x is referenced by one or multiple clusters.",
         "Baymodel x is referenced by one or multiple bays."),
        ("the cluster's CA, of clusters; cluster templates", "the bay's CA, of bays; baymodels"),
        ("cluster_template_id: must", "baymodel_id: must"),
        ("create_timeout: must", "bay_create_timeout: must"),
        ("my-cluster cluster-1 x_cluster cluster.json a/cluster clusterware",
         "my-cluster cluster-1 x_cluster cluster.json a/cluster clusterware"),
        ("Policy doesn't allow cluster:create to be performed.", "Policy doesn't allow cluster:create to be performed."),
        ("cluster: it is gone", "bay: it is gone"),
        ("This cluster.", "This bay."),
    ],
)  # fmt: skip
def test_words(text, said):
    assert BAYS.say(text) == said
    assert CLUSTERS.say(text) == text


def test_times_are_utc_with_an_offset():
    when = dt.datetime(2026, 11, 22, 21, 5, 53, 302752, dt.UTC)
    out = views.present(Quota, {"created_at": when}, rename={})
    assert out["created_at"] == "2026-11-22T21:05:53.302752+00:00"
    assert views.present(Quota, {"created_at": when.replace(microsecond=0)}, rename={})[
        "created_at"
    ].endswith(".000000+00:00")
    assert out["updated_at"] is None


def test_statuses():
    assert len(set(ALL)) == 12
    for action in Action:
        now = shown(action=action, status="CREATE_COMPLETE", generation=2, observed_generation=1)
        assert now == f"{action}_IN_PROGRESS"
        assert is_busy(now)
    assert (
        shown(action="UPDATE", status="UPDATE_FAILED", generation=2, observed_generation=2) == "UPDATE_FAILED"
    )


SCALAR = st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.floats(allow_nan=False))
WORDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="\x7f"), min_size=1, max_size=30
)


@given(st.dictionaries(WORDS, st.one_of(WORDS, st.integers(), st.booleans()), max_size=5))
def test_labels_as_maps_and_as_texts_of_maps_are_the_same(labels):
    wanted = {k: str(v) if not isinstance(v, str) else v for k, v in labels.items()}
    assert views.validate_field(ClusterTemplate, "labels", labels) == wanted
    assert views.validate_field(ClusterTemplate, "labels", repr(labels)) == wanted
    assert ast.literal_eval(repr(labels)) == labels


@given(st.recursive(SCALAR, lambda x: st.one_of(st.lists(x), st.dictionaries(st.text(max_size=5), x)), max_leaves=8),
       st.sampled_from(sorted(ClusterTemplate.model_fields)))  # fmt: skip
def test_a_value_is_taken_or_refused_and_nothing_else(value, name):
    try:
        taken = views.validate_field(ClusterTemplate, name, value)
    except pydantic.ValidationError as error:
        assert views.problems(error, {})
    else:
        assert views.validate_field(ClusterTemplate, name, taken) == taken  # settled


@pytest.mark.parametrize("value", ["5", " 5 ", "+5", 5, 5.0])
def test_integers(value):
    assert pydantic.TypeAdapter(f.Count).validate_python(value) == 5


@pytest.mark.parametrize("value", [True, 5.5, "5.0", "five", "", None, "1_000", "9" * 19, [], float("inf")])
def test_what_is_no_integer(value):
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(f.Count).validate_python(value)
