"""Kubernetes: masters and workers whose programs run plainly under systemd, used with kubectl on 6443.

Plain processes, as k0s has them, and no kubeadm: each certificate comes through the node door by its purpose,
so there is no CA key on any machine for kubeadm to work with; nothing waits for images before the API
answers; and a control plane that is not made of pods is restarted, watched and read (``systemctl``,
``journalctl``) as anything else on the machine.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from magnum_lite.drivers import checks, stack, user_data
from magnum_lite.drivers import kubernetes_cloud as cloud
from magnum_lite.drivers import kubernetes_nodes as nodes
from magnum_lite.drivers.contract import MASTER, WORKER, ClusterSpec
from magnum_lite.drivers.kubernetes_settings import MACHINES, addons, settings
from magnum_lite.drivers.port import NodeCertificate, Row, SecretKind, Versions
from magnum_lite.errors import Problem
from magnum_lite.models import labels
from magnum_lite.models.access import Rule
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.stack import StackFacts, StackRequest

TEMPLATE = "kubernetes/cluster.yaml"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_WORD = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)  # of labels and taints: a name, a value
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
OLDEST = (1, 34)  # anything older lacks what the nodes' settings use

_DEFAULTS = {"kube_masters": (MASTER, ""), "kube_minions": (WORKER, "")}


class KubernetesDriver:
    """See ``port.Driver``."""

    coe = "kubernetes"
    api_port = 6443
    words: Mapping[str, str] = {MASTER: "master", WORKER: "worker"}
    place = "the cluster"
    purposes: tuple[Purpose, ...] = (Purpose.CLUSTER, Purpose.NODE, Purpose.ETCD, Purpose.FRONT_PROXY)
    member_profile = conductor_profile = "kubernetes-admin"
    reader_profile: str | None = "kubernetes-viewer"
    reader_refused = ""
    steps: tuple[str, ...] = ("boot", "enrol", "engine", "kubernetes", "ready")
    join_tokens = False
    agents_expel = True  # etcd: the node is deleted once its member is
    addressed: tuple[str, ...] = (MASTER, WORKER)
    node_clients = True
    slug_length = 12  # a kubelet is system:node:<host name>, and a common name has 64 characters at most

    def check(self, spec: ClusterSpec) -> list[Problem]:
        """All that can not be done for this cluster."""
        return [
            *checks.groups(spec),
            *checks.network(spec),
            *checks.load_balancer(spec),
            *checks.known_labels(spec),
            *_check_version(spec),
            *_check_ranges(spec),
            *_check_node_words(spec),
            *_check_registries(spec),
            *cloud.check(spec),
        ]

    def check_upgrade(self, before: ClusterSpec, after: ClusterSpec) -> list[Problem]:
        """Ranges stay; versions go up by one minor at a time, and down only within it.
        https://kubernetes.io/releases/version-skew-policy/
        """
        return [*_check_fixed(before, after), *_check_skew(before, after)]

    def stack_request(self, spec: ClusterSpec) -> StackRequest:
        """The whole stack; the user data of each role goes along as a file of its own."""
        data = {r: user_data.render(spec, MACHINES[r], settings(spec, r)) for r in self.words}
        etcd = int(labels.value_of(spec.labels, "etcd_volume_size") or 0)
        return stack.request(spec, TEMPLATE, self.slug_length, data, etcd_volume_size=etcd)

    def facts(self, outputs: Mapping[str, Any]) -> StackFacts:
        """The API is at the load balancer, or at the first master where there is none."""
        return stack.facts(outputs, f"https://{{}}:{self.api_port}")

    def group_of(self, path: str) -> tuple[str, str] | None:
        """By the first resource of the path."""
        return stack.group_of(path, _DEFAULTS)

    def certificates(self, spec: ClusterSpec, node: Row) -> tuple[NodeCertificate, ...]:
        """By purpose: no two programs share one."""
        return nodes.certificates(spec, node)

    def trusts(self, role: str) -> tuple[Purpose, ...]:
        """Workers know nothing of etcd."""
        masters = (Purpose.CLUSTER, Purpose.ETCD, Purpose.FRONT_PROXY)
        return masters if role == MASTER else (Purpose.CLUSTER,)

    def secrets(self, role: str) -> Mapping[str, SecretKind]:
        """What signs service accounts' tokens, and what secrets are encrypted with in etcd."""
        return {"service-account": "ec-key", "encryption": "random"} if role == MASTER else {}

    def access(self, spec: ClusterSpec) -> tuple[Rule, ...]:
        """See ``kubernetes_cloud.access``."""
        return cloud.access(spec)

    def cloud_secrets(self, spec: ClusterSpec, role: str, ident: str, secret: str) -> dict[str, str]:
        """Masters make a Secret of it; no worker ever has it."""
        return cloud.secrets(spec, ident, secret) if role == MASTER else {}

    def uses_credential(self, spec: ClusterSpec, members: Sequence[Row]) -> bool:
        """Every master has it, and the first one has applied it."""
        masters = [m for m in members if m["role"] == MASTER]
        have = all((m["served"] or {}).get("credential") == spec.credential_id for m in masters)
        first = nodes.first_inside(members)
        applied = first is not None and (first["served"] or {}).get("applied") == addons(spec)["digest"]
        return have and applied

    def enrolment(self, spec: ClusterSpec, node: Row, group: Row) -> dict[str, Any]:  # noqa: ARG002
        """What the kubelet says of its node when it registers it."""
        return {"kubelet": nodes.registration(node, group)}

    def labels(self, group: Row) -> dict[str, str]:
        """See ``kubernetes_nodes.marks``."""
        return nodes.marks(group)

    def engine_id(self, node: Row, claimed: str) -> str | None:
        """A node's name is its host name."""
        return claimed if claimed == node["hostname"] else None

    def instructions(
        self,
        node: Row,
        members: Sequence[Row],
        join_token: Callable[[], str | None],  # noqa: ARG002
    ) -> dict[str, Any]:
        """How a node comes in, and where the masters are."""
        return nodes.instructions(node, members)

    def additions(self, spec: ClusterSpec, node: Row, members: Sequence[Row]) -> dict[str, Any]:
        """The cluster's add-ons, for the first master that is inside, if it has others."""
        first = nodes.first_inside(members)
        if first is None or first["uuid"] != node["uuid"]:
            return {}
        made = addons(spec)
        have = (node["served"] or {}).get("addons")
        return {} if have == made["digest"] else {"addons": made}

    def may_renew(self, node: Row, members: Sequence[Row], told: str, now: float) -> bool:
        """See ``kubernetes_nodes.may_renew``."""
        return nodes.may_renew(node, members, told, now)

    def versions(self, reported: Versions) -> dict[str, str | None]:
        """Of the kubelet of a master, which has the version of its API server."""
        container = reported.get("containerd")
        return {
            "coe_version": reported.get("kubernetes"),
            "container_version": container.removeprefix("containerd://") if container else None,
        }


def _check_version(spec: ClusterSpec) -> Iterator[Problem]:
    found = re.match(r"v(\d+)\.(\d+)\.", labels.value_of(spec.labels, "kube_tag") or "")
    if found and (int(found[1]), int(found[2])) < OLDEST:
        yield Problem("labels/kube_tag", f"v{OLDEST[0]}.{OLDEST[1]} and newer are run")


def _check_fixed(before: ClusterSpec, after: ClusterSpec) -> Iterator[Problem]:
    for name in ("pods_network_cidr", "service_cluster_ip_range", "cgroup_driver", *cloud.FIXED):
        was, will = (labels.value_of(spec.labels, name) for spec in (before, after))
        if was != will:
            yield Problem(f"labels/{name}", checks.stays(was, will))


def _check_skew(before: ClusterSpec, after: ClusterSpec) -> Iterator[Problem]:
    tags = [labels.value_of(spec.labels, "kube_tag") or "" for spec in (before, after)]
    found = [re.match(r"v(\d+)\.(\d+)\.", tag) for tag in tags]
    was, will = ((int(f[1]), int(f[2])) if f else (0, 0) for f in found)
    if will[0] != was[0] or not 0 <= will[1] - was[1] <= 1:
        text = f"from {tags[0]} an upgrade goes to v{was[0]}.{was[1]}.* or v{was[0]}.{was[1] + 1}.*"
        yield Problem("labels/kube_tag", f"{text}, not to {tags[1]}")


def _check_node_words(spec: ClusterSpec) -> Iterator[Problem]:
    """A kubelet that is given a label or a taint that Kubernetes does not allow does not start."""
    for group in spec.groups:
        taints = [("node_taints", taint["key"], taint.get("value") or "") for taint in group.taints]
        for field, key, value in (*(("node_labels", *pair) for pair in group.node_labels.items()), *taints):
            prefix, slash, name = key.rpartition("/")
            if _WORD.fullmatch(name) is None or (slash and _DOMAIN.fullmatch(prefix) is None):
                yield Problem(
                    field,
                    f"{group.name}: {key!r} is no such name in Kubernetes: up to 63 letters, digits, '-', "
                    "'_', '.', with a letter or a digit at both ends, and before it, if at all, a domain in "
                    "small letters and a '/'",
                )
            if value and _WORD.fullmatch(value) is None:
                yield Problem(
                    field,
                    f"{group.name}: the value of {key!r} must be up to 63 letters, digits, '-', '_', '.', "
                    "and begin and end with a letter or a digit",
                )


def _check_registries(spec: ClusterSpec) -> Iterator[Problem]:
    for registry in (spec.insecure_registry or "").split(","):
        if "/" in registry:
            yield Problem(
                "insecure_registry",
                f"{registry.strip()!r} is a network: containerd takes host or host:port, one by one",
            )


def _check_ranges(spec: ClusterSpec) -> Iterator[Problem]:
    for one, other in checks.overlaps(
        spec, ("pods_network_cidr", "service_cluster_ip_range", "fixed_subnet_cidr")
    ):
        yield Problem(f"labels/{one}", f"overlaps {other}: pods, services and nodes need ranges of their own")
    if spec.volume_driver and spec.volume_driver != "cinder":
        yield Problem("volume_driver", f"{spec.volume_driver!r} is not offered for Kubernetes: cinder is")
