"""Kubernetes and the cloud that it is in: what a cluster may do there, and what its programs are told of it.

The programs are those of https://github.com/kubernetes/cloud-provider-openstack.
"""

import re
from collections.abc import Iterator

from magnum_lite.drivers.contract import CloudSpec, ClusterSpec
from magnum_lite.errors import Problem
from magnum_lite.models import label_values, labels
from magnum_lite.models.access import Rule, rules

FIXED = ("cloud_provider_enabled", "cinder_csi_enabled", "keystone_auth_enabled")
CONFIG = "cloud-config"
WEBHOOK = "keystone-auth"  # its certificate
_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")

_NODES = ("GET /servers/detail", "GET /servers/*", "GET /flavors/*")
_ADDRESSES = (
    *(f"GET /{noun}{one}" for noun in ("networks", "subnets", "ports") for one in ("", "/*")),
    "GET /extensions",
)
_FLOATING = ("GET POST /floatingips", "GET PUT DELETE /floatingips/*")
_BALANCERS = (
    "GET ",
    *(
        call
        for noun in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")
        for call in (f"POST /lbaas/{noun}", f"PUT DELETE /lbaas/{noun}/*")
    ),
    "POST PUT /lbaas/pools/*/members",
    "PUT DELETE /lbaas/pools/*/members/*",
    "POST /lbaas/l7policies/*/rules",
    "DELETE /lbaas/l7policies/*/rules/*",
)
_ATTACHMENTS = ("POST /servers/*/os-volume_attachments", "DELETE /servers/*/os-volume_attachments/*")
_VOLUMES = (
    *(f"GET POST /{noun}" for noun in ("volumes", "snapshots")),
    *(f"GET /{noun}/detail" for noun in ("volumes", "snapshots")),
    *(f"GET DELETE /{noun}/*" for noun in ("volumes", "snapshots")),
    "POST /volumes/*/action",
)


def enabled(spec: ClusterSpec, name: str) -> bool:
    """One of ``FIXED``. Volumes are the cloud controller manager's companions: it names the servers."""
    if name == "cinder_csi_enabled" and not enabled(spec, "cloud_provider_enabled"):
        return False
    return label_values.is_true(labels.value_of(spec.labels, name))


def access(spec: ClusterSpec) -> tuple[Rule, ...]:
    """Calls of the cloud controller manager and of Cinder's CSI plug-in; none where neither runs."""
    if spec.cloud is None or not enabled(spec, "cloud_provider_enabled"):
        return ()
    found = [*rules(("compute",), _NODES), *rules(("network",), _ADDRESSES)]
    if spec.cloud.balancers:
        found += [*rules(("network",), _FLOATING), *rules(("load-balancer",), _BALANCERS)]
    if enabled(spec, "cinder_csi_enabled"):
        found += [*rules(("compute",), _ATTACHMENTS), *rules(("volumev3", "block-storage"), _VOLUMES)]
    return tuple(found)


def check(spec: ClusterSpec) -> Iterator[Problem]:
    """What makes no sense. Whether any of it is offered is asked for new clusters only."""
    if label_values.is_true(spec.labels.get("cinder_csi_enabled")) and not enabled(
        spec, "cloud_provider_enabled"
    ):
        yield Problem("labels/cinder_csi_enabled", "needs cloud_provider_enabled=true beside it")


def secrets(spec: ClusterSpec, ident: str, secret: str) -> dict[str, str]:
    """Of masters: the programs' configuration, with the credential if there is one, and Keystone's CA."""
    found = {CONFIG: _config(spec, ident, secret)} if ident else {}
    if spec.cloud and spec.cloud.ca_pem and (ident or enabled(spec, "keystone_auth_enabled")):
        found["cloud-ca"] = spec.cloud.ca_pem
    return found


def _config(spec: ClusterSpec, ident: str, secret: str) -> str:
    """cloud.conf, whose options docs/openstack-cloud-controller-manager of the programs' project has."""
    cloud = spec.cloud or CloudSpec(auth_url="")
    told = {
        "auth-url": cloud.auth_url,
        "region": cloud.region,
        "application-credential-id": ident,
        "application-credential-secret": secret,
        "ca-file": "/etc/config/ca.crt" if cloud.ca_pem else "",
    }
    lines = ["[Global]", *(f"{name}={_quoted(value)}" for name, value in told.items() if value)]
    if not cloud.balancers:
        lines += ["[LoadBalancer]", "enabled=false"]
    elif spec.external_network and _UUID.fullmatch(spec.external_network):  # else it looks for one itself
        lines += ["[LoadBalancer]", f"floating-network-id={_quoted(spec.external_network)}"]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def addon_directories(spec: ClusterSpec) -> tuple[str, ...]:
    """Below ``kubernetes/addons``, beside what every cluster has. What is not offered any more is left as it
    is in the cluster.
    """
    found = [] if enabled(spec, "cinder_csi_enabled") else ["local"]
    if spec.cloud is not None:
        wanted = {"cloud": "cloud_provider_enabled", "cinder": "cinder_csi_enabled"}
        wanted |= {"keystone": "keystone_auth_enabled"}
        found += [directory for directory, label in wanted.items() if enabled(spec, label)]
    return tuple(found)


def fillings(spec: ClusterSpec) -> dict[str, str]:
    """What stands for words in the add-ons' texts."""
    return {"%CLUSTER_ID%": spec.uuid, "%CREDENTIAL_ID%": spec.credential_id}
