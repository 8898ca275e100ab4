"""What a node is run with.

Not ``--privileged``: that needs CAP_SYS_RESOURCE, which some hosts do not have. This set is what
systemd, cloud-init and an inner dockerd need. It is no security boundary: root in a node is root on
the machine.
"""

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from docker.types import EndpointConfig

from magnum_lite.local.cloud.engine import Link, NodeSpec


def host_config(api: Any, spec: NodeSpec, network: str) -> dict[str, Any]:
    """The HostConfig of a node on its first network."""
    config: dict[str, Any] = api.create_host_config(
        network_mode=network,
        cap_add=["ALL"],
        cap_drop=["SYS_RESOURCE"],
        device_cgroup_rules=["a *:* rwm"],
        tmpfs={"/run": "exec", "/tmp": "exec"},  # noqa: S108  # nosec B108
        mem_limit=f"{spec.ram_mib}m",
        # dockerd refuses more CPUs than the machine has
        nano_cpus=min(spec.vcpus, int(api.info()["NCPU"])) * 10**9,
        restart_policy={"Name": "unless-stopped"},
        dns=list(spec.nameservers) or None,
        log_config={"Type": "json-file", "Config": {"max-size": "1m"}},
    )
    # the SDK has no arguments for these
    config.update(
        CgroupnsMode="private",
        SecurityOpt=["seccomp=unconfined", "apparmor=unconfined"],
        MaskedPaths=[],
        ReadonlyPaths=[],
    )
    return config


def endpoint(api: Any, link: Link) -> Any:
    """The settings of a node's place on a network."""
    return EndpointConfig(api.api_version, ipv4_address=link.address, mac_address=link.mac)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of files (absolute path to content), each mode 0600."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
