"""Host names and indices that conductor, driver and Heat must agree on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.drivers.contract import desired_indices, hostname
from tests.support.bay_spec import UUID


@given(st.text(max_size=300), st.sampled_from(["master", "worker"]), st.integers(0, 99999))
def test_a_hostname_is_a_dns_label(name, role, index):
    made = hostname(UUID, name, role, index)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", made)
    assert made.endswith(f"-5f1e2d3c-{'manager' if role == 'master' else 'worker'}-{index}")


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
