"""The stack as all engines ask for it and read it: the templates share their parameters and outputs, which
``common/cluster.yaml`` declares.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from magnum_lite.drivers import assembly
from magnum_lite.drivers.contract import (
    MASTER,
    WORKER,
    ClusterSpec,
    GroupSpec,
    desired_indices,
    hostname_prefix,
)
from magnum_lite.models import label_values, labels
from magnum_lite.models.stack import GROUP_PREFIX, TAG, NodeFacts, StackFacts, StackRequest, cluster_tag

_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


def request(
    spec: ClusterSpec, template: str, slug_length: int, user_data: Mapping[str, str], **more: int
) -> StackRequest:
    """The whole stack. ``user_data``, by role, goes along as files of their own; ``more``: parameters that
    not every engine has.
    """
    return StackRequest(
        name=spec.stack_name,
        template=template,
        parameters={**parameters(spec, slug_length), **more},
        files={f"user-data-{role}": text for role, text in user_data.items()},
        tags=(TAG, cluster_tag(spec.uuid)),
        timeout_mins=spec.timeout_mins,
        description=f"Cluster {spec.name} ({spec.uuid}): change it through the cluster, not here.",
    )


def group_of(path: str, default: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """By the first resource of the path; ``default`` are those of the default groups."""
    first = path.partition("/")[0]
    return (WORKER, first) if first.startswith(GROUP_PREFIX) else default.get(first)


def facts(outputs: Mapping[str, Any], address: str) -> StackFacts:
    """Nodes by group, role and index. A node whose nested stack is not there yet is left out.
    ``address``: the engine's API, with ``{}`` in the place of a master's address.
    """
    nodes = [*_nodes(outputs.get("masters"), MASTER), *_nodes(outputs.get("workers"), WORKER)]
    groups = {}
    for key, told in outputs.items():
        if key.startswith(GROUP_PREFIX) and isinstance(told, Mapping):
            if stack := _uuid(told.get("stack")):
                groups[key] = stack
            nodes += _nodes(told.get("nodes"), WORKER, key)
    first = next((node for node in nodes if node.role == MASTER), None)
    host = (first.floating_address or first.address) if first else None
    balancer = _balancer(outputs.get("load_balancer"))
    if balancer is not None:
        host = next(iter(balancer), None)  # a master is no stand-in: addresses of bays don't move
    return StackFacts(
        api_address=address.format(host) if host else None,
        nodes=tuple(nodes),
        lb_addresses=balancer or (),
        groups=groups,
    )


def _balancer(told: Any) -> tuple[str, ...] | None:
    """Addresses of the masters' load balancer, none until all are known; None where there is none."""
    if not isinstance(told, Mapping):
        return None
    address, floating = _address(told.get("address")), _address(told.get("floating"))
    if address is None or (floating is None and told.get("floating") != ""):
        return ()
    return (floating, address) if floating else (address,)


def parameters(spec: ClusterSpec, slug_length: int) -> dict[str, Any]:
    """Of ``common/cluster.yaml``."""

    def label(name: str) -> str:
        return labels.value_of(spec.labels, name) or ""

    return {
        "name": hostname_prefix(spec.uuid, spec.name, slug_length),
        **_group_parameters(spec.group(MASTER), spec.labels, one="manager", many="managers"),
        **_group_parameters(spec.group(WORKER), spec.labels, one="worker", many="workers"),
        "node_groups": {group.key: _more(group) for group in spec.groups if not group.is_default},
        "node_group_credentials": {g.key: _credentials(g) for g in spec.groups if not g.is_default},
        "volume_type": label("docker_volume_type"),
        "boot_volume": assembly.boot_volume_of(spec.labels),
        "affinity": label("nodes_affinity_policy"),
        "external_network": spec.external_network or "",
        "floating_ips": bool(spec.floating_ip_enabled and spec.external_network),
        "balanced": spec.master_lb_enabled,
        "balancer": _balancer_parameters(spec),
        "fixed_network": spec.fixed_network or "",
        "fixed_subnet": spec.fixed_subnet or "",
        "subnet_cidr": label("fixed_subnet_cidr"),
        "dns_nameservers": list(spec.dns_nameservers),
        "ingress_rules": [
            *_ssh_rules(label("ssh_allowed_cidrs")),
            *_port_rules(label("published_ports")),
        ],
    }


def lb_floating(known: Mapping[str, str], *, nodes: bool) -> bool:
    """Whether the masters' load balancer is to have a floating IP; ``nodes``: whether they are."""
    own = labels.value_of(known, "master_lb_floating_ip_enabled")
    return label_values.parse_bool(own) if own else nodes


def _balancer_parameters(spec: ClusterSpec) -> dict[str, Any]:
    """Of ``common/load_balancer.yaml``; of Octavia's providers, ovn has this one algorithm."""

    def label(name: str) -> str:
        return labels.value_of(spec.labels, name) or ""

    provider = label("octavia_provider")
    cidrs = label("master_lb_allowed_cidrs") or label("api_master_lb_allowed_cidrs")
    algorithm = "SOURCE_IP_PORT" if provider == "ovn" else "ROUND_ROBIN"
    return {
        "floating_ip": bool(
            lb_floating(spec.labels, nodes=spec.floating_ip_enabled) and spec.external_network
        ),
        "provider": provider,
        "algorithm": label("octavia_lb_algorithm") or algorithm,
        "health_checks": label_values.parse_bool(label("octavia_lb_healthcheck")),
        "allowed_cidrs": ",".join(label_values.parse_cidrs(cidrs)),
    }


def _group_parameters(group: GroupSpec, known: Mapping[str, str], *, one: str, many: str) -> dict[str, Any]:
    return {
        many: group.count + group.surge,
        f"{one}_image": group.image,
        f"{one}_flavor": group.flavor,
        f"{one}_volume_size": group.docker_volume_size or 0,
        f"{one}_credentials": _credentials(group),
        f"{one}_kept": _kept(group),
        f"{one}_zones": _zones(group, known),
        f"removed_{many}": _removed(group),
    }


def _credentials(group: GroupSpec) -> dict[str, str]:
    return {str(index): text for index, text in sorted(group.credentials.items())}


def _removed(group: GroupSpec) -> list[str]:
    return [str(index) for index in sorted(group.removed_indices)]


def _kept(group: GroupSpec) -> dict[str, dict[str, Any]]:
    return {str(index): dict(made) for index, made in sorted(group.kept.items())}


def _zones(group: GroupSpec, known: Mapping[str, str]) -> dict[str, str]:
    """Index → zone: each in turn, so that a node keeps its own whatever is scaled."""
    if several := labels.value_of(known, "availability_zones"):
        zones = label_values.parse_zones(several)
    else:
        zones = tuple(filter(None, [labels.value_of(known, "availability_zone")]))
    there = desired_indices(group.count + group.surge, group.removed_indices) if zones else ()
    return {str(index): zones[index % len(zones)] for index in there}


def _more(group: GroupSpec) -> dict[str, Any]:
    """What makes a node group beside the default ones; its own labels hold for it."""
    return {
        "word": group.word,
        "count": group.count + group.surge,
        "removed": _removed(group),
        "image": group.image,
        "flavor": group.flavor,
        "kept": _kept(group),
        "volume_size": group.docker_volume_size or 0,
        "volume_type": labels.value_of(group.labels, "docker_volume_type") or "",
        "boot_volume": assembly.boot_volume_of(group.labels),
        "zones": _zones(group, group.labels),
        "affinity": labels.value_of(group.labels, "nodes_affinity_policy") or "",
    }


def _ssh_rules(cidrs: str) -> Iterator[dict[str, Any]]:
    for cidr in label_values.parse_cidrs(cidrs):
        version = ipaddress.ip_network(cidr).version
        yield {**_rule("tcp", 22, 22), "remote_ip_prefix": cidr, "ethertype": f"IPv{version}"}


def _port_rules(ports: str) -> Iterator[dict[str, Any]]:
    for protocol, first, last in label_values.parse_ports(ports):
        yield _rule(protocol, first, last)


def _rule(protocol: str, first: int, last: int) -> dict[str, Any]:
    return {"protocol": protocol, "port_range_min": first, "port_range_max": last}


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
