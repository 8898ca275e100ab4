"""Docker Swarm (swarm mode): one stack of managers and workers, whose Docker API the managers serve
over TLS on 2376.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from magnum_lite.drivers import checks, stack, user_data
from magnum_lite.drivers.contract import MASTER, SLUG_LENGTH, WORKER, ClusterSpec
from magnum_lite.drivers.port import NodeCertificate, Row, SecretKind, Versions
from magnum_lite.errors import Problem
from magnum_lite.models import label_values, labels
from magnum_lite.models.access import Rule
from magnum_lite.models.certificate import Purpose
from magnum_lite.models.nodegroup import engine_labels
from magnum_lite.models.renewal import Signs
from magnum_lite.models.stack import StackFacts, StackRequest
from magnum_lite.models.status import NodeState

TEMPLATE = "swarm/cluster.yaml"
SWARM_PORT = 2377

_DEFAULTS = {"swarm_masters": (MASTER, ""), "swarm_nodes": (WORKER, "")}
_AWAY = {NodeState.LEAVING.value, NodeState.GONE.value, NodeState.FAILED.value}

# Why each was dropped: Docker Engine's release notes of 23.0, 24.0 and 25.0.
DROPPED_STORAGE = {"devicemapper": "25.0", "aufs": "24.0", "overlay": "24.0"}
STORAGE = frozenset({"overlay2", "btrfs", "zfs", "vfs", "fuse-overlayfs"})

MACHINE = user_data.Machine(
    scripts=(
        "node/boot.sh",
        "node/door.sh",
        "swarm/node/engine.sh",
        "swarm/node/engine-api.py",
        "swarm/node/swarm.sh",
        "swarm/node/swarm-duties.sh",
        "node/volume.sh",
        "node/magnum-lite-agent",
    ),
    units=(
        "swarm/node/engine-api.service",
        "node/magnum-lite-boot.service",
        "node/magnum-lite-agent.service",
        "node/magnum-lite-agent.timer",
    ),
)


class SwarmDriver:
    """See ``port.Driver``."""

    coe = "swarm"
    api_port = 2376
    words: Mapping[str, str] = {MASTER: "manager", WORKER: "worker"}
    place = "the swarm"
    purposes: tuple[Purpose, ...] = (Purpose.CLUSTER, Purpose.NODE)
    member_profile = conductor_profile = "docker-client"
    reader_profile: str | None = None
    reader_refused = (
        "A reader gets no certificate of a Swarm cluster: Docker's API can't tell readers from members."
    )
    steps: tuple[str, ...] = ("boot", "enrol", "engine", "swarm", "ready")
    join_tokens = True
    agents_expel = False
    addressed: tuple[str, ...] = (MASTER,)
    slug_length = SLUG_LENGTH
    node_clients = False

    def check(self, spec: ClusterSpec) -> list[Problem]:
        """All that Swarm can not do for this cluster."""
        return [
            *checks.groups(spec),
            *_check_taints(spec),
            *checks.network(spec),
            *checks.load_balancer(spec),
            *_check_engine(spec),
            *checks.known_labels(spec),
        ]

    def check_upgrade(self, before: ClusterSpec, after: ClusterSpec) -> list[Problem]:  # noqa: ARG002
        """Engines of several versions make one swarm."""
        return []

    def stack_request(self, spec: ClusterSpec) -> StackRequest:
        """The whole stack; the user data of each role goes along as a file of its own."""
        data = {r: user_data.render(spec, MACHINE, settings(spec, word)) for r, word in self.words.items()}
        return stack.request(spec, TEMPLATE, self.slug_length, data)

    def facts(self, outputs: Mapping[str, Any]) -> StackFacts:
        """The API is tcp, though it is TLS: the docker command knows no https, and coe cluster config hands
        it this address.
        """
        return stack.facts(outputs, f"tcp://{{}}:{self.api_port}")

    def group_of(self, path: str) -> tuple[str, str] | None:
        """By the first resource of the path."""
        return stack.group_of(path, _DEFAULTS)

    def certificates(self, spec: ClusterSpec, node: Row) -> tuple[NodeCertificate, ...]:
        """Managers serve the Docker API: host name and ``localhost``; both addresses, the load balancer's and
        the loopback.
        """
        if node["role"] != MASTER:
            return ()
        own = (node["floating_address"], node["address"])
        names = (node["hostname"], "localhost", *own, *spec.lb_addresses, "127.0.0.1")
        return (
            NodeCertificate(
                name="server",
                profile="docker-server",
                common_name=node["hostname"],
                sans=tuple(name for name in names if name),
                signs=Signs.SERVERS,
            ),
        )

    def trusts(self, role: str) -> tuple[Purpose, ...]:
        """A worker gets nothing of the cluster's CA."""
        return (Purpose.CLUSTER,) if role == MASTER else ()

    def secrets(self, role: str) -> Mapping[str, SecretKind]:  # noqa: ARG002  the port's word
        """Managers make what they share themselves."""
        return {}

    def access(self, spec: ClusterSpec) -> tuple[Rule, ...]:  # noqa: ARG002
        """Nothing in a swarm knows of the cloud."""
        return ()

    def cloud_secrets(self, spec: ClusterSpec, role: str, ident: str, secret: str) -> dict[str, str]:  # noqa: ARG002
        """None."""
        return {}

    def uses_credential(self, spec: ClusterSpec, members: Sequence[Row]) -> bool:  # noqa: ARG002
        """Nobody needs one."""
        return True

    def enrolment(self, spec: ClusterSpec, node: Row, group: Row) -> dict[str, Any]:  # noqa: ARG002
        """Passwords of registries, for the docker command on the node."""
        auth = spec.labels.get("registry_auth")
        if not auth:
            return {}
        known = label_values.parse_registry_auth(auth).items()
        return {
            "registry_auth": {
                host: {"username": user, "password": password} for host, (user, password) in known
            }
        }

    def labels(self, group: Row) -> dict[str, str]:
        """In Docker's own form of a name in reverse DNS: a constraint takes no "/" in the name of a label
        (SwarmKit's manager/constraint).
        """
        return engine_labels(group)

    def engine_id(self, node: Row, claimed: str) -> str | None:  # noqa: ARG002  the port's word
        """SwarmKit's own ids."""
        return claimed if re.fullmatch(r"[a-z0-9]{1,64}", claimed) else None

    def instructions(
        self, node: Row, members: Sequence[Row], join_token: Callable[[], str | None]
    ) -> dict[str, Any]:
        """How a node that is outside comes into the swarm; nothing while there is none to join."""
        if node["engine_id"] and node["step"] != "swarm":
            return {}
        masters = [m for m in members if m["role"] == MASTER and m["state"] not in _AWAY]
        inside = [m for m in masters if m["engine_id"] and m["uuid"] != node["uuid"] and m["address"]]
        if inside:
            addresses = [f"{m['address']}:{SWARM_PORT}" for m in inside]
            token = join_token()
            return {"join": {"token": token, "addresses": addresses}} if token else {}
        first = min(masters, key=lambda m: int(m["index"]), default=None)
        return {"init_swarm": True} if first is not None and first["uuid"] == node["uuid"] else {}

    def additions(self, spec: ClusterSpec, node: Row, members: Sequence[Row]) -> dict[str, Any]:  # noqa: ARG002
        """A swarm has none."""
        return {}

    def may_renew(self, node: Row, members: Sequence[Row], told: str, now: float) -> bool:  # noqa: ARG002
        """Nothing restarts for it."""
        return True

    def versions(self, reported: Versions) -> dict[str, str | None]:
        """Engine and containers are one."""
        return {"coe_version": reported.get("docker"), "container_version": reported.get("docker")}


def settings(spec: ClusterSpec, word: str) -> dict[str, str]:
    """``node.env`` of managers or workers."""
    return {
        **user_data.settings(spec, word),
        "COE": "swarm",
        "CERTIFICATES": "identity server" if word == "manager" else "identity",
        "STORAGE_DRIVER": spec.docker_storage_driver or "",
        "REGISTRY_MIRROR": labels.value_of(spec.labels, "registry_mirror") or "",
    }


def _check_taints(spec: ClusterSpec) -> Iterator[Problem]:
    for group in spec.groups:
        if group.taints:
            yield Problem(
                "node_taints",
                f"{group.name}: Swarm has no taints; give the nodes node_labels and place services with "
                "--constraint node.labels.<name>==<value>, or != to keep them away",
            )


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
