"""What a driver is given and how things are named: values only. The port itself is in ``drivers.port``."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from magnum_lite.models.stack import GROUP_PREFIX

MASTER = "master"
WORKER = "worker"

_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")
_MARKED = re.compile(r".*-[0-9a-f]{8}")
SLUG_LENGTH = 20
_WORD_LENGTH = 16
_RESERVED = frozenset({"manager", "master", "worker"})  # in host names, of the default groups


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """Nodes of one role, flavor and image.

    ``role`` is ``master`` or ``worker``: a role in the user's own words is a worker's. ``key`` names the
    group in the stack (see ``group_key``) and ``word`` in its nodes' host names; both are empty for the
    default group of a role. ``labels`` and ``taints`` are the group's own, ``node_labels`` its nodes' in the
    engine. ``docker_volume_size`` is in GiB; None means that the engine keeps its data on the server's own
    disk. ``credentials`` maps an index to ``<node uuid>:<bootstrap token in hex>``, for the nodes that have
    not enrolled yet, and only them. ``surge`` nodes are there beside ``count`` while others are replaced.
    ``kept`` maps an index to ``image``, ``flavor`` and (where it boots from one) ``boot_volume``, for the
    nodes that were made with others than the group's and stay as they are.

    ``removed_indices`` are all indices that were ever taken out of the *stack*; Heat never uses them
    again. An index that the stack never held must not be in it: Heat ignores it then, and will give
    that index to the next new node. The nodes of a group are therefore always
    ``desired_indices(count + surge, removed_indices)``.
    """

    name: str
    role: str
    count: int
    flavor: str
    image: str
    key: str = ""
    word: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    node_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    docker_volume_size: int | None = None
    removed_indices: tuple[int, ...] = ()
    credentials: Mapping[int, str] = dataclasses.field(default_factory=dict)
    surge: int = 0
    kept: Mapping[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def is_default(self) -> bool:
        """Made with the cluster."""
        return not self.key


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DoorSpec:
    """Where nodes find the node door (no trailing slash), and the CA that signed its certificate."""

    url: str
    ca_pem: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CloudSpec:
    """Keystone as nodes reach it, and the CA that signed its certificate; '' where none is needed.
    ``balancers``: the cloud has Octavia.
    """

    auth_url: str
    region: str = ""
    ca_pem: str = ""
    balancers: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """Everything that a stack is made from. ``labels`` are the effective ones (template and cluster).
    ``cloud``: None where clusters are not told of one; ``credential_id`` is that of their own in it.
    ``lb_addresses``: what Heat has said of the masters' load balancer; no stack is made from them.
    """

    uuid: str
    name: str
    stack_name: str
    timeout_mins: int
    groups: tuple[GroupSpec, ...]
    door: DoorSpec
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ssh_public_key: str | None = None
    external_network: str | None = None
    fixed_network: str | None = None
    fixed_subnet: str | None = None
    dns_nameservers: tuple[str, ...] = ()
    floating_ip_enabled: bool = True
    master_lb_enabled: bool = False
    lb_addresses: tuple[str, ...] = ()
    docker_storage_driver: str = "overlay2"
    volume_driver: str | None = None
    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str | None = None
    insecure_registry: str | None = None
    project_id: str = ""
    cloud: CloudSpec | None = None
    credential_id: str = ""

    def group(self, role: str) -> GroupSpec:
        """The default group of a role. Raises KeyError if there is none."""
        for group in self.groups:
            if group.role == role and group.is_default:
                return group
        raise KeyError(role)


def hostname(cluster_uuid: str, cluster_name: str, word: str, index: int, length: int = SLUG_LENGTH) -> str:
    """Name of a node: a DNS label of at most 63 characters, unique by the cluster's uuid and readable
    by its name: ``<slug>-<first 8 of the uuid>-<word>-<index>``. ``word`` is the node group's, or the
    engine's own for the default group of a role; ``length`` is the slug's, of 20 characters at most.
    """
    return f"{hostname_prefix(cluster_uuid, cluster_name, length)}-{word}-{index}"


def hostname_prefix(cluster_uuid: str, cluster_name: str, length: int = SLUG_LENGTH) -> str:
    """The part of ``hostname`` that all nodes of a cluster share."""
    return f"{_slug(cluster_name, length) or 'bay'}-{cluster_uuid[:8].lower()}"


def group_key(uuid: str, name: str) -> str:
    """Name of a node group in the stack: readable by its name, its own by its uuid."""
    return f"{GROUP_PREFIX}{_slug(name) or 'group'}_{uuid[:8].lower()}"


def group_word(uuid: str, name: str) -> str:
    """A node group in its nodes' host names: at most 25 characters. Two groups of a cluster never share it:
    names that are fit for host names are taken as they are, all others are told apart by the uuid.
    """
    slug = _slug(name, _WORD_LENGTH)
    taken = name in _RESERVED or _MARKED.fullmatch(name)
    return name if name == slug and not taken else f"{slug or 'group'}-{uuid[:8].lower()}"


def desired_indices(count: int, removed: tuple[int, ...]) -> tuple[int, ...]:
    """The indices that Heat's resource group will hold, by its own rule: the first ``count`` numbers
    that were never removed.
    """
    found: list[int] = []
    index = 0
    while len(found) < count:
        if index not in removed:
            found.append(index)
        index += 1
    return tuple(found)


def _slug(name: str, length: int = SLUG_LENGTH) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_LABEL.sub("-", plain).strip("-")[:length].strip("-")
