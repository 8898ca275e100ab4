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
_ITS_OWN_PLACE = "/usr/local/go/bin"  # where Go's guide puts it, which is in nobody's PATH by itself
_RECIPE = "2"  # raise it when the same recipes make something else
_STAGED = re.compile(r"^\s*(?:replace )?(k8s\.io/\S+) => \./staging/", re.MULTILINE)
_REQUIRED = re.compile(r"^\s*(?:require )?(\S+/\S+) (v\d\S*)(?: // indirect)?$", re.MULTILINE)


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
            with workshop(where) as inside:
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
    if shutil.which("go", path=_environment()["PATH"]) is None:
        raise BuildError("Go is not installed here: https://go.dev/doc/install")
    return _run(("go", "env", "GOVERSION"), Path.cwd(), _environment()).strip()


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
def workshop(target: Path) -> Iterator[Path]:
    """A scratch directory on the file system of what will be ``target``, to be called while ``alone``: what
    a builder that was killed left there is removed.
    """
    prefix = f".building-{target.name}-"
    for left in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as name:
        yield Path(name)


def _build(unit: Unit, inside: Path, draft: Path) -> None:
    published = source(unit.module, unit.version)
    (inside / "go.mod").write_text(_go_mod(unit, published))
    if (published / "go.sum").exists():
        (inside / "go.sum").write_bytes((published / "go.sum").read_bytes())
    if unit.left_out:
        _leave_out(unit, published, inside / "source")
    draft.mkdir()
    environment = _environment() | {"CGO_ENABLED": "0"}
    linked = ["-s", "-w", *(f"-X {stamp}" for stamp in unit.stamps)]
    if unit.cgo:
        environment |= {"CGO_ENABLED": "1", **_seccomp()}
        linked.append("-extldflags -static")
    if unit.staging:
        _run(("go", "mod", "download"), inside, environment)  # finds the versions of all that is staged
    for group in _without_clashes(unit.programs):
        packages = [package for _, package in group]
        flags = ("-trimpath", "-p", str(os.cpu_count() or 2), "-tags", ",".join(unit.tags))
        target = str(draft / group[0][0]) if len(group) == 1 else f"{draft}/"
        command = ("go", "build", *flags, "-ldflags", " ".join(linked), "-o", target, *packages)
        _run(command, inside, environment)
    for name, _ in unit.programs:
        told = _run(("go", "version", "-m", str(draft / name)), inside, environment)
        if f"\tmod\t{unit.module}\t{unit.version}" not in told:
            raise BuildError(f"{name} is not of {unit.module} {unit.version}: {told[:400]}")


def _leave_out(unit: Unit, published: Path, copy: Path) -> None:
    """A copy of the source without the packages that are only imported for their side effects."""
    shutil.copytree(published, copy)
    pattern = re.compile("|".join(rf'^\s*_ "{re.escape(name)}"\n' for name in unit.left_out), re.MULTILINE)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # Go's cache is read-only, and so is a copy of it
    for file in copy.rglob("*.go"):
        text = file.read_text()
        if pattern.search(text):
            file.write_text(pattern.sub("", text))


def _without_clashes(programs: tuple[tuple[str, str], ...]) -> list[list[tuple[str, str]]]:
    """Packages that one call may build into a directory under their own names; the others one by one."""
    plain = [one for one in programs if one[1].rsplit("/", 1)[-1] == one[0]]
    return ([plain] if plain else []) + [[one] for one in programs if one not in plain]


def _go_mod(unit: Unit, published: Path) -> str:
    """The text of our module: it requires the unit's, with its Go version and settings, and all that the
    unit's own requires at just these versions. (Where there are staged modules, each of which says all that
    it requires, the same versions are found from the unit's alone.)
    """
    text = (published / "go.mod").read_text()
    own = text.split("\nreplace", 1)[0].split("\nexclude", 1)[0].split("\nretract", 1)[0]
    lines = ["module built.invalid/programs", *re.findall(r"^(?:go|godebug) [^(\n]+$", text, re.MULTILINE)]
    lines.append(f"require {unit.module} {unit.version}")
    staged = sorted(set(_STAGED.findall(text)))
    if unit.staging:
        lines += [f"replace {name} => {name} {unit.staging}" for name in staged]
        lines += [f"tool {package}" for _, package in unit.programs]
    else:
        lines += [f"require {name} {version}" for name, version in _REQUIRED.findall(own)]
    if unit.left_out:
        lines.append(f"replace {unit.module} => ./source")
    return "\n".join(lines) + "\n"


def _seccomp() -> dict[str, str]:
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
    }


def _environment() -> dict[str, str]:
    """Go's caches and proxy are the machine's, but what it compiled stays with our cache."""
    kept = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOCACHE": str(CACHE / "go-build"), "GOWORK": "off"}
    path = f"{os.environ.get('PATH', os.defpath)}:{_ITS_OWN_PLACE}"
    return {**os.environ, **kept, "PATH": path, "GOOS": "linux", "GOARCH": "amd64"}


def _run(command: tuple[str, ...], where: Path, environment: dict[str, str]) -> str:
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    done = subprocess.run(
        (program, *command[1:]), cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:3])} …: {(done.stderr or done.stdout).strip()[-3000:]}")
    return done.stdout
