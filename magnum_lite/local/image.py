"""The node image: a Debian root file system with systemd, cloud-init and Docker, built from the
machine's own package mirror and kept in a cache outside any checkout.

``python -m magnum_lite.local.image build|path|qcow2 TARGET``. The cache is keyed by all that the
image is made from, so a changed list of packages is a new image and an old one is never taken for it.
Only ``load`` needs more than the standard library: ``tools/bootstrap.sh`` builds the image while the
Python environment is installed.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from magnum_lite.local import trees

SUITE = "bookworm"
REFERENCE = "magnum-lite/node:debian-12"
LABEL = "org.magnum-lite.image"
ENTRY_POINT = "/usr/local/sbin/node-init.sh"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INPUTS = ("packages.txt", "configure-node.sh", "node-init.sh")
_RECIPE = "1"  # raise it when build() itself makes something else


class BuildError(Exception):
    """mmdebstrap failed; the text is the end of what it printed, and where the rest is."""


def directory() -> Path:
    """Where the inputs of the image lie: package lists and scripts."""
    return Path(str(resources.files("magnum_lite.local") / "image_files"))


def packages(name: str = "packages.txt") -> tuple[str, ...]:
    """The package names of a list file."""
    lines = (directory() / name).read_text().splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def key() -> str:
    """Identifies the content: 16 hexadecimal digits."""
    digest = hashlib.sha256(f"{_RECIPE} {SUITE} {platform.machine()}".encode())
    for name in _INPUTS:
        digest.update((directory() / name).read_bytes())
    return digest.hexdigest()[:16]


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/magnum-lite/images, or the same below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "magnum-lite" / "images"


def path() -> Path:
    """Where the root file system's tar is, or will be. Not compressed: it is imported more often than
    it is moved, and compressing takes longer than importing.
    """
    return cache_dir() / f"node-{key()}.tar"


def build() -> Path:
    """The root file system's tar, built if it is not in the cache (about 75 s, 550 MB).

    Needs root and mmdebstrap. Safe to kill, and to run twice at once: the second waits and finds it.
    Raises BuildError.
    """
    target = path()
    if target.exists():
        return target
    cache_dir().mkdir(parents=True, exist_ok=True)
    with _alone():
        if target.exists():
            return target
        for leftover in cache_dir().glob(".building-*"):
            trees.remove(leftover)  # of a build that was killed; it may have file systems mounted
        workshop = Path(tempfile.mkdtemp(prefix=".building-", dir=cache_dir()))
        try:
            draft = workshop / "node.tar"
            _mmdebstrap(workshop, draft, packages(), container_hooks())
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            trees.remove(workshop)
    return target


def sources() -> tuple[str, ...]:
    """apt source lines for the suite, taken from where this machine gets its own packages."""
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)")
    with contextlib.suppress(OSError):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        found = dict.fromkeys(
            f"deb {uri} {release} {component}"
            for uri, release, component, _origin in (
                line.split("|") for line in answer.stdout.splitlines() if line.count("|") == 3
            )
            if component == "main" and release in {SUITE, f"{SUITE}-updates", f"{SUITE}-security"}
        )
        if any(f" {SUITE} " in line for line in found):
            return tuple(found)
    raise BuildError(
        f"This machine's apt has no source for Debian {SUITE}, from which the node image is made. Add one, "
        "or put a finished image into the cache (magnum-lite image list says where)."
    )


def container_hooks() -> tuple[str, ...]:
    """What makes the plain root file system a node in a container."""
    files = directory()
    return (
        f'{files}/configure-node.sh "$1"',
        f'install -m 0755 {files}/node-init.sh "$1{ENTRY_POINT}"',
    )


def load(client: Any) -> bool:
    """Import the cached tar into a dockerd as REFERENCE, unless this very image is there.

    ``client`` is a docker.DockerClient. Whether it was imported (about 10 s). Call ``build`` before.
    """
    if is_loaded(client):
        return False
    name, _, tag = REFERENCE.partition(":")
    changes = [
        "ENV container=docker",
        "VOLUME /var/lib/docker",
        "VOLUME /var/lib/containerd",
        f'ENTRYPOINT ["{ENTRY_POINT}"]',
        f"LABEL {LABEL}={key()}",
    ]
    answer = client.api.import_image(str(path()), repository=name, tag=tag, changes=changes)
    if not is_loaded(client):
        raise BuildError(f"docker import said: {str(answer)[-300:]}")
    return True


def is_loaded(client: Any) -> bool:
    """Whether a dockerd has exactly this image."""
    import docker.errors  # late: building an image must not need more than Python itself

    try:
        labels = client.api.inspect_image(REFERENCE)["Config"]["Labels"] or {}
    except docker.errors.NotFound:
        return False
    return bool(labels.get(LABEL) == key())


def build_qcow2(target: Path, *, size_gib: int = 10) -> Path:
    """A cloud image from the same list: BIOS boot, ext4, for Glance. Needs root, mmdebstrap, sfdisk,
    mkfs.ext4, loop devices and qemu-img (Debian: qemu-utils, fdisk, e2fsprogs).

    Raises BuildError.
    """
    target = target.resolve()
    with tempfile.TemporaryDirectory(prefix="magnum-lite-qcow2-") as name:
        workshop = Path(name)
        root = workshop / "node.tar"
        _mmdebstrap(workshop, root, packages() + packages("packages-cloud.txt"), ())
        script = directory() / "build-qcow2.sh"
        _run((str(script), str(root), str(target), str(size_gib)), workshop)
    return target


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with (cache_dir() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mmdebstrap(workshop: Path, target: Path, names: tuple[str, ...], hooks: tuple[str, ...]) -> None:
    keyring = (f"--keyring={_KEYRING}",) if _KEYRING.exists() else ()
    _run(
        (
            "mmdebstrap", "--variant=minbase", "--format=tar",
            f"--include={','.join(names)}",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")),
            *keyring,
            *(f"--customize-hook={hook}" for hook in hooks),
            SUITE, str(target), *sources(),
        ),
        workshop,
    )  # fmt: skip


def _run(command: tuple[str, ...], workshop: Path) -> None:
    """Run a builder with its temporary files in the workshop. Raises BuildError."""
    log = cache_dir() / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(workshop), "LC_ALL": "C.UTF-8"}
    try:
        with log.open("w") as output:
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=True)
    except FileNotFoundError:
        raise BuildError(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise BuildError(f"{Path(command[0]).name} failed (all of it in {log}):\n{end}") from None


def main(arguments: list[str]) -> None:
    """The command line; prints the path of what it made."""
    match arguments:
        case ["build"]:
            made = build()
        case ["path"]:
            made = path()
        case ["qcow2", target]:
            made = build_qcow2(Path(target))
        case _:
            raise SystemExit("usage: python -m magnum_lite.local.image build | path | qcow2 TARGET")
    print(made)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BuildError as error:
        raise SystemExit(str(error)) from None
