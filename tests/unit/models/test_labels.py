"""The label registry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.models import label_values, labels


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_labels", "storage=ssd,tier=fast"),
        ("fixed_subnet_cidr", "10.1.0.0/24"),
        ("ssh_allowed_cidrs", "192.0.2.0/24, 2001:db8::/32"),
        ("published_ports", "80,8000-8100,53/udp"),
        ("published_ports", "none"),
        ("availability_zones", "az1"),
        ("availability_zones", "az1, az-2,Rack.3"),
        ("registry_mirror", "https://mirror.example.org:5000"),
        ("registry_auth", "reg.example.org:5000=bob:s3cret:with:colons"),
        ("cvmfs", "True"),
        ("flannel_network_subnetlen", "24"),
        ("who_knows", "anything\x01"),
    ],
)
def test_values_that_are_fine(name, value):
    assert labels.check(name, value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_labels", "storage"),
        ("node_labels", "-x=1"),
        ("node_labels", "a=" + "x" * 256),
        ("node_labels", "a=b\nc"),
        ("fixed_subnet_cidr", "10.1.0.0/99"),
        ("ssh_allowed_cidrs", "here"),
        ("published_ports", "0"),
        ("availability_zones", ""),
        ("availability_zones", "a,,b"),
        ("availability_zones", "a,b,a"),
        ("availability_zones", "nova:host1"),
        ("availability_zones", "two words"),
        ("published_ports", "90-80"),
        ("published_ports", "80/icmp"),
        ("published_ports", "70000"),
        ("registry_mirror", "mirror"),
        ("registry_mirror", "http://a$(x)"),
        ("registry_auth", "bob:secret"),
        ("cvmfs", "maybe"),
        ("flannel_network_subnetlen", "x"),
        ("nodes_affinity_policy", "near"),
    ],
)
def test_values_that_are_not(name, value):
    assert labels.check(name, value)


def test_a_wrong_credential_is_never_repeated():
    assert "hunter22" not in labels.check("registry_auth", "example.org=hunter22")


@pytest.mark.parametrize("entry", labels.LABELS.values(), ids=lambda x: x.name)
def test_each_default_is_a_good_value(entry):
    assert entry.meaning
    assert entry.default is None or labels.check(entry.name, entry.default) is None


def test_did_you_mean():
    assert labels.suggest("node_label") == "node_labels"
    assert labels.suggest("registry-mirror") == "registry_mirror"
    assert labels.suggest("zzz") is None


def test_node_labels_are_read_as_written():
    assert label_values.parse_node_labels(" storage=ssd , a/b=x=y,c=,") == {
        "storage": "ssd",
        "a/b": "x=y",
        "c": "",
    }


@given(st.text(max_size=40))
def test_every_reader_refuses_with_a_value_error_only(text):
    for entry in labels.LABELS:
        labels.check(entry, text)


@given(
    st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9]{0,9}\Z"), st.text("abc =._/-", max_size=9).map(str.strip))
)
def test_node_labels_round_trip(wanted):
    assert label_values.parse_node_labels(",".join(f"{k}={v}" for k, v in wanted.items())) == wanted
