"""The Go toolchain at work: a small module of our own requires the published one, its programs are built,
and kept by all that they were made from. Contents are what the checksum database says (GOSUMDB).
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from magnum_lite.local.demo import debian_programs
from tests.kubernetes.building.recipes import Unit

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magnum-lite"
KEPT = CACHE / "kubernetes-programs"
_RECIPE = "1"  # raise it when the same recipes make something else
_STAGED = re.compile(r"^\s*(?:replace )?(k8s\.io/\S+) => \./staging/", re.MULTILINE)


class BuildError(Exception):
    """The toolchain failed; the text is the end of what it printed."""


def compiled(unit: Unit) -> Path:
    """The directory with the unit's programs, which are built if they are not there. Safe to kill and to
    run twice at once. Raises BuildError.
    """
    made_from = json.dumps([_RECIPE, dataclasses.asdict(unit), toolchain()], sort_keys=True)
    where = KEPT / f"{unit.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"
    with alone(where):
        if not where.exists():
            with workshop(KEPT) as inside:
                draft = inside / "programs"
                begun = time.monotonic()
                _build(unit, inside, draft)
                seconds = time.monotonic() - begun
                (draft / "build.json").write_text(
                    json.dumps({"unit": unit.name, "seconds": round(seconds, 1)})
                )
                draft.rename(where)
    return where


def toolchain() -> str:
    """The compiler's version. Raises BuildError when there is none."""
    if shutil.which("go") is None:
        raise BuildError("Go is not installed here: https://go.dev/doc/install")
    return _run(("go", "env", "GOVERSION"), Path.cwd(), dict(os.environ)).strip()


def source(module: str, version: str) -> Path:
    """The published source of a module, in Go's own cache. Raises BuildError."""
    told = _run(("go", "mod", "download", "-json", f"{module}@{version}"), Path("/"), _environment())
    return Path(json.loads(told)["Dir"])


@contextlib.contextmanager
def alone(where: Path) -> Iterator[None]:
    """One builder at a time for what will be ``where``."""
    where.parent.mkdir(parents=True, exist_ok=True)
    with where.with_name(f"{where.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def workshop(beside: Path) -> Iterator[Path]:
    """A scratch directory on the file system of the results; what a killed builder left is removed."""
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=beside) as name:
        yield Path(name)


def _build(unit: Unit, inside: Path, draft: Path) -> None:
    published = source(unit.module, unit.version)
    (inside / "go.mod").write_text(_go_mod(unit, published))
    draft.mkdir()
    environment = _environment() | {"CGO_ENABLED": "0"}
    linked = ["-s", "-w", *(f"-X {stamp}" for stamp in unit.stamps)]
    if unit.cgo:
        environment |= {"CGO_ENABLED": "1", **_seccomp(inside)}
        linked.append("-extldflags -static")
    for group in _without_clashes(unit.programs):
        packages = [package for _, package in group]
        flags = ("-trimpath", "-p", str(os.cpu_count() or 2), "-tags", ",".join(unit.tags))
        target = str(draft / group[0][0]) if len(group) == 1 else f"{draft}/"
        _run(
            ("go", "build", *flags, "-ldflags", " ".join(linked), "-o", target, *packages),
            inside,
            environment,
        )
    missing = [name for name, _ in unit.programs if not (draft / name).exists()]
    if missing:
        raise BuildError(f"{unit.module} {unit.version} made no {', '.join(missing)}")


def _without_clashes(programs: tuple[tuple[str, str], ...]) -> list[list[tuple[str, str]]]:
    """Packages that one call may build into a directory under their own names; the others one by one."""
    plain = [one for one in programs if one[1].rsplit("/", 1)[-1] == one[0]]
    return ([plain] if plain else []) + [[one] for one in programs if one not in plain]


def _go_mod(unit: Unit, published: Path) -> str:
    """The text of our module: it requires the unit's, with its own Go version and settings."""
    text = (published / "go.mod").read_text() if (published / "go.mod").exists() else ""
    lines = ["module built.invalid/programs", *re.findall(r"^(?:go|godebug) [^(\n]+$", text, re.MULTILINE)]
    lines.append(f"require {unit.module} {unit.version}")
    if unit.staging:
        lines += [f"replace {name} => {name} {unit.staging}" for name in sorted(set(_STAGED.findall(text)))]
    return "\n".join(lines) + "\n"


def _seccomp(inside: Path) -> dict[str, str]:
    """libseccomp to link with, from Debian's package, without installing it."""
    file = "usr/include/seccomp.h"
    root = str(debian_programs.unpacked("libseccomp-dev", file)).removesuffix(f"/{file}")
    settings = next(Path(root).glob("usr/lib/*/pkgconfig/libseccomp.pc")).parent
    headers = str(debian_programs.unpacked("libseccomp-dev", file).parent)
    libraries = str(settings.parent)
    return {
        "PKG_CONFIG_LIBDIR": str(settings),
        "CGO_CFLAGS": f"-O2 -I{headers}",
        "CGO_LDFLAGS": f"-L{libraries}",
        "TMPDIR": str(inside),
    }


def _environment() -> dict[str, str]:
    """Go's caches and proxy are the machine's, but what it compiled stays with our cache."""
    kept = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOCACHE": str(CACHE / "go-build"), "GOWORK": "off"}
    return {**os.environ, **kept, "GOOS": "linux", "GOARCH": "amd64"}


def _run(command: tuple[str, ...], where: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:3])} …: {(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout
