"""The table of wishes: what is replaced, what is refused, and why."""

import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from hypothesis import given
from hypothesis import strategies as st

from magnum_lite.pki import csr, profiles
from magnum_lite.pki.errors import InvalidFacts, RequestRefused

CLIENT, SERVER, NODE = profiles.DOCKER_CLIENT, profiles.DOCKER_SERVER, profiles.NODE_IDENTITY
ADMIN, VIEWER = profiles.KUBERNETES_ADMIN, profiles.KUBERNETES_VIEWER
EVERY = list(profiles.PROFILES.values())

FACTS = profiles.SubjectFacts("user-1", frozenset({"bay-7f3c-manager-0"}))


def _usage(**on):
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def _prepare(profile, request, **more):
    sans = ["10.0.0.5"] if profile.server_names else []
    return profiles.prepare(profile, csr.verify(request), subject_facts=FACTS, sans=sans, **more)


CA = x509.BasicConstraints(ca=True, path_length=None)
NAMES = x509.SubjectAlternativeName([x509.DNSName("a.example")])
SERVER_AUTH = x509.ExtendedKeyUsage([Eku.SERVER_AUTH])
CLIENT_AUTH = x509.ExtendedKeyUsage([Eku.CLIENT_AUTH])
ANY = x509.ExtendedKeyUsage([Eku.ANY_EXTENDED_KEY_USAGE])
ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
CROWD = x509.SubjectAlternativeName([x509.DNSName(f"n{i}") for i in range(101)])


@pytest.mark.parametrize(
    ("profile", "extensions", "subject", "code"),
    [
        *((profile, [CA], {}, "csr-asks-ca") for profile in EVERY),
        *((profile, [_usage(key_cert_sign=True)], {}, "csr-asks-ca") for profile in EVERY),
        *((profile, [_usage(crl_sign=True)], {}, "csr-asks-ca") for profile in EVERY),
        *((profile, [ANY], {}, "csr-asks-usage") for profile in EVERY),
        *((profile, [CROWD], {}, "csr-too-many-names") for profile in EVERY),
        *((profile, [NAMES], {}, "csr-asks-names") for profile in (CLIENT, ADMIN, VIEWER)),
        *((profile, [SERVER_AUTH], {}, "csr-asks-usage") for profile in (CLIENT, ADMIN, VIEWER, NODE)),
        (SERVER, [CLIENT_AUTH], {}, "csr-asks-usage"),
        (CLIENT, [], {"organization": "system:nodes"}, "csr-asks-identity"),
        (CLIENT, [], {"organization": " System:Nodes"}, "csr-asks-identity"),
        (VIEWER, [], {"organization": "system:masters"}, "csr-asks-identity"),
        (ADMIN, [], {"organization": "system:nodes"}, "csr-asks-identity"),
        (CLIENT, [], {"common_name": "system:node:a"}, "csr-asks-identity"),
        (ADMIN, [], {"common_name": "system:admin"}, "csr-asks-identity"),
        (CLIENT, [], {"common_name": "BAY-7f3c-manager-0"}, "csr-asks-identity"),
        (CLIENT, [], {"common_name": "BAY-7f3c-manager-0. "}, "csr-asks-identity"),
        (ADMIN, [], {"common_name": "0F3C2A1B-7f3c-4d5e-8a9b-0123456789ab"}, "csr-asks-identity"),
    ],
)
def test_wishes_for_more_power_are_refused(kit, profile, extensions, subject, code):
    with pytest.raises(RequestRefused) as caught:
        _prepare(profile, kit.csr(*extensions, **subject))
    assert caught.value.code == code
    assert len(caught.value.reason) > 20


@pytest.mark.parametrize("profile", EVERY, ids=lambda p: p.name)
def test_unknown_critical_extensions_are_refused_others_dropped(kit, profile):
    with pytest.raises(RequestRefused) as caught:
        _prepare(profile, kit.csr(ODD, critical=True))
    assert (caught.value.code, "1.2.3" in caught.value.reason) == ("csr-unknown-critical", True)
    assert _prepare(profile, kit.csr(ODD))


@pytest.mark.parametrize("profile", [CLIENT, ADMIN], ids=lambda p: p.name)
def test_what_magnumclient_sends_is_accepted(kit, profile):
    prepared = _prepare(profile, kit.csr(common_name="admin", organization="system:masters"))
    own = "O=system:masters," if profile is ADMIN else ""
    assert prepared.subject_text in (f"CN=user-1,{own}".rstrip(","), f"{own}CN=user-1")


def test_what_documented_sessions_send_is_replaced(kit):
    request = kit.csr(
        CLIENT_AUTH, _usage(digital_signature=True, key_encipherment=True, content_commitment=True),
        common_name="Your Name", organization="Some Company", critical=True,
    )  # fmt: skip
    prepared = _prepare(CLIENT, request)
    assert (prepared.subject_text, prepared.sans) == ("CN=user-1", ())


def test_a_nodes_names_come_from_the_record(kit):
    request = kit.csr(NAMES, SERVER_AUTH, common_name="system:node:other")
    prepared = profiles.prepare(
        SERVER, csr.verify(request), subject_facts=FACTS, sans=["10.0.0.5", "fd00::5", "m0.local", "10.0.0.5"]
    )
    assert prepared.subject_text == "CN=user-1"
    assert [str(name.value) for name in prepared.sans] == ["10.0.0.5", "fd00::5", "m0.local"]
    assert prepared.sans[1].value == ipaddress.ip_address("fd00::5")


def test_facts_that_no_certificate_can_hold(kit):
    verified = csr.verify(kit.csr())
    for bad in ("", "x" * 65, "a\nb", "a\0b"):
        with pytest.raises(InvalidFacts):
            profiles.prepare(CLIENT, verified, subject_facts=profiles.SubjectFacts(bad))
    for bad in ([], ["a b"], ["-a"], ["é.example"], [f"n{i}" for i in range(101)], ["10.0.0.5/8"]):
        with pytest.raises(InvalidFacts):
            profiles.prepare(SERVER, verified, subject_facts=FACTS, sans=bad)
    with pytest.raises(InvalidFacts):
        profiles.prepare(CLIENT, verified, subject_facts=FACTS, sans=["a"])


def test_lifetimes_have_a_maximum(kit):
    day = dt.timedelta(days=1)
    assert _prepare(CLIENT, kit.csr()).lifetime == CLIENT.default_lifetime
    assert _prepare(CLIENT, kit.csr(), lifetime=day).lifetime == day
    for bad in (CLIENT.max_lifetime + day, 0 * day, -day):
        with pytest.raises(RequestRefused) as caught:
            _prepare(CLIENT, kit.csr(), lifetime=bad)
        assert caught.value.code == "lifetime"


def test_nobody_else_prepares(kit):
    with pytest.raises(TypeError):
        profiles.PreparedCertificate(CLIENT, kit.key.public_key(), x509.Name([]), (), dt.timedelta(1))


@given(st.text(min_size=1, max_size=80))
def test_any_server_name_is_a_name_or_refused(text):
    try:
        name = profiles._general_name(text)
    except InvalidFacts:
        return
    assert str(name.value) and x509.SubjectAlternativeName([name]).public_bytes()
