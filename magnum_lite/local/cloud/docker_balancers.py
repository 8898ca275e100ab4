"""Load balancers on a dockerd: a container with one program, on its subnet's network as nodes are. So it is
told from other subnets as they are, outlives the local cloud, and is found again by its name.
"""

from typing import Any

from docker.errors import NotFound

from magnum_lite.local.cloud import node_flags
from magnum_lite.local.cloud.engine import (
    BALANCER_HOME,
    BALANCER_LABEL,
    CLOUD_LABEL,
    PROJECT_LABEL,
    BalancerSpec,
)

_RAM = "256m"


def name(balancer_id: str) -> str:
    """Of a load balancer's container."""
    return f"lb-{balancer_id}"


def run(api: Any, spec: BalancerSpec, network: str, cloud: str) -> None:
    """Create and start it. Raises the SDK's errors."""
    if states(api, cloud).get(spec.balancer_id) in {"running", "restarting"}:
        return
    remove(api, spec.balancer_id)
    old = tuple(int(part) for part in api.api_version.split(".")) < (1, 44)
    program, *arguments = spec.command
    created = api.create_container(
        spec.image,
        name=name(spec.balancer_id),
        hostname="load-balancer",
        entrypoint=[program],
        command=arguments,
        host_config=api.create_host_config(
            network_mode=network,
            binds=[f"{spec.directory}:{BALANCER_HOME}:rw"],
            cap_drop=["ALL"],
            cap_add=["NET_BIND_SERVICE"],
            read_only=True,
            mem_limit=_RAM,
            restart_policy={"Name": "unless-stopped"},
            log_config={"Type": "json-file", "Config": {"max-size": "1m"}},
        ),
        labels={BALANCER_LABEL: spec.balancer_id, PROJECT_LABEL: spec.project_id, CLOUD_LABEL: cloud},
        networking_config={"EndpointsConfig": {network: node_flags.endpoint(api, spec.link)}},
        **({"mac_address": spec.link.mac} if old else {}),
    )
    api.start(created["Id"])


def remove(api: Any, balancer_id: str) -> None:
    """Kill and remove it; none is fine."""
    try:
        api.remove_container(name(balancer_id), force=True, v=True)
    except NotFound:
        return


def states(api: Any, cloud: str) -> dict[str, str]:
    """Id to state of a cloud's."""
    found = api.containers(all=True, filters={"label": [f"{CLOUD_LABEL}={cloud}", BALANCER_LABEL]})
    return {one["Labels"][BALANCER_LABEL]: one["State"] for one in found}
