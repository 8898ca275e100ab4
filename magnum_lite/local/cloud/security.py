"""Security groups and their rules: recorded with Neutron's rules and refusals, *not enforced*.

Nothing filters what reaches a node of the local cloud; bays are isolated from each other by the
dockerd's bridges. Each project has a group "default", made when it is first needed.
"""

import ipaddress
from typing import Any

from magnum_lite.local.cloud import attributes
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import bad_request, conflict, not_found
from magnum_lite.local.cloud.networks import stamped, touched
from magnum_lite.local.cloud.store import Record, Store
from magnum_lite.local.cloud.unanswered import MARK

_IDENTITY = (
    "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix",
    "remote_group_id",
)  # fmt: skip


class SecurityGroups:
    """The groups of all projects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def default(self, project: str) -> Record:
        """The project's default group."""
        with self._store.transaction():
            for group in self._store.list("security_group", project):
                if group["name"] == "default":
                    return group
            group = self._made(project, {"name": "default", "description": "Default security group"})
            for ethertype in ("IPv4", "IPv6"):
                self._rule(
                    group, {"direction": "ingress", "ethertype": ethertype, "remote_group_id": group["id"]}
                )
            return group

    def create(self, call: Call, body: dict[str, Any]) -> Record:
        """A new group, which lets everything out. Raises Fault 400, and 409 for the name "default"."""
        if body.get("name") == "default":
            raise conflict("Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
        self.default(call.project)
        with self._store.transaction():
            return self._store.put("security_group", self._made(call.project, body) | MARK)

    def _made(self, project: str, body: dict[str, Any]) -> Record:
        group = self._store.put(
            "security_group", stamped(project, attributes.created("security_group", body))
        )
        for ethertype in ("IPv4", "IPv6"):
            self._rule(group, {"direction": "egress", "ethertype": ethertype})
        return group

    def update(self, record: Record, body: dict[str, Any]) -> Record:
        """Rename a group. Raises Fault 400."""
        return self._store.put("security_group", touched(record, attributes.changed("security_group", body)))

    def delete(self, record: Record) -> None:
        """Remove a group and its rules. Raises Fault 409 for the default one or one in use."""
        with self._store.transaction():
            if record["name"] == "default":
                raise conflict(
                    "Removing default security group not allowed.", "SecurityGroupCannotRemoveDefault"
                )
            if any(record["id"] in port["security_groups"] for port in self._store.list("port")):
                raise conflict(f"Security Group {record['id']} in use.", "SecurityGroupInUse")
            for rule in self.rules(record["id"]):
                self._store.delete("security_group_rule", rule["id"])
            self._store.delete("security_group", record["id"])

    def rules(self, group_id: str) -> list[Record]:
        """The rules of a group."""
        return [
            rule for rule in self._store.list("security_group_rule") if rule["security_group_id"] == group_id
        ]

    def add_rule(self, call: Call, body: dict[str, Any]) -> Record:
        """A new rule. Raises Fault 400, 404, and 409 for one that is there already."""
        values = attributes.created("security_group_rule", body)
        group = call.find("security_group", values["security_group_id"])
        if values["remote_group_id"]:
            call.find("security_group", values["remote_group_id"])
        with self._store.transaction():
            return self._rule(group, body)

    def _rule(self, group: Record, body: dict[str, Any]) -> Record:
        values = attributes.created("security_group_rule", body | {"security_group_id": group["id"]})
        _check(values)
        for rule in self.rules(group["id"]):
            if all(rule[name] == values[name] for name in _IDENTITY):
                raise conflict(
                    f"Security group rule already exists. Rule id is {rule['id']}.", "SecurityGroupRuleExists"
                )
        return self._store.put("security_group_rule", stamped(group["project_id"], values))

    def delete_rule(self, record: Record) -> None:
        """Remove a rule."""
        self._store.delete("security_group_rule", record["id"])

    def resolve(self, call: Call, wanted: list[Any] | None) -> list[str]:
        """Ids of the groups that are wanted by id or, as Nova allows, by name; the default one when
        None. Raises Fault 404.
        """
        default = self.default(call.project)
        if wanted is None:
            return [default["id"]]
        visible = [group for group in self._store.list("security_group") if call.sees(group)]
        found = []
        for ident in wanted:
            named = [group["id"] for group in visible if ident in (group["id"], group["name"])]
            if not named:
                raise not_found("security_group", str(ident))
            found.append(named[0])
        return found


def _check(values: dict[str, Any]) -> None:
    """Raises Fault 400 for a rule that makes no sense."""
    if values["direction"] not in {"ingress", "egress"}:
        raise bad_request(
            f"Invalid input for direction. Reason: '{values['direction']}' is not in ['ingress', 'egress']."
        )
    if values["ethertype"] not in {"IPv4", "IPv6"}:
        raise bad_request(
            f"Invalid input for ethertype. Reason: '{values['ethertype']}' is not in ['IPv4', 'IPv6']."
        )
    protocol, least, most = values["protocol"], values["port_range_min"], values["port_range_max"]
    values["protocol"] = str(protocol).lower() if protocol not in (None, "", "any") else None
    if values["protocol"] in {"tcp", "udp", "sctp", "6", "17", "132"}:
        bounds = [port for port in (least, most) if port is not None]
        if any(not 0 < port <= 65535 for port in bounds) or (len(bounds) == 2 and least > most):
            raise bad_request(
                "For TCP/UDP protocols, port_range_min must be <= port_range_max.",
                "SecurityGroupInvalidPortRange",
            )
    elif values["protocol"] is None and (least or most):
        raise bad_request(
            "Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts"
        )
    if values["remote_ip_prefix"]:
        if values["remote_group_id"]:
            raise bad_request(
                "Only remote_ip_prefix or remote_group_id may be provided.",
                "SecurityGroupRemoteGroupAndRemoteIpPrefix",
            )
        try:
            ipaddress.ip_network(values["remote_ip_prefix"], strict=False)
        except ValueError as error:
            raise bad_request(
                f"'{values['remote_ip_prefix']}' is not a valid CIDR.", "InvalidCIDR"
            ) from error
