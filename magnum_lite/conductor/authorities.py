"""The clusters' CAs: made, unsealed and used here and nowhere else."""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from oslo_log import log

from magnum_lite import metrics
from magnum_lite.conductor.ports import Ports
from magnum_lite.db import certificates as db
from magnum_lite.db import events
from magnum_lite.db.rows import Row
from magnum_lite.drivers import registry
from magnum_lite.errors import Conflict
from magnum_lite.models import renewal
from magnum_lite.models.certificate import Purpose
from magnum_lite.pki import authority, facts, profiles
from magnum_lite.pki.csr import VerifiedCSR
from magnum_lite.pki.sealing import SealContext

LOG = log.getLogger(__name__)


def _context(row_id: str, purpose: str) -> SealContext:
    return SealContext("authority", row_id, purpose)


def utc(ports: Ports) -> dt.datetime:
    """Now."""
    return dt.datetime.fromtimestamp(ports.clock(), dt.UTC)


def missing(ports: Ports, cluster: Row) -> list[Purpose]:
    """Purposes that have no CA with the wanted number yet."""
    with ports.database.read() as connection:
        have = db.public_parts(connection, cluster["uuid"])
    there = {r["purpose"] for r in have if r["epoch"] == cluster["ca_epoch"]}
    return [p for p in registry.get(cluster["coe"]).purposes if p.value not in there]


def make(ports: Ports, cluster: Row, purpose: Purpose) -> dict[str, Any]:
    """A new CA as a row, its key sealed. One that follows another is trusted first, and signs later."""
    row_id, epoch = str(uuid.uuid4()), cluster["ca_epoch"]
    keys = ports.conf.certificates
    # Names differ, so that a client which looks for an issuer by name finds the right one of two.
    number = f" {epoch}" if epoch > 1 else ""
    pem, key = authority.create_authority(
        f"{cluster['uuid']} {purpose.value}{number}",
        purpose.value,
        utc(ports),
        dt.timedelta(days=keys.authority_days),
        keys.authority_key_type,
    )
    return {
        "uuid": row_id,
        "cluster_id": cluster["uuid"],
        "purpose": purpose.value,
        "epoch": epoch,
        "state": renewal.INCOMING if epoch > 1 else renewal.ACTIVE,
        "retire_at": None,
        "certificate": pem,
        "sealed_key": ports.sealer.seal(key, _context(row_id, purpose.value)),
        "not_after": facts.describe(pem).not_after.timestamp(),
    }


def _load(
    ports: Ports, cluster: Row, known: Sequence[Row], purpose: Purpose, signs: renewal.Signs
) -> tuple[str, authority.Authority]:
    """The row id of the CA that signs, and the CA with its key. Raises Conflict while it is not made yet."""
    mine = [r for r in known if r["purpose"] == purpose.value]
    row = renewal.signer(mine, signs, cluster["renewal"], ports.clock())
    if row is None:
        raise Conflict("The CA of this cluster is being made; please try again in a moment.")
    key = ports.sealer.unseal(row["sealed_key"], _context(row["uuid"], purpose.value))
    return row["uuid"], authority.Authority.load(purpose.value, row["certificate"], key)


def issue(
    ports: Ports,
    cluster: Row,
    profile: profiles.Profile,
    verified: VerifiedCSR,
    *,
    common_name: str,
    reserved: Collection[str] = (),
    sans: Collection[str] = (),
    lifetime: dt.timedelta | None = None,
    requester: Mapping[str, str | None] | None = None,
    known: Sequence[Row] | None = None,
    signs: renewal.Signs = renewal.Signs.CLIENTS,
    event: str = "",
) -> str:
    """Sign with the CA whose turn it is; what is signed is recorded before and after. ``cluster`` as read
    before its CAs are; ``known`` are they, where they are read already; ``event`` is told when it is done.
    Raises ``pki.errors.PKIError``, Conflict.
    """
    prepared = profiles.prepare(
        profile,
        verified,
        subject_facts=profiles.SubjectFacts(common_name, frozenset(reserved)),
        sans=sans,
        lifetime=lifetime,
    )
    purpose = Purpose(profile.purpose)
    if known is None:
        with ports.database.read() as connection:
            known = db.authorities(connection, cluster["uuid"])
    authority_id, signer = _load(ports, cluster, known, purpose, signs)
    serial, now = authority.new_serial(), utc(ports)
    with ports.database.write() as connection:
        db.intend(
            connection,
            {
                "serial": f"{serial:x}",
                "cluster_id": cluster["uuid"],
                "authority_id": authority_id,
                "purpose": purpose.value,
                "profile": profile.name,
                "subject": prepared.subject_text[:255],
                "sans": list(sans),
                "not_before": now.timestamp(),
                "not_after": min(now + prepared.lifetime, signer.ends).timestamp(),
                **(requester or {}),
            },
        )
    pem = signer.issue(prepared, serial, now)
    with ports.database.write() as connection:
        db.issued(connection, f"{serial:x}", pem)
        if event:
            events.add(connection, cluster, "certificate", event)
    metrics.count("certificates_issued", profile=profile.name)
    who = requester or {}
    LOG.info(
        "certificate issued cluster=%s serial=%x profile=%s user=%s project=%s not_after=%s",
        cluster["uuid"], serial, profile.name, who.get("requester_user"), who.get("requester_project"),
        (now + prepared.lifetime).isoformat(),
    )  # fmt: skip
    ports.notify(
        "certificate", "create", "success", cluster, serial=f"{serial:x}", profile=profile.name, **who
    )
    return pem
