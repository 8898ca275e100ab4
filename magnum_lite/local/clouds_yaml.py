"""The clouds.yaml with which stock clients use this machine's cloud."""

from pathlib import Path
from typing import Any

import yaml

from magnum_lite.local import catalog, keystone, passwords, state

CLOUDS = {
    "magnum-lite": ("demo", "demo"),
    "magnum-lite-demo2": ("demo2", "demo2"),
    "magnum-lite-reader": ("demo-reader", "demo"),
    "magnum-lite-admin": ("admin", "admin"),
}
"""Name of the cloud: (user, project)."""


def path(settings: state.Settings) -> Path:
    """The instance's own file; set OS_CLIENT_CONFIG_FILE to it."""
    return settings.state_dir / "clouds.yaml"


def write(settings: state.Settings) -> Path:
    """Write the instance's own file (0600)."""
    state.write_atomically(path(settings), yaml.safe_dump({"clouds": clouds(settings)}, sort_keys=False))
    return path(settings)


def clouds(settings: state.Settings) -> dict[str, Any]:
    """The file's content below ``clouds``; holds passwords."""
    return {name: _cloud(settings, user, project) for name, (user, project) in CLOUDS.items()}


def merge(settings: state.Settings, target: Path | None = None) -> Path:
    """Put these clouds into the user's own file (~/.config/openstack/clouds.yaml) and leave the
    others there as they are; comments in it are lost. Raises yaml.YAMLError when it is no YAML.
    """
    target = target or Path.home() / ".config/openstack/clouds.yaml"
    document = (yaml.safe_load(target.read_text()) if target.exists() else None) or {}
    document["clouds"] = {**(document.get("clouds") or {}), **clouds(settings)}
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    state.write_atomically(target, yaml.safe_dump(document, sort_keys=False))
    return target


def _cloud(settings: state.Settings, user: str, project: str) -> dict[str, Any]:
    return {
        "auth_type": "password",
        "auth": {
            "auth_url": settings.keystone_url,
            "username": user,
            "password": passwords.password(settings.state_dir, user),
            "user_domain_id": catalog.DEFAULT_DOMAIN,
            "project_name": project,
            "project_domain_id": catalog.DEFAULT_DOMAIN,
        },
        "region_name": keystone.REGION,
        "interface": "public",
        "identity_api_version": "3",
        "volume_api_version": "3",
    }
