"""A client's key and certificate for a bay, on this machine's disk.

The directory is made anew beside the old one and swapped in by one system call, so a client never
meets a key with another key's certificate. Files are opened with O_EXCL and 0600 from the start: a
chmod afterwards would leave a moment in which others can read them.
"""

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from magnum_lite.local.commands import kubeconfig
from magnum_lite.local.commands.failure import Exit, Failure
from magnum_lite.local.commands.rest import Rest

CA, CERTIFICATE, KEY, OWNER, CONFIG = "ca.pem", "cert.pem", "key.pem", "bay.json", "config"
_FILES = frozenset((CA, CERTIFICATE, KEY, OWNER, CONFIG))
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """Where they are, and the engine that they open: ``tcp://…`` is Docker's, ``https://…`` Kubernetes'.
    ``document`` is the kubeconfig of the latter.
    """

    directory: Path
    docker_host: str
    document: Mapping[str, Any] | None = None

    def environment(self) -> dict[str, str]:
        """What docker or kubectl reads."""
        if self.document is not None:
            return {"KUBECONFIG": str(self.directory / CONFIG)}
        return {
            "DOCKER_HOST": self.docker_host,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.directory),
        }


def default_directory(bay: str) -> Path:
    """$XDG_DATA_HOME/magnum-lite/bays/BAY, or the same below ~/.local/share."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(base) / "magnum-lite" / "bays" / bay


def obtain(rest: Rest, bay: dict[str, Any], *, directory: Path | None, ttl: int | None) -> Credentials:
    """A new key, signed by the bay's CA, in the directory. ``ttl`` in seconds, None: the service's
    default. Raises Failure; the old files are in place then.
    """
    from magnum_lite.pki.requests import client_request

    if not bay["api_address"]:
        raise Failure(
            f"Bay {bay['name']} has no address yet: it is {bay['status']}.",
            f"watch it:  magnum-lite events {bay['name']} --follow",
        )
    target = (directory or default_directory(bay["name"])).absolute()
    refuse_foreign(target)
    key, request = client_request(f"{bay['name']} client")
    body = {"bay_uuid": bay["uuid"], "csr": request} | ({} if ttl is None else {"ttl": ttl})
    certificate = rest.post("/certificates", body)["pem"]
    authority = rest.get(f"/certificates/{bay['uuid']}")["pem"]
    owner = json.dumps({"bay": bay["name"], "uuid": bay["uuid"], "api_address": bay["api_address"]})
    files = {CA: authority, CERTIFICATE: certificate, KEY: key, OWNER: owner + "\n"}
    document = None
    if bay["api_address"].startswith("https://"):
        parts = {"ca": authority, "certificate": certificate, "key": key}
        document = kubeconfig.document(bay["name"], bay["api_address"], **parts)
        files[CONFIG] = yaml.safe_dump(document, sort_keys=False)
    write(target, files)
    return Credentials(target, bay["api_address"], document)


def write(target: Path, files: dict[str, str]) -> None:
    """Replace the whole directory (0700) by one with these files (0600)."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))  # mkdtemp makes it 0700
    try:
        for name, text in files.items():
            handle = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text)
        try:
            draft.rename(target)  # onto nothing, or onto an empty directory
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            _exchange(draft, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(draft)  # the old files, after an exchange


def refuse_foreign(target: Path) -> None:
    """Raise Failure for a directory that holds anything but credentials of ours: it will be replaced."""
    try:
        strangers = sorted({entry.name for entry in target.iterdir()} - _FILES)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise Failure(f"{target} is not a directory.", code=Exit.USAGE) from None
    if strangers:
        raise Failure(
            f"{target} has other files in it ({strangers[0]}); the whole directory would be replaced.",
            "name one of its own:  --dir DIRECTORY",
            code=Exit.USAGE,
        )


def forget(bay: str, uuid: str) -> bool:
    """Remove the default directory of a bay, if it is of this very bay and has nothing else in it."""
    directory = default_directory(bay)
    try:
        owner = json.loads((directory / OWNER).read_text())
    except (OSError, ValueError):
        return False
    if owner.get("uuid") != uuid or {entry.name for entry in directory.iterdir()} - _FILES:
        return False
    shutil.rmtree(directory)
    return True


def _exchange(one: Path, other: Path) -> None:
    """Swap two paths at once: renameat2(2) with RENAME_EXCHANGE, which Python does not offer."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    if result == 0:
        return
    number = ctypes.get_errno()
    if number not in {errno.ENOSYS, errno.EINVAL}:
        raise OSError(number, os.strerror(number), str(other))
    # A file system that can't: the directory is away for a moment, but never mixed.
    aside = one.with_name(f"{one.name}.old")
    other.rename(aside)
    one.rename(other)
    shutil.rmtree(aside)
