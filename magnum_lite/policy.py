"""Who may do what: upstream's rule names and defaults (API.md 1.9), with our changes, overridable by
the operator's policy file. Objects of other projects are 404 before any rule is asked; an administrator sees
those of all projects where the rule ``…_all_projects`` says so.
"""

import time
from collections.abc import Callable
from typing import Any

from oslo_policy import opts as policy_opts
from oslo_policy import policy

from magnum_lite.context import Context
from magnum_lite.errors import Forbidden

# Operators' files of upstream name these; "member_user" is a member who made the object.
_BASE = {
    "context_is_admin": "role:admin",
    "admin_api": "rule:context_is_admin",
    "is_user": "user_id:%(user_id)s",
    "admin_or_owner": "rule:context_is_admin or project_id:%(project_id)s",
    "admin_or_user": "rule:context_is_admin or rule:is_user",
    "project_reader": "role:reader and project_id:%(project_id)s",
    "project_member": "role:member and project_id:%(project_id)s",
    "admin_or_project_reader": "rule:context_is_admin or rule:project_reader",
    "admin_or_project_member": "rule:context_is_admin or rule:project_member",
    "admin_or_project_reader_user": "rule:context_is_admin or (rule:project_reader and rule:is_user)",
    "admin_or_project_member_user": "rule:context_is_admin or (rule:project_member and rule:is_user)",
    "project_reader_deny_cluster_user": "rule:project_reader",
    "project_member_deny_cluster_user": "rule:project_member",
    "admin_or_project_reader_deny_cluster_user": "rule:admin_or_project_reader",
    "admin_or_project_member_deny_cluster_user": "rule:admin_or_project_member",
    "admin_or_project_member_user_or_cluster_user": "rule:admin_or_project_member_user",
}
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
_EVERYWHERE = ("get_one", "get_all", "detail", "update", "delete")
_ADMINS = {
    "cluster": (*(f"{verb}_all_projects" for verb in _EVERYWHERE), "upgrade_all_projects"),
    "clustertemplate": (*(f"{verb}_all_projects" for verb in _EVERYWHERE), "publish"),
    "nodegroup": ("get_one_all_projects", "get_all_all_projects"),
    "quota": ("create", "update", "delete", "get_all"),
    "magnum-service": ("get_all",),
}
_WHO = {
    "rule:admin_or_project_member": "Change",
    "rule:admin_or_project_reader": "Read",
    "rule:context_is_admin": "Administer",
}


def list_rules() -> list[Any]:
    """Entry point of oslo.policy's sample generator."""
    rules = [policy.RuleDefault(name, check) for name, check in _BASE.items()]
    for table, (default, word) in zip((_WRITES, _READS, _ADMINS), _WHO.items(), strict=True):
        for noun, verbs in table.items():
            rules += [
                policy.RuleDefault(f"{noun}:{verb}", default, description=f"{word}: {noun} {verb}.")
                for verb in verbs
            ]
    return rules


_FRESH, _LONGEST, _MOST = 1.0, 30.0, 10_000  # seconds, seconds, verdicts


class Policy:
    """The rules in force. oslo.policy looks for changed files and inspects its checks' signatures whenever it
    is asked, which is a third of a small answer. So a verdict is kept until the rules change, which shows
    within a second, and for half a minute at most: a rule may ask somebody else.
    """

    def __init__(self, conf: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._verdicts: dict[tuple[Any, ...], bool] = {}
        self._until = self._fresh_until = 0.0
        self._rules: dict[str, Any] = {}
        policy_opts.set_defaults(conf)
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(list_rules())

    def allows(
        self, context: Context, rule: str, project_id: str | None = None, user_id: str | None = None
    ) -> bool:
        """Whether the caller may; ``project_id`` and ``user_id`` are the object's (default: his own)."""
        verdicts = self._current()
        target = {
            "project_id": context.project_id if project_id is None else project_id,
            "user_id": context.user_id if user_id is None else user_id,
        }
        # All that a rule can look at is in the key.
        key = (rule, *target.values(), context.project_id, context.user_id, context.roles)
        if key not in verdicts:
            verdicts[key] = self._verdict(context, rule, target)
        return verdicts[key]

    def _current(self) -> dict[tuple[Any, ...], bool]:
        """The verdicts that still hold."""
        now = self._clock()
        if now >= self._fresh_until:
            self._fresh_until = now + _FRESH
            self._enforcer.load_rules()
            if self._rules != self._enforcer.rules:
                self._rules, self._until = dict(self._enforcer.rules), now
        if now >= self._until or len(self._verdicts) > _MOST:
            self._verdicts, self._until = {}, now + _LONGEST
        return self._verdicts

    def _verdict(self, context: Context, rule: str, target: dict[str, str]) -> bool:
        # admin implies member implies reader, also where Keystone does not list implied roles
        credentials = context.to_policy()
        roles = set(credentials["roles"])
        if roles & {"admin", "member", "_member_"}:
            roles |= {"member", "reader"}
        return bool(self._enforcer.enforce(rule, target, credentials | {"roles": sorted(roles)}))

    def is_admin(self, context: Context) -> bool:
        """Whether the caller is an administrator of all projects."""
        return self.allows(context, "context_is_admin")

    def check(
        self, context: Context, rule: str, project_id: str | None = None, user_id: str | None = None
    ) -> None:
        """Raise Forbidden unless allowed."""
        if not self.allows(context, rule, project_id, user_id):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")
