"""A kubeconfig for a bay, by itself or merged into the user's own."""

import base64
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from magnum_lite.local.commands.failure import Failure

PREFIX = "magnum-lite-"
_LISTS = ("clusters", "contexts", "users")


def name_of(bay: str) -> str:
    """Cluster, user and context of a bay."""
    return PREFIX + bay


def _data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


def document(bay: str, address: str, *, ca: str, certificate: str, key: str) -> dict[str, Any]:
    """The whole of it; nothing in it refers to other files."""
    name = name_of(bay)
    user = {"client-certificate-data": _data(certificate), "client-key-data": _data(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": address, "certificate-authority-data": _data(ca)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": user}],
    }


def own() -> Path:
    """The file that kubectl would write to: the first of $KUBECONFIG, else ~/.kube/config."""
    first = next((part for part in os.environ.get("KUBECONFIG", "").split(":") if part), "")
    return Path(first) if first else Path.home() / ".kube" / "config"


def merge(path: Path, new: Mapping[str, Any]) -> None:
    """Put the bay's entries into ``path`` and make it the current one; all else stays. Raises Failure."""
    with _changing(path) as config:
        for kind in _LISTS:
            names = {entry["name"] for entry in new[kind]}
            others = [e for e in config.get(kind) or () if e.get("name") not in names]
            config[kind] = [*others, *new[kind]]
        config["current-context"] = new["current-context"]


def forget(bay: str, api_address: str | None) -> bool:
    """Take a bay's entries out of the user's kubeconfig, if they lead to this very bay."""
    path, name = own(), name_of(bay)
    found = [e for e in _read(path).get("clusters") or () if e.get("name") == name] if path.exists() else []
    if not found or (api_address and (found[0].get("cluster") or {}).get("server") != api_address):
        return False
    with _changing(path) as config:
        for kind in _LISTS:
            config[kind] = [e for e in config.get(kind) or () if e.get("name") != name]
        if config.get("current-context") == name:
            config["current-context"] = ""
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        found = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Failure(f"{path} can't be read: {str(error).splitlines()[0]}") from None
    if found is None:
        return {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(found, dict):
        raise Failure(f"{path} is no kubeconfig.")
    return found


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[dict[str, Any]]:
    """The document, written back whole. kubectl itself keeps others out by a file ``….lock`` beside it."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = path.with_name(f"{path.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise Failure(f"{path} is being changed by another program ({lock} exists).") from None
    try:
        config = _read(path)
        yield config
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        Path(draft).replace(path)
    finally:
        lock.unlink()
