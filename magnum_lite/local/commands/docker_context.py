"""A ``docker context`` for a bay, through the docker command itself: its store has no other interface."""

import json
import os
import shutil
import subprocess

from magnum_lite.local.commands.credentials import CA, CERTIFICATE, KEY, Credentials
from magnum_lite.local.commands.failure import Failure

PREFIX = "magnum-lite-"


def name_of(bay: str) -> str:
    """The context of a bay."""
    return PREFIX + bay


def ensure(bay: str, credentials: Credentials) -> str:
    """Make the context, or bring it up to date; its name. Raises Failure."""
    if shutil.which("docker") is None:
        raise Failure("There is no docker command here.", "apt-get install --no-remove docker.io")
    name, directory = name_of(bay), credentials.directory
    endpoint = (
        f"host={credentials.docker_host},ca={directory / CA},"
        f"cert={directory / CERTIFICATE},key={directory / KEY}"
    )
    verb = "update" if _endpoint(name) is not None else "create"
    answer = _docker("context", verb, name, "--description", f"Bay {bay}", "--docker", endpoint)
    if answer.returncode != 0:
        raise Failure(f"docker context {verb} {name}: {answer.stderr.strip()}")
    return name


def forget(bay: str, api_address: str | None) -> bool:
    """Remove the context of a bay, if it leads to this very bay."""
    if shutil.which("docker") is None:
        return False
    name = name_of(bay)
    host = _endpoint(name)
    if host is None or (api_address and host != api_address):
        return False
    return _docker("context", "rm", "--force", name).returncode == 0


def _endpoint(name: str) -> str | None:
    answer = _docker("context", "inspect", name)
    if answer.returncode != 0:
        return None
    found = json.loads(answer.stdout)
    return str(found[0].get("Endpoints", {}).get("docker", {}).get("Host", "")) if found else None


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in {"DOCKER_HOST", "DOCKER_CONTEXT"}}
    return subprocess.run(
        ("docker", *arguments), capture_output=True, text=True, check=False, env=environment
    )
