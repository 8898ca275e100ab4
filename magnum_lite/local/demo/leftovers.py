"""What this machine's cloud has at a moment, so that two moments can be compared."""

import dataclasses
from typing import Any

import docker.errors

from magnum_lite.local import dockerd, state
from magnum_lite.local.commands.rest import Rest

_LISTS = (
    ("stacks", "orchestration", "/stacks", "stacks"),
    ("servers", "compute", "/servers", "servers"),
    ("volumes", "volumev3", "/volumes", "volumes"),
    ("networks", "network", "/v2.0/networks", "networks"),
    ("ports", "network", "/v2.0/ports", "ports"),
    ("routers", "network", "/v2.0/routers", "routers"),
    ("security groups", "network", "/v2.0/security-groups", "security_groups"),
    ("floating IPs", "network", "/v2.0/floatingips", "floatingips"),
)


@dataclasses.dataclass(frozen=True)
class Inventory:
    """Kind → ids."""

    things: dict[str, frozenset[str]]

    def beyond(self, earlier: "Inventory") -> dict[str, frozenset[str]]:
        """What is there now and was not earlier; kinds with nothing new are left out."""
        new = {kind: ids - earlier.things[kind] for kind, ids in self.things.items()}
        return {kind: ids for kind, ids in new.items() if ids}

    def text(self) -> str:
        """How many of each kind."""
        return ", ".join(f"{len(ids)} {kind}" for kind, ids in self.things.items())


def take(rest: Rest, settings: state.Settings) -> Inventory:
    """Ask the project's services, and the engine under them. Raises Failure."""
    things = {kind: _ids(rest.call("GET", path, service=service)[key]) for kind, service, path, key in _LISTS}
    client = dockerd.connect(settings, timeout=30)
    try:
        things["containers"] = frozenset(c["Id"] for c in client.api.containers(all=True))
        things["bridges"] = frozenset(n["Id"] for n in client.api.networks() if n["Driver"] == "bridge")
        things["container volumes"] = frozenset(v["Name"] for v in client.api.volumes()["Volumes"] or ())
    except docker.errors.NotFound:  # one that went while the list was made
        return take(rest, settings)
    finally:
        client.close()
    return Inventory(things)


def _ids(items: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(str(item["id"]) for item in items)
