"""Who may do what: upstream's rule names and defaults (API.md 1.9), with our changes, overridable by
the operator's policy file. Objects of other projects are 404 before any rule is asked.
"""

from typing import Any

from oslo_policy import opts as policy_opts
from oslo_policy import policy

from magnum_lite.context import Context
from magnum_lite.errors import Forbidden

_ADMIN = "rule:context_is_admin"
_MEMBER = "rule:admin_or_member"
_READER = "rule:admin_or_reader"

_BASE = [
    policy.RuleDefault("context_is_admin", "role:admin"),
    policy.RuleDefault(
        "admin_or_member", "rule:context_is_admin or (role:member and project_id:%(project_id)s)"
    ),
    policy.RuleDefault(
        "admin_or_reader", "rule:context_is_admin or (role:reader and project_id:%(project_id)s)"
    ),
    policy.RuleDefault("admin_api", _ADMIN),
]
_WRITES = {
    "cluster": ("create", "update", "delete", "resize", "upgrade", "update_health_status"),
    "clustertemplate": ("create", "update", "delete"),
    "nodegroup": ("create", "update", "delete"),
    "federation": ("create", "update", "delete"),
    "certificate": ("rotate_ca",),
    "credential": ("rotate",),
}
_READS = {
    "cluster": ("get", "get_all", "detail", "events"),
    "clustertemplate": ("get", "get_all", "detail"),
    "nodegroup": ("get", "get_all"),
    "federation": ("get", "get_all", "detail"),
    # ours: any reader may see the CA; what a reader's certificate may do is the profile's business
    "certificate": ("get", "create"),
    "stats": ("get_all",),
    "quota": ("get",),
}
_ADMINS = {
    "cluster": ("get_all_all_projects", "detail_all_projects", "get_one_all_projects"),
    "clustertemplate": ("publish", "get_all_all_projects"),
    "quota": ("create", "update", "delete", "get_all"),
    "magnum-service": ("get_all",),
}


def list_rules() -> list[Any]:
    """Entry point of oslo.policy's sample generator."""
    rules = list(_BASE)
    for table, default in ((_WRITES, _MEMBER), (_READS, _READER), (_ADMINS, _ADMIN)):
        for noun, verbs in table.items():
            rules += [policy.RuleDefault(f"{noun}:{verb}", default) for verb in verbs]
    return rules


class Policy:
    """The rules in force."""

    def __init__(self, conf: Any) -> None:
        policy_opts.set_defaults(conf)
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(list_rules())

    def allows(self, context: Context, rule: str, project_id: str | None = None) -> bool:
        """Whether the caller may; ``project_id`` is the object's (default: his own)."""
        target = {"project_id": context.project_id if project_id is None else project_id}
        # admin implies member implies reader, also where Keystone does not list implied roles
        credentials = context.to_policy()
        roles = set(credentials["roles"])
        if roles & {"admin", "member", "_member_"}:
            roles |= {"member", "reader"}
        return bool(self._enforcer.enforce(rule, target, credentials | {"roles": sorted(roles)}))

    def check(self, context: Context, rule: str, project_id: str | None = None) -> None:
        """Raise Forbidden unless allowed."""
        if not self.allows(context, rule, project_id):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")
