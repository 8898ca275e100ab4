"""A cluster's own application credential, as phases: made, found again, exchanged, gone with the cluster.

Keystone tells the secret once. A conductor that dies before it has sealed it leaves a credential that nobody
can use: the next one finds it by its name, removes it and makes another.
"""

import json

from magnum_lite.cloud.credentials import CredentialExists, CredentialRefused, Credentials
from magnum_lite.cloud.inventory import Thing
from magnum_lite.conductor.outcome import DONE, Failed, Outcome, Wait
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.work import Work
from magnum_lite.db import certificates, events
from magnum_lite.db.rows import Row
from magnum_lite.drivers import registry
from magnum_lite.drivers.contract import ClusterSpec
from magnum_lite.errors import Unavailable
from magnum_lite.models import access
from magnum_lite.pki.sealing import SealContext

NAME = "cloud-credential"


def ensure_credential(work: Work) -> Outcome:
    """There is one of the wanted number, and its secret is sealed here."""
    keystone, rules = work.ports.credentials, work.driver.access(work.spec())
    if keystone is None or not rules:
        return DONE
    name = access.credential_name(work.uuid, work.cluster["credentials_epoch"])
    have = _sealed(work.ports, work.cluster)
    try:
        found = keystone.named(name)
        if have.get("name") == name and have["id"] in {thing.id for thing in found}:
            return DONE
        for thing in found:
            work.extend()  # whoever has lost the lease removes nothing
            keystone.remove(thing.id)
        work.extend()
        made = keystone.make(work.project_id, name, work.ports.conf.cloud_provider.credential_roles, rules)
    except CredentialExists:
        return Wait(1.0, "Keystone has its application credential already; looking again.")
    except CredentialRefused as error:
        return Failed(f"Keystone makes no application credential for it: {error.reason}")
    except Unavailable as error:
        return DONE if _is_closed(work) else Wait(2.0, f"{error.message} Trying again.")
    again = have.get("name") == name or bool(found)
    _keep(work, {"name": name, "id": made.id, "secret": made.secret}, again=again)
    return DONE


def _is_closed(work: Work) -> bool:
    """Nobody lets the service user into the project: ``ensure_stack`` says so, and how it is mended."""
    try:
        return work.ports.sessions is not None and not work.ports.sessions.may_act_in(work.project_id)
    except Unavailable:
        return False


def _context(cluster_id: str) -> SealContext:
    return SealContext("secret", cluster_id, NAME)


def _keep(work: Work, whole: dict[str, str], *, again: bool) -> None:
    context = _context(work.uuid)
    sealed = work.ports.sealer.seal(json.dumps(whole).encode(), context)
    how = "was made anew: the one before was lost" if again else "was made"
    with work.write(credential_id=whole["id"]) as connection:
        certificates.put_secret(connection, work.uuid, NAME, sealed)
        events.add(connection, work.cluster, "certificate", f"Its application credential {how}.")


def _sealed(ports: Ports, cluster: Row) -> dict[str, str]:
    """name, id and secret; {} if there is none."""
    with ports.database.read() as connection:
        sealed = certificates.get_secret(connection, cluster["uuid"], NAME)
    if sealed is None:
        return {}
    found: dict[str, str] = json.loads(ports.sealer.unseal(sealed, _context(cluster["uuid"])))
    return found


def secrets(ports: Ports, cluster: Row, spec: ClusterSpec, role: str) -> dict[str, str]:
    """What a node of this role is given at enrolment."""
    driver = registry.get(cluster["coe"])
    has = cluster["credential_id"] and driver.access(spec)
    have = _sealed(ports, cluster) if has else {}
    return driver.cloud_secrets(spec, role, have.get("id", ""), have.get("secret", ""))


def end_credentials(work: Work) -> Outcome:
    """Done when no other is left: those from before an exchange go once all use the new one, and the last
    one when nothing needs it any more.
    """
    keystone, spec = work.ports.credentials, work.spec()
    wanted = bool(work.driver.access(spec))
    first = wanted and work.cluster["credentials_epoch"] == 1  # the name of the only one can't be given twice
    if keystone is None or not work.cluster["credential_id"] or first:
        return DONE
    try:
        others = [t for t in _of(keystone, work.uuid) if not wanted or t.id != spec.credential_id]
        if others and wanted and not work.driver.uses_credential(spec, work.members()):
            busy = work.ports.conf.conductor.busy_interval
            return Wait(busy, "Waiting for the masters to take up the new application credential.")
        for thing in others:
            work.extend()
            keystone.remove(thing.id)
    except Unavailable as error:
        return Wait(2.0, f"{error.message} Trying again.")
    if not wanted:
        _forget(work)
    elif others:
        work.tell("certificate", "The application credential from before is gone from Keystone.")
    return DONE


def _forget(work: Work) -> None:
    with work.write(credential_id=None) as connection:
        certificates.drop_secret(connection, work.uuid, NAME)
        message = "Its application credential is gone: nothing needs it any more."
        events.add(connection, work.cluster, "certificate", message)


def _of(keystone: Credentials, cluster_uuid: str) -> list[Thing]:
    return [thing for thing in keystone.all() if access.cluster_of(thing.name) == cluster_uuid]


def ensure_credentials_gone(work: Work) -> Outcome:
    """Of a cluster whose stack is gone: none is left in Keystone, known here or not. Most clusters never had
    one, and Keystone is not asked for them.
    """
    keystone = work.ports.credentials
    if keystone is None or not (work.cluster["credential_id"] or work.driver.access(work.spec())):
        return DONE
    try:
        for thing in _of(keystone, work.uuid):
            work.extend()
            keystone.remove(thing.id)
    except Unavailable as error:
        return Wait(2.0, f"{error.message} Trying again.")
    return DONE
