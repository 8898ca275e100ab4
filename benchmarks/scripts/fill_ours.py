"""Clusters, templates, node groups, nodes and one cluster's CAs, in this service's tables. Adds clusters up
to the number given.
"""

import datetime as dt
import functools
import sys
import uuid
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "applications"))
from caller import PROJECT, USER

from magnum_lite import config
from magnum_lite.conductor import authorities
from magnum_lite.conductor.wiring import make_ports
from magnum_lite.db import certificates, migrations, schema
from magnum_lite.db.session import Database
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.cluster import Cluster
from magnum_lite.models.cluster_template import ClusterTemplate
from magnum_lite.models.node import Node
from magnum_lite.models.nodegroup import NodeGroup
from magnum_lite.models.views import facts

TEMPLATES, BATCH = 100, 1000
EPOCH = dt.datetime(2026, 1, 1)  # noqa: DTZ001  as the tables store it
LABELS = {"swarm_strategy": "spread", "docker_version": "20.10", "site": "bench"}
LATER = 1e11  # due when nobody measures any more


@functools.cache
def _defaults(model):
    out = {}
    for name, info in model.model_fields.items():
        if facts(info)["stored"]:
            default = info.get_default(call_default_factory=True)
            out[name] = None if "Undefined" in str(default) else default
    return out


def _filled(model, **values):
    return {**_defaults(model), **values}


def _template(number):
    return _filled(
        ClusterTemplate,
        uuid=str(uuid.UUID(int=number)), name=f"template-{number:03}", coe="swarm", image_id="fedora-atomic-23",
        flavor_id="m1.small", master_flavor_id="m1.small", keypair_id="key", external_network_id="public",
        labels=LABELS, project_id=PROJECT, user_id=USER, cluster_distro="fedora-atomic", created_at=EPOCH,
    )  # fmt: skip


def _cluster(number, template):
    ident = str(uuid.UUID(int=(1 << 96) + number))
    kept = {k: v for k, v in template.items() if k != "created_at"}
    cluster = _filled(
        Cluster,
        uuid=ident, name=f"cluster-{number * 7919 % 1000003:07}", cluster_template_id=template["uuid"],
        keypair="key", labels={}, project_id=PROJECT, user_id=USER, coe="swarm", template=kept,
        stack_name=f"stack-{number}", stack_id=str(uuid.UUID(int=(2 << 96) + number)),
        status="CREATE_COMPLETE" if number % 10 else "UPDATE_COMPLETE", status_reason="Stack CREATE completed",
        health_status="HEALTHY", health_status_reason={"api": "ok", "node-0.Ready": "True"},
        api_address="https://192.0.2.10:2376", coe_version="20.10", container_version="20.10",
        observed_generation=1, applied_generation=1, next_sync=LATER,
        created_at=EPOCH + dt.timedelta(seconds=number * 31 % 86400 * 300),
    )  # fmt: skip
    groups, nodes = [], []
    for place, (name, role) in enumerate((("default-master", "master"), ("default-worker", "worker"))):
        group_id = str(uuid.UUID(int=(3 + place << 96) + number))
        groups.append(
            _filled(
                NodeGroup,
                uuid=group_id,
                name=name,
                cluster_id=ident,
                project_id=PROJECT,
                role=role,
                is_default=True,
                flavor_id="m1.small",
                image_id="fedora-atomic-23",
                status="CREATE_COMPLETE",
                created_at=EPOCH,
            )  # fmt: skip
        )
        nodes.append(
            _filled(
                Node,
                uuid=str(uuid.UUID(int=(5 + place << 96) + number)),
                cluster_id=ident,
                nodegroup_id=group_id,
                role=role,
                index=0,
                hostname=f"node-{number}-{place}",
                address=f"10.0.0.{place + 5}",
                floating_address=f"192.0.2.{place + 10}",
                state="ready",
                token_hash="-",
                created_at=EPOCH,
            )  # fmt: skip
        )
    return cluster, groups, nodes


def main(path, count):
    """Fill the database of the configuration file."""
    conf = config.load(["--config-file", path])
    database = Database(conf.database.connection)
    migrations.upgrade(database)
    templates = [_template(number) for number in range(1, TEMPLATES + 1)]
    with database.write() as connection:
        have = connection.execute(sa.select(sa.func.count()).select_from(schema.cluster)).scalar_one()
        if not have:
            connection.execute(schema.cluster_template.insert(), templates)
    for start in range(have, count, BATCH):
        made = [_cluster(n, templates[n % TEMPLATES]) for n in range(start, min(count, start + BATCH))]
        with database.write() as connection:
            connection.execute(schema.cluster.insert(), [c for c, _, _ in made])
            connection.execute(schema.nodegroup.insert(), [g for _, groups, _ in made for g in groups])
            connection.execute(schema.node.insert(), [n for _, _, nodes in made for n in nodes])
    if not have and conf.certificates.kek_file:
        ports = make_ports(conf)
        with database.write() as connection:
            first = dict(
                connection.execute(sa.select(schema.cluster).order_by(schema.cluster.c.id)).mappings().first()
            )
            for purpose in (Purpose.CLUSTER, Purpose.NODE):
                certificates.insert_authority(connection, authorities.make(ports, first, purpose))
    with database.engine.connect() as connection:  # what every database does by itself in the long run
        analyze = {"sqlite": "ANALYZE", "postgresql": "ANALYZE"}.get(connection.dialect.name)
        tables = "cluster, nodegroup, node, cluster_template"
        connection.exec_driver_sql(analyze or f"ANALYZE TABLE {tables}").close()
        connection.commit()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
