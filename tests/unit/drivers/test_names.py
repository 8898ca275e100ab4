"""Host names and indices that conductor, driver and Heat must agree on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.drivers.contract import desired_indices, group_key, group_word, hostname
from tests.support.bay_spec import UUID


@given(st.text(max_size=300), st.sampled_from(["master", "manager", "worker"]), st.integers(0, 99999))
def test_a_hostname_is_a_dns_label(name, word, index):
    made = hostname(UUID, name, word, index)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", made)
    assert made.endswith(f"-5f1e2d3c-{word}-{index}")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("swarm-bay01", "swarm-bay01"),
        ("Ünïcode_Bay.1", "unicode-bay-1"),
        ("日本", "bay"),
        ("---", "bay"),
        ("a" * 242, "a" * 20),
        ("a" * 19 + ".b", "a" * 19),
    ],
)
def test_a_name_stays_readable(name, slug):
    assert hostname(UUID, name, "worker", 3) == f"{slug}-5f1e2d3c-worker-3"


@given(st.integers(0, 40), st.sets(st.integers(0, 60)))
def test_indices_are_the_first_that_were_never_removed(count, removed):
    got = desired_indices(count, tuple(removed))
    assert len(got) == count
    assert not set(got) & removed
    assert set(range(max(got, default=-1))) <= set(got) | removed


UUIDS = st.uuids().map(str)
NAMES = st.text(min_size=1, max_size=255) | st.sampled_from(
    ["worker", "manager", "GPU", "gpu", "gpu_1", "gpu-1"]
)


@given(st.text(max_size=300), UUIDS, NAMES, st.integers(0, 99999))
def test_a_hostname_with_a_groups_word_is_a_dns_label(name, group, group_name, index):
    made = hostname(UUID, name, group_word(group, group_name), index)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", made)


@given(UUIDS, NAMES, UUIDS, NAMES)
def test_groups_of_a_cluster_never_share_a_word(one, one_name, other, other_name):
    if one_name == other_name or one[:8] == other[:8]:
        return
    assert group_word(one, one_name) != group_word(other, other_name)
    assert group_key(one, one_name) != group_key(other, other_name)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("gpu", "gpu"),
        ("big-memory-2", "big-memory-2"),
        ("worker", "worker-99999999"),
        ("manager", "manager-99999999"),
        ("GPU", "gpu-99999999"),
        ("gpu.1", "gpu-1-99999999"),
        ("日本", "group-99999999"),
        ("x-1a2b3c4d", "x-1a2b3c4d-99999999"),  # it could be another group's, marked
        ("a" * 255, "a" * 16 + "-99999999"),
    ],
)
def test_a_groups_word_is_its_name_where_that_is_safe(name, word):
    assert group_word("99999999-2222-4333-8444-666666666666", name) == word
