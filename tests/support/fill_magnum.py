"""Run with OpenStack Magnum's own interpreter: a database by its migrations, rows by its objects, CAs by its own
certificate code. Prints a JSON document with what a test wants to compare.
"""

import contextlib
import json
import sys
import uuid

import magnum.conf
from magnum.common import context as contexts
from magnum.conductor.handlers.common import cert_manager
from magnum.db import migration
from magnum.db.sqlalchemy import api as _api  # noqa: F401  registers its tables

CONF = magnum.conf.CONF
PROJECT, USER = "a" * 32, "b" * 32


def main(url):
    CONF([], project="magnum", default_config_files=[])
    CONF.set_override("connection", url, group="database")
    CONF.set_override("cert_manager_type", "x509keypair", group="certificates")
    migration.upgrade("head")
    from magnum import objects

    objects.register_all() if hasattr(objects, "register_all") else None
    context = contexts.RequestContext(project_id=PROJECT, user_id=USER, is_admin=False)
    out = {"templates": {}, "clusters": {}}

    def template(name, **more):
        values = {
            "uuid": str(uuid.uuid4()), "name": name, "project_id": PROJECT, "user_id": USER, "image_id": "fcos-42",
            "flavor_id": "m1.medium", "master_flavor_id": "m1.small", "keypair_id": "key", "coe": "kubernetes",
            "external_network_id": "public", "network_driver": "calico", "volume_driver": "cinder",
            "dns_nameserver": "8.8.8.8", "docker_storage_driver": "overlay2", "cluster_distro": "fedora-coreos",
            "server_type": "vm", "labels": {"kube_tag": "v1.33.1", "boot_volume_size": "20"}, "public": False,
            "hidden": False, "registry_enabled": False, "tls_disabled": False, "master_lb_enabled": True,
            "floating_ip_enabled": True,
        }  # fmt: skip
        made = objects.ClusterTemplate(context, **(values | more))
        made.create(context)
        out["templates"][name] = made.uuid
        return made

    def cluster(name, model, status="CREATE_COMPLETE", keys=True, groups=True, **more):
        values = {
            "uuid": str(uuid.uuid4()), "name": name, "project_id": PROJECT, "user_id": USER,
            "cluster_template_id": model.uuid, "keypair": "key", "stack_id": str(uuid.uuid4()), "status": status,
            "status_reason": "Stack CREATE completed successfully", "create_timeout": 60,
            "api_address": "https://172.24.4.10:6443", "coe_version": "v1.33.1", "container_version": "1.7",
            "health_status": "HEALTHY", "health_status_reason": {"api": "ok"}, "labels": {"kube_tag": "v1.33.1"},
            "flavor_id": "m1.medium", "master_flavor_id": "m1.small", "docker_volume_size": None,
            "floating_ip_enabled": True, "master_lb_enabled": False, "trust_id": "t" * 32,
            "trustee_user_id": "e" * 32, "trustee_username": "x", "trustee_password": "secret-of-the-trustee",
        }  # fmt: skip
        made = objects.Cluster(context, **(values | more))
        if keys:
            cert_manager.generate_certificates_to_cluster(made, context=context)
        else:
            made.ca_cert_ref = "https://barbican.example/v1/containers/" + str(uuid.uuid4())
        made.create(context)
        if groups:
            for role, count in (("master", 1), ("worker", 3)):
                objects.NodeGroup(
                    context, uuid=str(uuid.uuid4()), name=f"default-{role}", cluster_id=made.uuid,
                    project_id=PROJECT, role=role, node_count=count, min_node_count=1 if role == "master" else 0,
                    max_node_count=None, is_default=True, flavor_id="m1.medium", image_id="fcos-42",
                    labels={"kube_tag": "v1.33.1"}, status=status, version="v1.33.1", docker_volume_size=None,
                    stack_id=made.stack_id, node_addresses=["10.0.0.5"],
                ).create(context)  # fmt: skip
            objects.NodeGroup(
                context, uuid=str(uuid.uuid4()), name="gpu", cluster_id=made.uuid, project_id=PROJECT,
                role="worker", node_count=2, min_node_count=0, max_node_count=5, is_default=False,
                flavor_id="gpu.large", image_id="fcos-42", labels={}, status=status, version="v1.33.1",
                docker_volume_size=20, stack_id=str(uuid.uuid4()), node_addresses=[],
            ).create(context)  # fmt: skip
        out["clusters"][name] = {"uuid": made.uuid, "stack_id": made.stack_id}
        return made

    kubernetes = template("kubernetes")
    swarm = None
    with contextlib.suppress(ValueError):  # later versions know one COE only
        swarm = template("swarm", coe="swarm", volume_driver="rexray", labels={})
        template("mesos", coe="mesos")
    template("odd", docker_volume_size=-1, http_proxy="proxy.example:3128", dns_nameserver="ns.example")
    cluster("prod", kubernetes)
    if swarm is not None:
        cluster("old-swarm", swarm, api_address="tcp://172.24.4.11:2376")
    cluster("failed", kubernetes, status="UPDATE_FAILED")
    cluster("moving", kubernetes, status="UPDATE_IN_PROGRESS")
    cluster("in-barbican", kubernetes, keys=False)
    cluster("no-groups", kubernetes, groups=False)
    objects.Quota(context, project_id=PROJECT, resource="Cluster", hard_limit=7).create(context)
    print(json.dumps(out))


main(sys.argv[1])
