"""The label registry: which labels a cluster can have, their types, and what they do.

A label that is not here is kept and returned (existing templates carry dozens) and warned about.
One entry a label; nothing else in the tree says what a label means.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Literal

from magnum_lite.models.label_values import READERS, Kind

Feeds = Literal["heat", "node", "service", "nothing"]

ALL = frozenset({"swarm", "kubernetes"})
SWARM = frozenset({"swarm"})
KUBERNETES = frozenset({"kubernetes"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One known label. ``secret`` values are never put into user data, a template or a log, and an API
    answer shows ``***`` in their place. ``feeds`` says who uses it; ``nothing``: taken, no effect.
    ``needs_cloud``: clusters that set it to true are told of the cloud, where the operator offers that.
    """

    name: str
    kind: Kind
    meaning: str
    default: str | None = None
    coes: frozenset[str] = ALL
    feeds: Feeds = "heat"
    secret: bool = False
    needs_cloud: bool = False
    choices: tuple[str, ...] = ()


_ENTRIES = (
    Label(name="node_labels", kind="map", feeds="service",
          meaning="Labels of the default workers in the engine, key=value,key=value."),
    Label(name="fixed_subnet_cidr", kind="cidr",
          meaning="Range of the bay's own subnet, where the cloud has no default subnet pool."),
    Label(name="ssh_allowed_cidrs", kind="cidrs",
          meaning="From where SSH to the nodes is open; closed if absent."),
    Label(name="published_ports", kind="ports", default="80,443,30000-32767",
          meaning="Ports of the tenant's services that the security group opens, e.g. 80,8000-8100,53/udp;"
                  " 'none' opens nothing."),
    Label(name="docker_volume_type", kind="str",
          meaning="Cinder volume type of the volume for /var/lib/docker."),
    Label(name="availability_zone", kind="str", meaning="Zone of the nodes."),
    Label(name="availability_zones", kind="zones",
          meaning="Zones over which the nodes of each group are spread in turn, as az1,az2,az3;"
                  " availability_zone does not count then."),
    Label(name="nodes_affinity_policy", kind="str", default="soft-anti-affinity",
          choices=("soft-anti-affinity", "anti-affinity", "soft-affinity", "affinity", "none"),
          meaning="Server group policy of managers, and of workers; 'none' makes no server group."),
    Label(name="master_lb_floating_ip_enabled", kind="bool",
          meaning="A floating IP for the masters' load balancer; as floating_ip_enabled if absent."),
    Label(name="master_lb_allowed_cidrs", kind="cidrs",
          meaning="From where the masters' load balancer takes connections; from everywhere if absent."),
    Label(name="api_master_lb_allowed_cidrs", kind="cidrs",
          meaning="The same, as drivers of Cluster API call it; master_lb_allowed_cidrs goes before it."),
    Label(name="octavia_provider", kind="str",
          meaning="Octavia's provider for the masters' load balancer, e.g. amphora or ovn; the cloud's"
                  " default if absent."),
    Label(name="octavia_lb_algorithm", kind="str",
          choices=("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"),
          meaning="How the masters' load balancer chooses one of them; if absent ROUND_ROBIN, with the"
                  " provider ovn SOURCE_IP_PORT."),
    Label(name="octavia_lb_healthcheck", kind="bool", default="true",
          meaning="The masters' load balancer looks whether they answer."),
    Label(name="registry_mirror", kind="url", coes=SWARM, feeds="node",
          meaning="Pull-through mirror of Docker Hub for all nodes."),
    Label(name="registry_auth", kind="auth", coes=SWARM, feeds="service", secret=True,
          meaning="Credentials for private registries, host=user:password,…; given to a node when it enrols,"
                  " for the docker command of its root user."),
    Label(name="kube_tag", kind="version", coes=KUBERNETES, feeds="node", default="v1.36.3",
          meaning="Version of Kubernetes, as v1.36.3; v1.34 and newer are run."),
    Label(name="kube_mirror", kind="url", coes=KUBERNETES, feeds="node",
          meaning="Web server that programs and images come from (doc/kubernetes-mirror.rst); the projects'"
                  " own sites if absent."),
    Label(name="container_infra_prefix", kind="prefix", coes=KUBERNETES, feeds="node",
          meaning="Registry and path that take the place of the public registries for the bay's own images."),
    Label(name="pods_network_cidr", kind="cidr", coes=KUBERNETES, feeds="node", default="10.100.0.0/16",
          meaning="Range of the pods; each node gets a /24 of it."),
    Label(name="service_cluster_ip_range", kind="cidr", coes=KUBERNETES, feeds="node",
          default="10.254.0.0/16", meaning="Range of the services."),
    Label(name="etcd_volume_size", kind="gib", coes=KUBERNETES, default="0",
          meaning="GiB of a Cinder volume at each master for etcd; 0: etcd is on the server's own disk."),
    Label(name="boot_volume_size", kind="gib", default="0",
          meaning="GiB of a Cinder volume that each new node boots from and that goes with it; 0: none."),
    Label(name="boot_volume_type", kind="str",
          meaning="Cinder volume type of these volumes; without boot_volume_size it does nothing."),
    Label(name="cgroup_driver", kind="str", coes=KUBERNETES, feeds="node", choices=("systemd", "cgroupfs"),
          meaning="Of kubelet and containerd; systemd where the image has cgroup v2 if absent."),
    Label(name="cloud_provider_enabled", kind="bool", coes=KUBERNETES, feeds="node", default="false",
          needs_cloud=True, meaning="The bay uses the cloud itself (load balancers, volumes, zones of nodes),"
                                    " by an application credential of its own; fixed for its life."),
    Label(name="cinder_csi_enabled", kind="bool", coes=KUBERNETES, feeds="service", default="true",
          meaning="With cloud_provider_enabled: Cinder's volumes by the default StorageClass; fixed."),
    Label(name="keystone_auth_enabled", kind="bool", coes=KUBERNETES, feeds="node", default="false",
          needs_cloud=True, meaning="The API takes Keystone's tokens for the bay's project; fixed."),
    Label(name="auto_healing_enabled", kind="bool", default="false", feeds="service",
          meaning="Nodes whose server is gone or in ERROR, or that the engine calls down for long, are"
                  " replaced unasked, a share of the bay at a time and masters one at a time."),
    Label(name="auto_scaling_enabled", kind="bool", coes=KUBERNETES, default="false", feeds="service",
          meaning="Node groups with a max_node_count get nodes when pods wait for room, and lose those that"
                  " are idle for long (doc/node-groups.rst). Not together with cluster-autoscaler."),
    Label(name="min_node_count", kind="count", coes=KUBERNETES, default="1", feeds="service",
          meaning="With auto_scaling_enabled: the field min_node_count of a new bay's default workers."),
    Label(name="max_node_count", kind="count", coes=KUBERNETES, feeds="service",
          meaning="The same of max_node_count; one more than the bay begins with if absent."),
    Label(name="cvmfs", kind="bool", default="false", feeds="nothing",
          meaning="CVMFS on the nodes: taken, not offered yet."),
    # What templates of other installations carry. They are taken without a warning and do nothing here.
    Label(name="swarm_strategy", kind="str", coes=SWARM, feeds="nothing",
          meaning="Strategy of classic Swarm; swarm mode spreads."),
    Label(name="rexray_preempt", kind="bool", coes=SWARM, feeds="nothing",
          meaning="REX-Ray: not offered yet."),
    Label(name="flannel_network_cidr", kind="cidr", feeds="nothing",
          meaning="Swarm's overlay networks choose their own ranges."),
    Label(name="flannel_network_subnetlen", kind="int", feeds="nothing", meaning="See flannel_network_cidr."),
    Label(name="flannel_backend", kind="str", feeds="nothing", meaning="See flannel_network_cidr."),
)  # fmt: skip

LABELS: Mapping[str, Label] = {entry.name: entry for entry in _ENTRIES}


def known(coe: str) -> tuple[Label, ...]:
    """Labels that mean something to an engine, by name."""
    return tuple(sorted((x for x in LABELS.values() if coe in x.coes), key=lambda x: x.name))


def check(name: str, value: str) -> str | None:
    """What is wrong with a label's value, in words; None if nothing is or if the label is unknown."""
    label = LABELS.get(name)
    if label is None:
        return None
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
        return "must not contain control characters"
    if label.choices and value not in label.choices:
        return f"must be one of {', '.join(label.choices)}"
    try:
        READERS[label.kind](value)
    except ValueError as error:
        return str(error)
    return None


def suggest(name: str) -> str | None:
    """The known label that an unknown name probably means."""
    close = difflib.get_close_matches(name, LABELS, n=1, cutoff=0.7)
    return close[0] if close else None


def value_of(labels: Mapping[str, str], name: str) -> str | None:
    """A label's value, or the registry's default."""
    return labels.get(name, LABELS[name].default)


def value_for(labels: Mapping[str, str], name: str, coe: str) -> str | None:
    """The same for an engine: None where the label has no effect."""
    return value_of(labels, name) if coe in LABELS[name].coes else None
