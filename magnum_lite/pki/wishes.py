"""Which wishes of a CSR are harmless, and which ask for more power than its profile gives.

One rule a line, so that the table of refusals can be read, and tested, as a table. python-magnumclient's
``cluster-config`` sends ``CN=admin, O=system:masters`` whatever the COE: ``kubernetes-admin`` gives just
that; to a Docker engine groups mean nothing, so ``docker-client`` lists it under ``harmless_organizations``
and replaces it like any other name. A viewer who sends it is refused.
"""

import re
from collections.abc import Collection

from magnum_lite.pki.csr import VerifiedCSR
from magnum_lite.pki.errors import RequestRefused

MAX_SANS = 100

_CA_USAGES = frozenset({"keyCertSign", "cRLSign"})


# clusters and nodes are named so, in certificates that people do not get
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_system(name: str) -> bool:
    return name.strip().casefold().startswith("system:")


def _plain(name: str) -> str:
    return name.strip().rstrip(".").casefold()


def people(csr: VerifiedCSR) -> set[str]:
    """The identities that a CSR asks for, as `check` compares them with reserved names."""
    return {_plain(name) for name in csr.common_names}


def _check_authority(csr: VerifiedCSR) -> None:
    if csr.ca:
        raise RequestRefused("csr-asks-ca", "The CSR asks for a CA certificate (basicConstraints CA:TRUE).")
    if usages := csr.key_usages & _CA_USAGES:
        text = ", ".join(sorted(usages))
        raise RequestRefused("csr-asks-ca", f"The CSR asks for a certificate authority's key usage ({text}).")
    if csr.unknown_critical:
        oids = ", ".join(csr.unknown_critical[:5])
        reason = f"The CSR has critical extensions that are not supported ({oids}); leave them out."
        raise RequestRefused("csr-unknown-critical", reason)


def _check_usages(csr: VerifiedCSR, profile_name: str, allowed: Collection[str]) -> None:
    if extra := csr.extended_key_usages - set(allowed):
        text = ", ".join(sorted(extra)[:5])
        reason = f"The CSR asks for {text}; a {profile_name} certificate gives {', '.join(allowed)} only."
        raise RequestRefused("csr-asks-usage", reason)


def _check_person(
    csr: VerifiedCSR, harmless_organizations: Collection[str], reserved_names: Collection[str]
) -> None:
    if csr.sans:
        reason = "The CSR asks for subject alternative names; a client certificate has none. Leave them out."
        raise RequestRefused("csr-asks-names", reason)
    for name in csr.organizations:
        if _is_system(name) and name not in harmless_organizations:
            raise RequestRefused("csr-asks-identity", f"The CSR asks for the group {name[:64]!r}.")
    reserved = {name.casefold() for name in reserved_names}
    for name in csr.common_names:
        plain = _plain(name)
        if _is_system(name) or plain in reserved:
            reason = f"The CSR asks for the identity {name[:64]!r}, which belongs to the cluster itself."
            raise RequestRefused("csr-asks-identity", reason)
        if _UUID.fullmatch(plain):
            reason = f"The CSR asks for the identity {name[:64]!r}, which names a cluster or a node."
            raise RequestRefused("csr-asks-identity", reason)


def check(
    csr: VerifiedCSR,
    *,
    profile_name: str,
    extended_key_usages: Collection[str],
    harmless_organizations: Collection[str],
    person: bool,
    reserved_names: Collection[str],
) -> None:
    """Raise `RequestRefused` for the first wish of ``csr`` that goes beyond the profile. A node's CSR
    (``person`` false) may say what it likes about names: the server's record replaces it.
    """
    _check_authority(csr)
    if len(csr.sans) > MAX_SANS:
        reason = f"The CSR asks for {len(csr.sans)} subject alternative names; at most {MAX_SANS} are read."
        raise RequestRefused("csr-too-many-names", reason)
    _check_usages(csr, profile_name, extended_key_usages)
    if person:
        _check_person(csr, harmless_organizations, reserved_names)
