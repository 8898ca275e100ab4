"""Which certificates exist and what each may carry.

A profile decides subject, names, usages and lifetime; a CSR contributes its public key and nothing else.
What it asks for besides is treated in one of two ways:

* harmless wishes are replaced silently (documented client sessions send them): any CN or O of a person,
  the profile's own extended key usages, the usual key usages;
* wishes for more power are refused with the reason (`wishes.check`): a CSR that asks to be a CA, a server,
  a node or a member of ``system:masters`` was not made for this certificate.
"""

import dataclasses
import datetime as dt
import ipaddress
import re
from collections.abc import Collection

from cryptography import x509
from cryptography.x509.oid import NameOID

from magnum_lite.pki import wishes
from magnum_lite.pki.csr import VerifiedCSR
from magnum_lite.pki.errors import InvalidFacts, RequestRefused
from magnum_lite.pki.keys import CertifiableKey

# ub-common-name, RFC 5280 appendix A.1; cryptography counts bytes of UTF-8, so we do as well.
MAX_COMMON_NAME = 64
MAX_SANS = wishes.MAX_SANS

_YEAR = dt.timedelta(days=365)
_DNS = re.compile(
    r"(?=.{1,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WITNESS = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate. ``purpose`` names the authority that may sign it. The CN comes from the
    server's facts; ``organizations`` are the profile's own, ``harmless_organizations`` are ``system:`` groups
    that a CSR may name without getting them. ``server_names``: SANs are given by the server
    (what the CSR says of names is then ignored); without it there are none. ``person``: the requester is
    a tenant, whose CSR may not name nodes or system groups.
    """

    name: str
    purpose: str
    extended_key_usages: tuple[str, ...]
    organizations: tuple[str, ...] = ()
    harmless_organizations: tuple[str, ...] = ()
    server_names: bool = False
    person: bool = True
    default_lifetime: dt.timedelta = _YEAR
    max_lifetime: dt.timedelta = 2 * _YEAR


DOCKER_CLIENT = Profile(
    "docker-client", "cluster", ("clientAuth",), harmless_organizations=("system:masters",)
)
# serverAuth only: with clientAuth a manager's certificate would open every other manager's Docker API.
DOCKER_SERVER = Profile("docker-server", "cluster", ("serverAuth",), server_names=True, person=False)
NODE_IDENTITY = Profile("node-identity", "node", ("clientAuth",), person=False)
KUBERNETES_ADMIN = Profile("kubernetes-admin", "cluster", ("clientAuth",), ("system:masters",))
KUBERNETES_VIEWER = Profile("kubernetes-viewer", "cluster", ("clientAuth",), ("magnum-lite:viewers",))
# The API servers and the kubelets. serverAuth only: none of them is a client by this certificate.
KUBERNETES_SERVER = Profile("kubernetes-server", "cluster", ("serverAuth",), server_names=True, person=False)
# CN system:node:<name>; the node authorizer and NodeRestriction know a kubelet by both.
KUBELET = Profile("kubelet", "cluster", ("clientAuth",), ("system:nodes",), person=False)
# CN system:kube-…: users that Kubernetes' own roles are bound to.
KUBERNETES_COMPONENT = Profile("kubernetes-component", "cluster", ("clientAuth",), person=False)
KUBELET_CALLER = Profile(
    "kubelet-caller", "cluster", ("clientAuth",), ("magnum-lite:kubelet-api",), person=False
)
# A master applies add-ons; it holds etcd, so this gives it no power that it has not got.
KUBERNETES_MASTER = Profile(
    "kubernetes-master", "cluster", ("clientAuth",), ("system:masters",), person=False
)
# Members are each other's clients, and a member's gateway is its own client.
ETCD_MEMBER = Profile("etcd-member", "etcd", ("serverAuth", "clientAuth"), server_names=True, person=False)
ETCD_CLIENT = Profile("etcd-client", "etcd", ("clientAuth",), person=False)
FRONT_PROXY = Profile("front-proxy", "front-proxy", ("clientAuth",), person=False)

PROFILES = {
    profile.name: profile
    for profile in (
        DOCKER_CLIENT,
        DOCKER_SERVER,
        NODE_IDENTITY,
        KUBERNETES_ADMIN,
        KUBERNETES_VIEWER,
        KUBERNETES_SERVER,
        KUBELET,
        KUBERNETES_COMPONENT,
        KUBELET_CALLER,
        KUBERNETES_MASTER,
        ETCD_MEMBER,
        ETCD_CLIENT,
        FRONT_PROXY,
    )
}


@dataclasses.dataclass(frozen=True, slots=True)
class SubjectFacts:
    """Who the certificate is for, from the server's own record. ``reserved_names`` are names that no tenant
    may ask for, those of the cluster's nodes.
    """

    common_name: str
    reserved_names: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedCertificate:
    """All of a certificate but issuer, serial and dates; only `prepare` makes one."""

    profile: Profile
    public_key: CertifiableKey
    subject: x509.Name
    sans: tuple[x509.GeneralName, ...]
    lifetime: dt.timedelta
    witness: dataclasses.InitVar[object] = None

    def __post_init__(self, witness: object) -> None:
        """Refuse any maker but `prepare`."""
        if witness is not _WITNESS:
            raise TypeError("a PreparedCertificate is made by magnum_lite.pki.profiles.prepare only")

    @property
    def subject_text(self) -> str:
        """The subject as RFC 4514 writes it, for the record that is stored before signing."""
        return self.subject.rfc4514_string()


def subject_name(common_name: str, organizations: Collection[str] = ()) -> x509.Name:
    """Build a subject; raises `InvalidFacts` if the CN is empty, longer than 64 bytes of UTF-8 or has
    control characters.
    """
    if not 1 <= len(common_name.encode("utf-8", "replace")) <= MAX_COMMON_NAME or _CONTROL.search(
        common_name
    ):
        reason = f"A certificate's common name must have 1 to {MAX_COMMON_NAME} printable bytes."
        raise InvalidFacts("common-name", reason)
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not _DNS.fullmatch(text):
        raise InvalidFacts("san", f"{text!r} is neither an IP address nor a DNS name.")
    return x509.DNSName(text)


def _general_names(profile: Profile, sans: Collection[str]) -> tuple[x509.GeneralName, ...]:
    if bool(sans) != profile.server_names:
        need = "needs" if profile.server_names else "has no"
        raise InvalidFacts("san", f"A {profile.name} certificate {need} subject alternative names.")
    if len(sans) > MAX_SANS:
        raise InvalidFacts("san", f"A certificate has at most {MAX_SANS} subject alternative names.")
    return tuple(_general_name(text) for text in dict.fromkeys(sans))


def _lifetime(profile: Profile, wish: dt.timedelta | None) -> dt.timedelta:
    lifetime = profile.default_lifetime if wish is None else wish
    if not dt.timedelta(0) < lifetime <= profile.max_lifetime:
        days = profile.max_lifetime.days
        raise RequestRefused("lifetime", f"A {profile.name} certificate is valid for at most {days} days.")
    return lifetime


def prepare(
    profile: Profile,
    verified: VerifiedCSR,
    *,
    subject_facts: SubjectFacts,
    sans: Collection[str] = (),
    lifetime: dt.timedelta | None = None,
) -> PreparedCertificate:
    """Decide what a certificate of ``profile`` for this CSR's key will say.

    ``sans`` are DNS names and IP addresses from the server's record, for profiles with names. Raises
    `RequestRefused` if the CSR asks for more power than the profile gives or the lifetime is longer than
    its maximum, `InvalidFacts` if the server's own facts can't be written into a certificate.
    """
    wishes.check(
        verified,
        profile_name=profile.name,
        extended_key_usages=profile.extended_key_usages,
        harmless_organizations=(*profile.organizations, *profile.harmless_organizations),
        person=profile.person,
        reserved_names=subject_facts.reserved_names,
    )
    return PreparedCertificate(
        profile=profile,
        public_key=verified.public_key,
        subject=subject_name(subject_facts.common_name, profile.organizations),
        sans=_general_names(profile, sans),
        lifetime=_lifetime(profile, lifetime),
        witness=_WITNESS,
    )
