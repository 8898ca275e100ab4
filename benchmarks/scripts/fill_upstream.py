"""The same data in upstream's tables, and the certificates of one cluster made by upstream itself."""

import datetime as dt
import sys
import uuid
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "applications"))
from caller import PROJECT, USER

sys.argv = [sys.argv[0], "--config-file", *sys.argv[1:]]
from magnum import objects  # noqa: E402
from magnum.common import context, service  # noqa: E402
from magnum.conductor.handlers.common import cert_manager  # noqa: E402
from magnum.conf import CONF  # noqa: E402
from magnum.db import migration  # noqa: E402
from magnum.db.sqlalchemy import models  # noqa: E402

TEMPLATES, BATCH = 100, 1000
EPOCH = dt.datetime(2026, 1, 1)  # noqa: DTZ001  as the tables store it
LABELS = {"swarm_strategy": "spread", "docker_version": "20.10", "site": "bench"}


def _template(number):
    return {
        "uuid": str(uuid.UUID(int=number)), "name": f"template-{number:03}", "coe": "kubernetes",
        "image_id": "fedora-atomic-23", "flavor_id": "m1.small", "master_flavor_id": "m1.small", "keypair_id": "key",
        "external_network_id": "public", "labels": LABELS, "project_id": PROJECT, "user_id": USER,
        "cluster_distro": "fedora-atomic", "dns_nameserver": "8.8.8.8", "server_type": "vm", "created_at": EPOCH,
        "registry_enabled": False, "tls_disabled": False, "public": False, "hidden": False,
        "master_lb_enabled": False, "floating_ip_enabled": True, "network_driver": "flannel",
    }  # fmt: skip


def _cluster(number, template):
    ident, stack = str(uuid.UUID(int=(1 << 96) + number)), str(uuid.UUID(int=(2 << 96) + number))
    cluster = {
        "uuid": ident, "name": f"cluster-{number * 7919 % 1000003:07}", "cluster_template_id": template["uuid"],
        "keypair": "key", "labels": LABELS, "project_id": PROJECT, "user_id": USER, "stack_id": stack,
        "status": "CREATE_COMPLETE" if number % 10 else "UPDATE_COMPLETE", "status_reason": "Stack CREATE completed",
        "health_status": "HEALTHY", "health_status_reason": {"api": "ok", "node-0.Ready": "True"},
        "api_address": "https://192.0.2.10:6443", "coe_version": "v1.30", "container_version": "20.10",
        "create_timeout": 60, "flavor_id": "m1.small", "master_flavor_id": "m1.small", "floating_ip_enabled": True,
        "master_lb_enabled": False, "created_at": EPOCH + dt.timedelta(seconds=number * 31 % 86400 * 300),
    }  # fmt: skip
    groups = [
        {
            "uuid": str(uuid.UUID(int=(3 + place << 96) + number)), "name": f"default-{role}", "cluster_id": ident,
            "project_id": PROJECT, "role": role, "is_default": True, "flavor_id": "m1.small", "labels": LABELS,
            "image_id": "fedora-atomic-23", "node_count": 1, "min_node_count": 0, "stack_id": stack,
            "node_addresses": [f"192.0.2.{place + 10}"], "status": "CREATE_COMPLETE", "created_at": EPOCH,
            "node_labels": {}, "node_taints": [],
        }
        for place, role in enumerate(("master", "worker"))
    ]  # fmt: skip
    return cluster, groups


def main(count):
    """Fill the database of the configuration file."""
    service.prepare_service(sys.argv[:3])
    engine = sa.create_engine(CONF.database.connection)
    if engine.dialect.name == "sqlite":
        models.Base.metadata.create_all(engine)  # its migrations don't run there
    else:
        migration.upgrade("head")
    templates = [_template(number) for number in range(1, TEMPLATES + 1)]
    with engine.begin() as connection:
        connection.execute(sa.insert(models.ClusterTemplate.__table__), templates)
        for start in range(0, count, BATCH):
            made = [_cluster(n, templates[n % TEMPLATES]) for n in range(start, min(count, start + BATCH))]
            connection.execute(sa.insert(models.Cluster.__table__), [c for c, _ in made])
            connection.execute(
                sa.insert(models.NodeGroup.__table__), [g for _, groups in made for g in groups]
            )
    who = context.make_context(project_id=PROJECT, user_id=USER, roles=["member"])
    first = objects.Cluster.get_by_uuid(who, str(uuid.UUID(int=1 << 96)))
    cert_manager.generate_certificates_to_cluster(first, context=who)
    first.save()
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE TABLE cluster, nodegroup, cluster_template").close()


if __name__ == "__main__":
    main(int(sys.argv.pop()))
