"""Every option of the service, in one place. ``etc/magnum_lite/magnum_lite.conf.sample`` is made
from :func:`list_opts`.
"""

from collections.abc import Sequence
from typing import Any

from oslo_config import cfg, types
from oslo_log import log

DATABASE = [
    cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL: SQLite, MariaDB or PostgreSQL."),
    cfg.IntOpt("pool_size", default=10, min=1, help="Connections kept open per process."),
    cfg.IntOpt("event_retention_days", default=30, min=1, help="How long a deleted cluster's events stay."),
]
API = [
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Listen address (one-machine mode)."),
    cfg.PortOpt("port", default=9511),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Largest page of a list."),
    cfg.IntOpt("max_body_bytes", default=262144, min=1024, help="Larger request bodies get 413."),
    cfg.IntOpt("rpc_timeout", default=20, min=1, help="Seconds to wait for a conductor."),
    cfg.IntOpt("lookup_timeout", default=10, min=1, help="Seconds to wait for Nova, Glance or Neutron."),
    cfg.BoolOpt(
        "health_needs_conductor",
        default=False,
        help="/healthcheck fails while no conductor is up; else workers accept what conductors do later.",
    ),
    cfg.BoolOpt("proxied", default=False, help="Trust X-Forwarded-* headers (a proxy of yours sets them)."),
]
NODE_DOOR = [
    cfg.HostAddressOpt("host", default="127.0.0.1", help="Listen address."),
    cfg.PortOpt("port", default=9512),
    cfg.StrOpt("url", default="https://127.0.0.1:9512", help="Where nodes reach it."),
    cfg.StrOpt("cert_file", help="TLS server certificate."),
    cfg.StrOpt("key_file", help="Its key."),
    cfg.StrOpt("ca_file", help="CA that nodes check the door with; goes into user data."),
    cfg.IntOpt("report_interval", default=15, min=2, help="Seconds between the reports of a ready node."),
    cfg.IntOpt("token_ttl", default=4 * 3600, min=60, help="Seconds that a bootstrap token is valid for."),
]
CONDUCTOR = [
    cfg.StrOpt("concurrency", default="eventlet", choices=["eventlet", "threading"]),
    cfg.IntOpt("workers", default=8, min=1, help="Clusters that one conductor works on at once."),
    cfg.IntOpt("lease_seconds", default=60, min=5, help="A conductor that is silent for longer has lost it."),
    cfg.FloatOpt("poll_interval", default=1.0, min=0.05, help="Seconds between looks for due work."),
    cfg.FloatOpt("busy_interval", default=1.0, min=0.05, help="Seconds between looks at a moving stack."),
    cfg.FloatOpt("idle_interval", default=60.0, min=1, help="Seconds between looks at a settled cluster."),
    cfg.IntOpt("max_timeout", default=180, min=1, help="Longest create_timeout, minutes; what 0 stands for."),
    cfg.IntOpt("drain_timeout", default=60, min=0, help="Seconds that a leaving node may take to drain."),
    cfg.IntOpt(
        "step_timeout", default=600, min=10, help="Seconds without a report before a booting node is named."
    ),
    cfg.IntOpt(
        "silent_after", default=45, min=5, help="Seconds without a report before a ready node is unhealthy."
    ),
    cfg.IntOpt(
        "heal_after",
        default=300,
        min=10,
        help="Seconds that the engine may call a node down before it counts as lost.",
    ),
    cfg.FloatOpt(
        "heal_share",
        default=0.34,
        min=0,
        max=1,
        help="Largest share of a cluster's workers that is healed at once; one at least.",
    ),
    cfg.IntOpt("heal_retry", default=600, min=10, help="Seconds before a repair that failed is tried again."),
    cfg.IntOpt(
        "scale_down_after",
        default=600,
        min=10,
        help="Seconds that a node must be idle before scaling on demand removes it, and that must have "
        "passed since the last change of its cluster.",
    ),
    cfg.IntOpt(
        "scale_up_after",
        default=30,
        min=0,
        help="Seconds since the last change of a cluster before scaling on demand adds nodes.",
    ),
    cfg.IntOpt(
        "scale_retry",
        default=900,
        min=10,
        help="Seconds before scaling on demand tries again after there was no room for a new node.",
    ),
    cfg.FloatOpt(
        "idle_share",
        default=0.5,
        min=0,
        max=1,
        help="Largest share of an idle node's CPU and memory that those pods may ask for that would move.",
    ),
    cfg.BoolOpt(
        "reach_engines",
        default=True,
        help="Speak to clusters' engines directly; else only their masters' agents do, on instruction.",
    ),
    cfg.ListOpt(
        "never_reach",
        default=[],
        item_type=types.String(),
        help="Networks (CIDR) in which no engine is called, whatever address Heat reports.",
    ),
    cfg.IntOpt(
        "max_stack_resources", default=1000, min=10, help="Heat's max_resources_per_stack, for plans."
    ),
    cfg.IntOpt("max_stacks", default=512, min=1, help="Heat's max_stacks_per_tenant, for plans."),
    cfg.IntOpt("down_after", default=60, min=5, help="Seconds without a beat before a conductor is down."),
    cfg.FloatOpt("sweep_interval", default=300.0, min=1, help="Seconds between looks for stray stacks."),
    cfg.BoolOpt("global_stack_list", default=False, help="Heat's stacks:global_index is open to us."),
]
CERTIFICATES = [
    cfg.MultiStrOpt(
        "kek_file",
        default=[],
        help="Files of key-encryption keys, one a line; the very first key seals, all unseal.",
    ),
    cfg.MultiStrOpt(
        "kek_id",
        default=[],
        help="Ids of key-encryption keys in a key manager (castellan's own sections say which manager). "
        "The first one seals; those of kek_file then only unseal.",
    ),
    cfg.StrOpt("authority_key_type", default="ecdsa-p256", choices=["ecdsa-p256", "rsa-2048", "rsa-4096"]),
    cfg.IntOpt("authority_days", default=3650, min=1, help="Lifetime of a cluster's CAs."),
    cfg.IntOpt("client_days", default=30, min=1, max=730, help="Lifetime of a client certificate."),
    cfg.IntOpt(
        "client_max_days",
        default=30,
        min=1,
        max=730,
        help="Longest lifetime of a client certificate that a caller may ask for (ttl).",
    ),
    cfg.IntOpt(
        "node_days",
        default=365,
        min=1,
        max=730,
        help="Lifetime of a node's certificates; nodes renew them when its last third begins.",
    ),
    cfg.IntOpt(
        "rotation_grace",
        default=7 * 86400,
        min=0,
        help="Seconds that a rotated CA stays trusted, unless its rotation is completed by a call before.",
    ),
    cfg.IntOpt(
        "rotation_timeout",
        default=600,
        min=10,
        help="Seconds that nodes may take for their new certificates in a rotation.",
    ),
    cfg.IntOpt("node_warn_days", default=30, min=1, help="A node's certificate that ends within is named."),
    cfg.IntOpt("authority_warn_days", default=90, min=1, help="A cluster's CA that ends within is named."),
]
CLUSTER = [
    cfg.IntOpt("max_clusters_per_project", default=20, min=-1, help="-1: no limit."),
    cfg.BoolOpt("allow_tls_disabled", default=False, help="Let engines listen without TLS."),
]
CLOUD_PROVIDER = [
    cfg.StrOpt(
        "auth_url",
        help="Keystone v3 URL as clusters' nodes reach it; unset: the labels cloud_provider_enabled and "
        "keystone_auth_enabled are refused.",
    ),
    cfg.StrOpt("region_name", help="Region of the services that clusters use."),
    cfg.StrOpt("cafile", help="CA bundle with which clusters' programs check the cloud's APIs."),
    cfg.BoolOpt(
        "load_balancers",
        default=True,
        help="The cloud has Octavia; without it the cloud controller manager must not look for it.",
    ),
    cfg.ListOpt(
        "credential_roles",
        default=["member"],
        item_type=types.String(),
        help="Roles of clusters' application credentials: the service user must have them in the tenants' "
        "projects. Octavia's own policy asks for load-balancer_member, too.",
    ),
]
METRICS = [
    cfg.StrOpt(
        "directory", help="Where this host's processes count for Prometheus; unset: nothing is counted."
    ),
    cfg.HostAddressOpt(
        "host", default="127.0.0.1", help="Where magnum-lite-metrics listens: not for tenants."
    ),
    cfg.PortOpt("port", default=9513),
]
SERVICE_USER = [
    cfg.StrOpt("auth_url", help="Keystone v3 URL."),
    cfg.StrOpt("username", default="magnum-lite"),
    cfg.StrOpt("password", secret=True),
    cfg.StrOpt("user_domain_name", default="Default"),
    cfg.StrOpt("project_name", default="service"),
    cfg.StrOpt("project_domain_name", default="Default"),
    cfg.StrOpt("interface", default="public", choices=["public", "internal", "admin"]),
    cfg.StrOpt("region_name"),
    cfg.StrOpt("cafile", help="CA bundle for the cloud's APIs."),
]

GROUPS: dict[str, list[Any]] = {
    "database": DATABASE,
    "api": API,
    "node_door": NODE_DOOR,
    "conductor": CONDUCTOR,
    "certificates": CERTIFICATES,
    "cluster": CLUSTER,
    "cloud_provider": CLOUD_PROVIDER,
    "metrics": METRICS,
    "service_user": SERVICE_USER,
}


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point of oslo.config's sample generator."""
    return list(GROUPS.items())


def load(argv: Sequence[str], conf: Any = None) -> Any:
    """Register, parse and return the configuration.

    oslo.messaging insists on the global ``cfg.CONF`` for RPC, so that is the default.
    """
    conf = cfg.CONF if conf is None else conf
    for group, options in GROUPS.items():
        conf.register_opts(options, group=group)
    log.register_options(conf)
    # These say too much at INFO and would name tokens at DEBUG.
    quiet = [
        "keystoneauth=WARNING",
        "keystonemiddleware=WARNING",
        "oslo_messaging=WARNING",
        "heatclient=WARNING",
    ]
    log.set_defaults(default_log_levels=[*log.get_default_log_levels(), *quiet])
    conf(list(argv), project="magnum_lite", prog="magnum-lite")
    return conf
