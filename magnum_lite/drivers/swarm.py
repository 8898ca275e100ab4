"""Docker Swarm (swarm mode): one stack of managers and workers, whose Docker API the managers serve
over TLS on 2376.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from magnum_lite.drivers import user_data
from magnum_lite.drivers.contract import MASTER, WORKER, ClusterSpec, GroupSpec, hostname, hostname_prefix
from magnum_lite.errors import Problem
from magnum_lite.models import labels
from magnum_lite.models.stack import GROUP_PREFIX, TAG, NodeFacts, StackFacts, StackRequest, cluster_tag

TEMPLATE = "swarm/cluster.yaml"
API_PORT = 2376
MANAGER_COUNTS = (1, 3, 5)
MAX_GROUPS = 30  # beside the default ones; Heat allows 1,000 resources a stack

_DEFAULTS = {"swarm_masters": (MASTER, ""), "swarm_nodes": (WORKER, "")}

# Why each was dropped: Docker Engine's release notes of 23.0, 24.0 and 25.0.
DROPPED_STORAGE = {"devicemapper": "25.0", "aufs": "24.0", "overlay": "24.0"}
STORAGE = frozenset({"overlay2", "btrfs", "zfs", "vfs", "fuse-overlayfs"})

_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|[0-9.]+/[0-9]{1,2}|\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?")


class SwarmDriver:
    """See ``contract.Driver``."""

    coe = "swarm"

    def check(self, spec: ClusterSpec) -> list[Problem]:
        """All that Swarm can not do for this cluster."""
        return [*_check_groups(spec), *_check_network(spec), *_check_engine(spec), *_check_labels(spec)]

    def stack_request(self, spec: ClusterSpec) -> StackRequest:
        """The whole stack; the user data of each role goes along as a file of its own."""
        return StackRequest(
            name=spec.stack_name,
            template=TEMPLATE,
            parameters=_parameters(spec),
            files={f"user-data-{role}": user_data.render(spec, role) for role in user_data.ROLES},
            tags=(TAG, cluster_tag(spec.uuid)),
            timeout_mins=spec.timeout_mins,
        )

    def facts(self, outputs: Mapping[str, Any]) -> StackFacts:
        """Nodes by group, role and index. A node whose nested stack is not there yet is left out."""
        nodes = [*_nodes(outputs.get("masters"), MASTER), *_nodes(outputs.get("workers"), WORKER)]
        groups = {}
        for key, told in outputs.items():
            if key.startswith(GROUP_PREFIX) and isinstance(told, Mapping):
                if stack := _uuid(told.get("stack")):
                    groups[key] = stack
                nodes += _nodes(told.get("nodes"), WORKER, key)
        first = next((node for node in nodes if node.role == MASTER), None)
        host = (first.floating_address or first.address) if first else None
        # tcp, though it is TLS: the docker command knows no https, and coe cluster config hands it this
        address = f"tcp://{host}:{API_PORT}" if host else None
        return StackFacts(api_address=address, nodes=tuple(nodes), groups=groups)

    def group_of(self, path: str) -> tuple[str, str] | None:
        """By the first resource of the path."""
        first = path.partition("/")[0]
        return (WORKER, first) if first.startswith(GROUP_PREFIX) else _DEFAULTS.get(first)

    def server_names(self, spec: ClusterSpec, node: NodeFacts) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Managers: their host name and ``localhost``; both addresses and the loopback."""
        if node.role != MASTER:
            return (), ()
        names = (hostname(spec.uuid, spec.name, node.role, node.index), "localhost")
        found = (node.floating_address, node.address, "127.0.0.1")
        return names, tuple(address for address in found if address)


def _parameters(spec: ClusterSpec) -> dict[str, Any]:
    def label(name: str) -> str:
        return labels.value_of(spec.labels, name) or ""

    return {
        "name": hostname_prefix(spec.uuid, spec.name),
        **_group_parameters(spec.group(MASTER), one="manager", many="managers"),
        **_group_parameters(spec.group(WORKER), one="worker", many="workers"),
        "node_groups": {group.key: _more(group) for group in spec.groups if not group.is_default},
        "node_group_credentials": {g.key: _credentials(g) for g in spec.groups if not g.is_default},
        "volume_type": label("docker_volume_type"),
        "zone": label("availability_zone"),
        "affinity": label("nodes_affinity_policy"),
        "external_network": spec.external_network or "",
        "floating_ips": bool(spec.floating_ip_enabled and spec.external_network),
        "fixed_network": spec.fixed_network or "",
        "fixed_subnet": spec.fixed_subnet or "",
        "subnet_cidr": label("fixed_subnet_cidr"),
        "dns_nameservers": list(spec.dns_nameservers),
        "ingress_rules": [
            *_ssh_rules(label("ssh_allowed_cidrs")),
            *_port_rules(label("published_ports")),
        ],
    }


def _group_parameters(group: GroupSpec, *, one: str, many: str) -> dict[str, Any]:
    return {
        many: group.count,
        f"{one}_image": group.image,
        f"{one}_flavor": group.flavor,
        f"{one}_volume_size": group.docker_volume_size or 0,
        f"{one}_credentials": _credentials(group),
        f"removed_{many}": _removed(group),
    }


def _credentials(group: GroupSpec) -> dict[str, str]:
    return {str(index): text for index, text in sorted(group.credentials.items())}


def _removed(group: GroupSpec) -> list[str]:
    return [str(index) for index in sorted(group.removed_indices)]


def _more(group: GroupSpec) -> dict[str, Any]:
    """What makes a node group beside the default ones; its own labels hold for it."""
    return {
        "word": group.word,
        "count": group.count,
        "removed": _removed(group),
        "image": group.image,
        "flavor": group.flavor,
        "volume_size": group.docker_volume_size or 0,
        "volume_type": labels.value_of(group.labels, "docker_volume_type") or "",
        "zone": labels.value_of(group.labels, "availability_zone") or "",
        "affinity": labels.value_of(group.labels, "nodes_affinity_policy") or "",
    }


def _ssh_rules(cidrs: str) -> Iterator[dict[str, Any]]:
    for cidr in labels.parse_cidrs(cidrs):
        version = ipaddress.ip_network(cidr).version
        yield {**_rule("tcp", 22, 22), "remote_ip_prefix": cidr, "ethertype": f"IPv{version}"}


def _port_rules(ports: str) -> Iterator[dict[str, Any]]:
    for protocol, first, last in labels.parse_ports(ports):
        yield _rule(protocol, first, last)


def _rule(protocol: str, first: int, last: int) -> dict[str, Any]:
    return {"protocol": protocol, "port_range_min": first, "port_range_max": last}


def _check_groups(spec: ClusterSpec) -> Iterator[Problem]:
    masters = [group for group in spec.groups if group.role == MASTER and group.is_default]
    if len(masters) != 1 or masters[0].count not in MANAGER_COUNTS:
        yield Problem("master_count", "a swarm has 1, 3 or 5 managers: they vote, so an odd number of them")
    if sum(group.role == WORKER and group.is_default for group in spec.groups) != 1:
        yield Problem("nodegroups", "a swarm bay has one default node group of workers")
    more = [group for group in spec.groups if not group.is_default]
    if len(more) > MAX_GROUPS:
        yield Problem(
            "nodegroups", f"a cluster has at most {MAX_GROUPS} node groups beside the two default ones"
        )
    if any(group.role == MASTER for group in more):
        yield Problem("role", "managers are one group: they vote; give this one another role, e.g. worker")
    for group in spec.groups:
        if group.count < 0:
            yield Problem("node_count", "must not be negative")
        if group.taints:
            yield Problem(
                "node_taints",
                f"{group.name}: Swarm has no taints; give the nodes node_labels and place services with "
                "--constraint node.labels.<name>==<value>, or != to keep them away",
            )
        for name, value in group.labels.items() if not group.is_default else ():
            if wrong := labels.check(name, value):
                yield Problem(f"labels/{name}", f"{group.name}: {wrong}")


def _check_network(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.floating_ip_enabled and not spec.external_network:
        yield Problem(
            "floating_ip_enabled", "floating IPs need an external network: give external_network_id"
        )
    if spec.fixed_subnet and not spec.fixed_network:
        yield Problem("fixed_subnet", "needs the network that it belongs to as fixed_network")
    if spec.fixed_network and spec.labels.get("fixed_subnet_cidr"):
        yield Problem(
            "labels/fixed_subnet_cidr", "is of a subnet to be made, and fixed_network names one that exists"
        )
    for address in spec.dns_nameservers:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield Problem("dns_nameserver", f"{address!r} is not an IP address")


def _check_engine(spec: ClusterSpec) -> Iterator[Problem]:
    driver = spec.docker_storage_driver
    if driver in DROPPED_STORAGE:
        yield Problem(
            "docker_storage_driver",
            f"{driver} was removed in Docker Engine {DROPPED_STORAGE[driver]}; overlay2 takes its place",
        )
    elif driver and driver not in STORAGE:
        yield Problem("docker_storage_driver", f"{driver!r} is none of {', '.join(sorted(STORAGE))}")
    if spec.volume_driver:
        yield Problem("volume_driver", f"{spec.volume_driver!r} is not offered for Swarm yet: leave it out")
    for field in ("http_proxy", "https_proxy"):
        if (url := getattr(spec, field)) and (wrong := user_data.proxy_problem(url)):
            yield Problem(field, wrong)
    if spec.no_proxy and (wrong := user_data.text_problem(spec.no_proxy)):
        yield Problem("no_proxy", wrong)
    for registry in (spec.insecure_registry or "").split(","):
        if registry.strip() and _REGISTRY.fullmatch(registry.strip()) is None:
            yield Problem("insecure_registry", f"{registry.strip()!r} is not host, host:port or a network")


def _check_labels(spec: ClusterSpec) -> Iterator[Problem]:
    for name, value in spec.labels.items():
        if wrong := labels.check(name, value):
            yield Problem(f"labels/{name}", wrong)


def _nodes(members: Any, role: str, group: str = "") -> Iterator[NodeFacts]:
    if not isinstance(members, Mapping):
        return
    known = {int(key): value for key, value in members.items() if str(key).isdecimal()}
    for index, value in sorted(known.items()):
        if isinstance(value, Mapping) and (stack := _uuid(value.get("stack"))):
            floating = _address(value.get("floating"))
            # '' says that none is wanted. A node whose floating IP is still to come has no address yet:
            # its certificate must name both.
            complete = floating is not None or value.get("floating") == ""
            yield NodeFacts(
                role=role,
                index=index,
                # A resource that does not exist yet is named by Heat, instead of by its id.
                server_id=_uuid(value.get("server")),
                address=_address(value.get("address")) if complete else None,
                floating_address=floating,
                stack_id=stack,
                group=group,
            )


def _uuid(value: Any) -> str | None:
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None


def _address(value: Any) -> str | None:
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
