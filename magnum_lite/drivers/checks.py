"""What all engines check of a cluster: groups, network, proxies, labels."""

import ipaddress
import itertools
import re
from collections.abc import Iterator, Sequence

from magnum_lite.drivers import user_data
from magnum_lite.drivers.contract import MASTER, WORKER, ClusterSpec
from magnum_lite.errors import Problem
from magnum_lite.models import label_values, labels

MASTER_COUNTS = (1, 3, 5)
MAX_GROUPS = 30  # beside the default ones; Heat allows 1,000 resources a stack

_FIXED = ("external_network", "fixed_network", "fixed_subnet", "floating_ip_enabled", "master_lb_enabled")
# rules of security groups; of the load balancer, what does not make another one
_IN_PLACE = {
    "published_ports", "ssh_allowed_cidrs", "master_lb_allowed_cidrs", "api_master_lb_allowed_cidrs",
    "octavia_lb_algorithm", "octavia_lb_healthcheck",
}  # fmt: skip
FLOATING = "master_lb_floating_ip_enabled"
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?|[0-9.]+/[0-9]{1,2}|\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?")


def groups(spec: ClusterSpec) -> Iterator[Problem]:
    """One group of masters with a number that can vote, one default group of workers, and some more."""
    masters = [group for group in spec.groups if group.role == MASTER and group.is_default]
    if len(masters) != 1 or masters[0].count not in MASTER_COUNTS:
        yield Problem("master_count", "a cluster has 1, 3 or 5 masters: they vote, so an odd number of them")
    if sum(group.role == WORKER and group.is_default for group in spec.groups) != 1:
        yield Problem("nodegroups", "a cluster has one default node group of workers")
    more = [group for group in spec.groups if not group.is_default]
    if len(more) > MAX_GROUPS:
        yield Problem(
            "nodegroups", f"a cluster has at most {MAX_GROUPS} node groups beside the two default ones"
        )
    if any(group.role == MASTER for group in more):
        yield Problem("role", "masters are one group: they vote; give this one another role, e.g. worker")
    for group in spec.groups:
        if group.count < 0:
            yield Problem("node_count", "must not be negative")
        for name, value in group.labels.items() if not group.is_default else ():
            if wrong := labels.check(name, value):
                yield Problem(f"labels/{name}", f"{group.name}: {wrong}")


def overlaps(spec: ClusterSpec, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Labels whose ranges overlap, two at a time."""
    known = {}
    for name in names:
        text = labels.value_of(spec.labels, name)
        if text and labels.check(name, text) is None:
            known[name] = ipaddress.ip_network(text.strip(), strict=False)
    for one, other in itertools.combinations(known, 2):
        if known[one].version == known[other].version and known[one].overlaps(known[other]):
            yield one, other


def network(spec: ClusterSpec) -> Iterator[Problem]:
    """Networks that fit together, proxies, registries."""
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
    for field in ("http_proxy", "https_proxy"):
        if (url := getattr(spec, field)) and (wrong := user_data.proxy_problem(url)):
            yield Problem(field, wrong)
    if spec.no_proxy and (wrong := user_data.text_problem(spec.no_proxy)):
        yield Problem("no_proxy", wrong)
    for registry in (spec.insecure_registry or "").split(","):
        if registry.strip() and _REGISTRY.fullmatch(registry.strip()) is None:
            yield Problem("insecure_registry", f"{registry.strip()!r} is not host, host:port or a network")


def load_balancer(spec: ClusterSpec) -> Iterator[Problem]:
    """What a load balancer before the masters needs."""
    if not spec.master_lb_enabled:
        return
    if spec.fixed_network and not spec.fixed_subnet:
        yield Problem(
            "fixed_subnet", "with master_lb_enabled, fixed_network needs it: the load balancer is there"
        )
    own = labels.value_of(spec.labels, FLOATING)
    if (
        own
        and labels.check(FLOATING, own) is None
        and label_values.parse_bool(own)
        and not spec.external_network
    ):
        yield Problem(
            f"labels/{FLOATING}", "a floating IP needs an external network: give external_network_id"
        )


def fixed(before: ClusterSpec, after: ClusterSpec) -> Iterator[Problem]:
    """What an upgrade can not change: networks, and labels that servers or volumes are made from."""
    for name in _FIXED:
        was, will = getattr(before, name), getattr(after, name)
        if was != will:
            yield Problem(name, stays(was, will))
    for name, label in labels.LABELS.items():
        if label.feeds != "heat" or name in _IN_PLACE:
            continue
        was, will = labels.value_of(before.labels, name), labels.value_of(after.labels, name)
        if was != will:
            yield Problem(f"labels/{name}", stays(was, will))


def stays(was: object, will: object) -> str:
    """Why something is in the way of an upgrade."""
    return (
        f"an upgrade can not change it from {was or 'none'} to {will or 'none'}; make a new cluster instead"
    )


def known_labels(spec: ClusterSpec) -> Iterator[Problem]:
    """Values that their labels can not have."""
    for name, value in spec.labels.items():
        if wrong := labels.check(name, value):
            yield Problem(f"labels/{name}", wrong)
