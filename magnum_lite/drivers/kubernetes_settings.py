"""What Kubernetes' nodes run, in which versions, with which settings; and the cluster's add-ons."""

import functools
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from magnum_lite import paths
from magnum_lite.drivers import kubernetes_cloud as cloud
from magnum_lite.drivers import user_data
from magnum_lite.drivers.contract import MASTER, WORKER, ClusterSpec
from magnum_lite.drivers.kubernetes_nodes import names, service_address
from magnum_lite.models import labels

# What goes with every Kubernetes that is offered; doc/kubernetes-mirror.rst has the addresses.
VERSIONS: Mapping[str, str] = {
    "ETCD_VERSION": "v3.6.16",
    "CONTAINERD_VERSION": "v2.3.7",
    "RUNC_VERSION": "v1.4.4",
    "CNI_VERSION": "v1.9.1",
}
PAUSE = "registry.k8s.io/pause:3.10.2"

_BOTH = (
    "node/boot.sh",
    "node/door.sh",
    "node/magnum-lite-agent",
    "node/volume.sh",
    "kubernetes/node/programs.sh",
    "kubernetes/node/images.sh",
    "kubernetes/node/host.sh",
    "kubernetes/node/kube.sh",
    "kubernetes/node/kubernetes.sh",
    "kubernetes/node/kubernetes-duties.sh",
    "kubernetes/node/node.sh",
)
_UNITS = (
    "kubernetes/node/kubernetes@.service",
    "node/magnum-lite-boot.service",
    "node/magnum-lite-agent.service",
    "node/magnum-lite-agent.timer",
)
MACHINES: Mapping[str, user_data.Machine] = {
    MASTER: user_data.Machine(
        (
            *_BOTH,
            "kubernetes/node/control-plane.sh",
            "kubernetes/node/keystone.sh",
            "kubernetes/node/keystone-webhook.py",
        ),
        (*_UNITS, "kubernetes/node/keystone-webhook.service"),
        (("etcd-volume", "__ETCD_VOLUME__"),),
    ),
    WORKER: user_data.Machine(
        (*_BOTH, "kubernetes/node/api-proxy.py"), (*_UNITS, "kubernetes/node/api-proxy.service")
    ),
}
_IMAGE = re.compile(r"(?m)^(\s*(?:- )?image: )(\S+)$")


def settings(spec: ClusterSpec, role: str) -> dict[str, str]:
    """``node.env`` of masters or workers."""

    def label(name: str) -> str:
        return labels.value_of(spec.labels, name) or ""

    return {
        **user_data.settings(spec, role),
        "COE": "kubernetes",
        "CERTIFICATES": " ".join(names(spec, role)),
        "DATA_DIR": "/var/lib/containerd",
        "KUBE_TAG": label("kube_tag"),
        "KUBE_MIRROR": label("kube_mirror").rstrip("/"),
        **VERSIONS,
        "PAUSE_IMAGE": image(PAUSE, label("container_infra_prefix")),
        "PODS_CIDR": label("pods_network_cidr"),
        "SERVICE_RANGE": label("service_cluster_ip_range"),
        "DNS_ADDRESS": service_address(spec, 10),
        "CGROUP_DRIVER": label("cgroup_driver"),
        "CLOUD_PROVIDER": "external" if cloud.enabled(spec, "cloud_provider_enabled") else "",
        **_keystone(spec),
    }


def _keystone(spec: ClusterSpec) -> dict[str, str]:
    """Whose tokens masters take, and where they ask; empty: nobody's."""
    wanted = spec.cloud if cloud.enabled(spec, "keystone_auth_enabled") else None
    if wanted is None:
        return {"KEYSTONE_PROJECT": "", "KEYSTONE_URL": ""}
    return {"KEYSTONE_PROJECT": spec.project_id, "KEYSTONE_URL": wanted.auth_url}


def image(reference: str, prefix: str) -> str:
    """An image of the bay's own, where the operator has it: the prefix takes the place of the registry and
    of the path but for its end, as upstream Magnum's does.
    """
    return f"{prefix.rstrip('/')}/{reference.rpartition('/')[2]}" if prefix else reference


def addons(spec: ClusterSpec) -> dict[str, Any]:
    """``manifests`` of what every cluster has: network, DNS, metrics, roles, the default StorageClass; and of
    what this one has besides. ``apis``: deployment in kube-system → manifest of the part of the API that it
    serves; ``credential``: the id of that which its programs use; ``digest`` names all of it.
    """
    prefix = labels.value_of(spec.labels, "container_infra_prefix") or ""
    text = _texts(cloud.addon_directories(spec))
    for word, value in cloud.fillings(spec).items():
        text = text.replace(word, value)
    text = text.replace("%PODS_CIDR%", labels.value_of(spec.labels, "pods_network_cidr") or "")
    text = text.replace("%DNS_IP%", service_address(spec, 10)).replace("%DNS_DOMAIN%", "cluster.local")
    text = _IMAGE.sub(lambda found: found[1] + image(found[2], prefix), text)
    all_of_it = "\0".join((text, *(part for pair in sorted(_apis().items()) for part in pair)))
    told = {"credential": spec.credential_id} if cloud.access(spec) else {}
    return {
        "manifests": text,
        "apis": _apis(),
        "digest": hashlib.sha256(all_of_it.encode()).hexdigest(),
        **told,
    }


@functools.cache
def _texts(directories: tuple[str, ...]) -> str:
    root = paths.heat_templates() / "kubernetes" / "addons"
    found = [path for name in (".", *directories) for path in sorted((root / name).glob("*.yaml"))]
    return "\n---\n".join(path.read_text() for path in found)


@functools.cache
def _apis() -> Mapping[str, str]:
    found = (paths.heat_templates() / "kubernetes" / "addons" / "apis").glob("*.yaml")
    return {path.stem: path.read_text() for path in found}
