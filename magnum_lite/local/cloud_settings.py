"""What the local cloud is told: its settings file, images and flavors with ids that never change."""

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from magnum_lite.local import image, passwords, state

USER = "local-cloud"
_IDS = uuid.UUID("2f0c5b3e-7a86-5d0e-9c1b-6f5ad1e5c079")

IMAGE_NAMES = ("debian-12-node", "fedora-atomic-23")
"""The second is the name that the well-known talk uses; it is the same image."""

FLAVORS = (
    {"id": "1", "name": "m1.small", "vcpus": 1, "ram_mib": 1024, "disk_gib": 10},
    {"id": "2", "name": "m1.medium", "vcpus": 2, "ram_mib": 2048, "disk_gib": 20},
    {"id": "3", "name": "m2.medium", "vcpus": 2, "ram_mib": 4096, "disk_gib": 40},
)
QUOTAS = {
    "instances": 20,
    "cores": 40,
    "ram_mib": 65536,
    "volumes": 20,
    "gigabytes": 1000,
    "floatingips": 20,
    "networks": 20,
    "loadbalancers": 20,
}


def settings_file(settings: state.Settings) -> Path:
    """The JSON file that the local cloud is started with; holds a password."""
    return settings.state_dir / "cloud.json"


def image_id(name: str) -> str:
    """The id of an image of this name: the same on each machine."""
    return str(uuid.uuid5(_IDS, f"image/{name}"))


def write(settings: state.Settings) -> None:
    """Write the settings (0600). Idempotent."""
    directory = settings.state_dir / "cloud"
    directory.mkdir(exist_ok=True, mode=0o700)
    document: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": settings.cloud_port,
        "keystone_url": settings.keystone_url,
        "username": USER,
        "password": passwords.password(settings.state_dir, USER),
        "project_name": "service",
        "domain_name": "Default",
        "docker_socket": str(settings.docker_socket),
        "netns": str(settings.netns_path),
        "network_prefix": settings.network_prefix,
        "state_dir": str(directory),
        "images": [_image(name) for name in IMAGE_NAMES],
        "flavors": FLAVORS,
        "quotas": QUOTAS,
    }
    state.write_atomically(settings_file(settings), json.dumps(document, indent=2) + "\n")


def server_command(settings: state.Settings) -> tuple[str, ...]:
    """The local cloud's one process."""
    return (sys.executable, "-m", "magnum_lite.local.cloud", str(settings_file(settings)))


def _image(name: str) -> dict[str, Any]:
    cached = image.path()
    return {
        "id": image_id(name),
        "name": name,
        "ref": image.REFERENCE,
        "os_distro": "fedora-atomic" if name.startswith("fedora-atomic") else "debian",
        "size_bytes": cached.stat().st_size if cached.exists() else 0,
        "properties": {},
    }
