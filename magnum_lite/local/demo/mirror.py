"""A mirror of the programs of Kubernetes for the time of a demo (doc/kubernetes-mirror.rst has its layout).
``python -m tests.kubernetes.building`` of a checkout builds one from source; any other of the same layout
may be named.
"""

import contextlib
import os
import sys
from pathlib import Path

from magnum_lite.local import state
from magnum_lite.local.commands.failure import Failure
from magnum_lite.local.demo import side_server

DIRECTORY = "demo-mirror"
ENVIRONMENT = "MAGNUM_LITE_KUBE_MIRROR"
_KUBERNETES = Path("dl.k8s.io") / "release"


def find() -> Path:
    """The mirror to use: the one that the environment names, else the newest built one. Raises Failure."""
    given = os.environ.get(ENVIRONMENT)
    if given:
        if not (Path(given) / _KUBERNETES).is_dir():
            raise Failure(f"{given}, which {ENVIRONMENT} names, has no {_KUBERNETES} in it.")
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    built = [p.parents[1] for p in (Path(base) / "magnum-lite").glob(f"kubernetes-*/{_KUBERNETES}")]
    if not built:
        raise Failure(
            "There is no mirror of Kubernetes on this machine.",
            "build one from source, once, in a checkout (Go; about an hour):  make kubernetes-mirror",
            f"or name one of your own:  {ENVIRONMENT}=DIRECTORY",
        )
    return max(built, key=lambda path: path.stat().st_mtime)


def versions(mirror: Path) -> tuple[str, ...]:
    """The versions of Kubernetes that a mirror has, the oldest first."""
    found = (path.name for path in (mirror / _KUBERNETES).glob("v*.*.*"))
    return tuple(sorted(found, key=lambda name: [int(part) for part in name[1:].split(".")]))


def serving(settings: state.Settings, mirror: Path, *, keep: bool) -> contextlib.AbstractContextManager[str]:
    """The served mirror; its ``host:port``. ``keep`` leaves it there (see ``end``). Raises Failure."""

    def command(host: str, port: int, directory: Path) -> tuple[str, ...]:  # noqa: ARG001
        server = (sys.executable, "-m", "http.server", "--bind", host, "--directory", str(mirror))
        return (*server, str(port))

    return side_server.serving(settings, DIRECTORY, command, "/", keep=keep)


def end(settings: state.Settings) -> None:
    """Stop serving, if it is served."""
    side_server.end(settings, DIRECTORY)
