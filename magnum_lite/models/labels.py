"""The label registry: which labels a cluster can have, their types, and what they do.

A label that is not here is kept and returned (existing templates carry dozens) and warned about.
One entry a label; nothing else in the tree says what a label means.
"""

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Literal

from magnum_lite.models.fields import MAX_COUNT, MAX_GIB

Kind = Literal[
    "str", "int", "gib", "count", "bool", "cidr", "cidrs", "map", "url", "ports", "auth", "version", "prefix",
    "zones",
]  # fmt: skip
Feeds = Literal["heat", "node", "service", "nothing"]

ALL = frozenset({"swarm", "kubernetes"})
SWARM = frozenset({"swarm"})
KUBERNETES = frozenset({"kubernetes"})

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
OWN_PREFIXES = ("org.openstack.magnum.", "magnum.openstack.org/")
# What a kubelet may set on its own node: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
_OPEN_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_OPEN_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone",
                "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os")  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[\w./-]*)?")
_URL = re.compile(r"https?://[^\s'\"\\\x00-\x1f\x7f`$]+")
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:-[a-z0-9.]{1,30})?")
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?")
_ZONE = re.compile(r"[^\s,:\x00-\x1f\x7f]{1,255}")  # Nova takes a host after a colon
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?")


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
        _READERS[label.kind](value)
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


def parse_zones(text: str) -> tuple[str, ...]:
    """Names of availability zones, in their order. Raises ValueError."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(_ZONE.fullmatch(word) for word in found):
        raise ValueError("must be names of availability zones, as az1,az2")
    if len(set(found)) != len(found):
        raise ValueError("names a zone twice")
    return found


def parse_bool(text: str) -> bool:
    """Raises ValueError for anything that is not a usual word for true or false."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"must be true or false, not {text!r}")


def is_true(text: str | None) -> bool:
    """What is no word for true or false is refused elsewhere."""
    try:
        return parse_bool(text or "")
    except ValueError:
        return False


def parse_cidrs(text: str) -> tuple[str, ...]:
    """``10.0.0.0/8, 192.0.2.1`` → its networks, normalised. Raises ValueError."""
    return tuple(str(_cidr(part)) for part in _parts(text))


def parse_ports(text: str) -> tuple[tuple[str, int, int], ...]:
    """``80,8000-8100,53/udp`` → (protocol, first, last); ``none`` → (). Raises ValueError."""
    if text.strip().lower() == "none":
        return ()
    found: list[tuple[str, int, int]] = []
    for part in _parts(text):
        match = _PORTS.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not a port, a range as 8000-8100, or one of them with /udp")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{part!r} is not within 1..65535, first to last")
        found.append((match[3] or "tcp", first, last))
    return tuple(dict.fromkeys(found))


def parse_node_labels(text: str) -> dict[str, str]:
    """``storage=ssd,tier=fast`` → dict. Raises ValueError with the part that is wrong."""
    found: dict[str, str] = {}
    for part in _parts(text):
        key, sign, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if not sign or _LABEL_KEY.fullmatch(key) is None:
            raise ValueError(
                f"{part!r} is not key=value (key: letters, digits, '.', '_', '/', '-', at most 63)"
            )
        if len(value) > 255:
            raise ValueError(f"the value of {key!r} is longer than 255 characters")
        found[key] = value
    return found


def node_label_problem(key: str, value: str) -> str | None:
    """Why a tenant may not set this label of a node."""
    if _LABEL_KEY.fullmatch(key) is None or len(value) > 255:
        return f"{key[:80]!r} is no label (letters, digits, '.', '_', '/', '-', at most 63; its value 255)"
    if key.startswith(OWN_PREFIXES):
        return f"{key} is set by this service itself"
    prefix, slash, _ = key.partition("/")
    owned = re.fullmatch(r"(.+\.)?(kubernetes|k8s)\.io", prefix)
    if slash and owned and prefix not in _OPEN_PREFIXES and key not in _OPEN_LABELS:
        return f"{key} is the engine's own; labels below {prefix} are not for tenants"
    return None


def parse_registry_auth(text: str) -> dict[str, tuple[str, str]]:
    """``registry.example.org=user:password,…`` → host → (user, password). Raises ValueError, whose
    text never holds a password.
    """
    found: dict[str, tuple[str, str]] = {}
    for number, part in enumerate(_parts(text), start=1):
        host, sign, login = part.partition("=")
        user, colon, password = login.partition(":")
        if not (sign and colon and user and password) or _HOST.fullmatch(host) is None:
            raise ValueError(f"entry {number} is not host=user:password")
        found[host] = (user, password)
    return found


def _parts(text: str) -> list[str]:
    return [part for part in (x.strip() for x in text.split(",")) if part]


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, not {text!r}") from None


def _within(most: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _int(text)
        if not 0 <= number <= most:
            raise ValueError(f"must be a {what}, from 0 to {most}")
        return number

    return read


def _cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network in CIDR notation") from None


def _url(text: str) -> str:
    if _URL.fullmatch(text) is None:
        raise ValueError("must be an http:// or https:// URL without spaces or quotes")
    return text


def _version(text: str) -> str:
    if _VERSION.fullmatch(text) is None:
        raise ValueError(f"must be a version as v1.36.3, not {text!r}")
    return text


def _prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        raise ValueError("must be a registry and a path, as registry.example.org/kubernetes")
    return text


_READERS: Mapping[Kind, Callable[[str], object]] = {
    "str": str, "int": _int, "bool": parse_bool, "cidr": _cidr, "cidrs": parse_cidrs, "url": _url,
    "map": parse_node_labels, "ports": parse_ports, "auth": parse_registry_auth, "version": _version,
    "prefix": _prefix, "zones": parse_zones, "gib": _within(MAX_GIB, "size in GiB"),
    "count": _within(MAX_COUNT, "number of nodes"),
}  # fmt: skip
