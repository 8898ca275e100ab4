"""A node's user data: one ``#cloud-config`` for each role, the same for all nodes of that role.

Heat fills in ``__CREDENTIAL__``, ``__HOSTNAME__``, ``__VOLUME__`` and ``__ETCD_VOLUME__`` for each node. User
data can be read by every reader of the project and by every container of the node, so it holds no secret
that is worth anything once the node has enrolled.
"""

import base64
import dataclasses
import gzip
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from magnum_lite import paths
from magnum_lite.drivers.contract import ClusterSpec

CONFIG = "/etc/magnum-lite"
SCRIPTS = "/usr/local/lib/magnum-lite"
UNITS = "/etc/systemd/system"

_PROXY = re.compile(r"https?://[^\s/]+/?")
_KEY = re.compile(r"[a-z0-9@.-]+ AAAA[A-Za-z0-9+/=]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """What an engine's nodes run: files below ``heat_templates``, known on the node by their last name.
    ``told``: files below ``/etc/magnum-lite`` beside those of all nodes, with a word that Heat fills in.
    """

    scripts: tuple[str, ...]
    units: tuple[str, ...]
    told: tuple[tuple[str, str], ...] = ()


def render(spec: ClusterSpec, machine: Machine, values: Mapping[str, str]) -> str:
    """The user data of one role: text below 32 KiB, before Heat fills it in. ``values``: its ``node.env``."""
    files = [
        _plain(f"{CONFIG}/credential", "__CREDENTIAL__"),
        _plain(f"{CONFIG}/volume", "__VOLUME__"),
        *(_plain(f"{CONFIG}/{name}", word) for name, word in machine.told),
        _packed(f"{CONFIG}/node.env", environment(values)),
        _packed(f"{CONFIG}/door-ca.pem", spec.door.ca_pem),
    ]
    root = paths.heat_templates()
    files += [_packed(f"{SCRIPTS}/{_last(n)}", (root / n).read_text(), mode="0700") for n in machine.scripts]
    files += [_packed(f"{UNITS}/{_last(n)}", (root / n).read_text(), mode="0644") for n in machine.units]
    config: dict[str, Any] = {
        "hostname": "__HOSTNAME__",
        "preserve_hostname": False,
        # Before the files: cloud-init writes one first and restricts it then.
        "bootcmd": [["mkdir", "-p", "-m", "0700", CONFIG]],
        "write_files": files,
        "runcmd": [
            ["systemctl", "enable", "magnum-lite-boot.service"],
            ["bash", f"{SCRIPTS}/boot.sh"],
        ],
    }
    if key := ssh_key(spec.ssh_public_key):
        config["ssh_authorized_keys"] = [key]
    return "#cloud-config\n" + json.dumps(config, indent=0) + "\n"


def settings(spec: ClusterSpec, role: str) -> dict[str, str]:
    """What every node's ``node.env`` holds. ``role`` in the engine's word."""
    return {
        "DOOR_URL": spec.door.url.rstrip("/"),
        "DOOR_CA": f"{CONFIG}/door-ca.pem",
        "ROLE": role,
        # Not the names that curl and others read: these are the engine's proxies, not the agent's.
        "TENANT_HTTP_PROXY": spec.http_proxy or "",
        "TENANT_HTTPS_PROXY": spec.https_proxy or "",
        "TENANT_NO_PROXY": spec.no_proxy or "",
        "INSECURE_REGISTRY": spec.insecure_registry or "",
    }


def environment(values: Mapping[str, str]) -> str:
    """Shell assignments. Every value is quoted, so that sourcing it runs nothing."""
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def quote(value: str) -> str:
    """One word of a POSIX shell. NUL, which no shell can hold, is dropped."""
    return shlex.quote(value.replace("\0", ""))


def ssh_key(text: str | None) -> str | None:
    """Type and key of an OpenSSH public key, without its comment and whatever else it came with."""
    words = " ".join((text or "").split()[:2])
    return words if _KEY.fullmatch(words) else None


def proxy_problem(url: str) -> str | None:
    """What is wrong with a proxy's URL, in words."""
    if wrong := text_problem(url):
        return wrong
    return None if _PROXY.fullmatch(url) else "must be http://host:port or https://host:port"


def text_problem(text: str) -> str | None:
    """A setting that reaches systemd and dockerd is one printable line."""
    return None if text.isprintable() else "must not contain control characters or line breaks"


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _plain(path: str, text: str) -> dict[str, str]:
    return {"path": path, "permissions": "0600", "content": text}


def _packed(path: str, text: str, *, mode: str = "0600") -> dict[str, str]:
    # Time 0: the same settings always give the same text, and Heat sees no change.
    packed = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
    return {"path": path, "permissions": mode, "encoding": "gz+b64", "content": packed}
