"""The tree that a node downloads from: archives as the projects publish them, with their checksum files, and
the images. Laid out as doc/kubernetes-mirror.rst says.
"""

import gzip
import hashlib
import inspect
import json
import os
import tarfile
from pathlib import Path

from tests.kubernetes.building import compiler, oci, pictures, recipes
from tests.kubernetes.building.compiler import CACHE, alone, compiled, workshop


def key() -> str:
    """Identifies the content: 16 hexadecimal digits."""
    digest = hashlib.sha256(compiler.toolchain().encode())
    for module in (recipes, compiler, oci, pictures):
        digest.update(inspect.getsource(module).encode())
    digest.update(Path(__file__).read_bytes())
    for script in sorted((Path(__file__).parent / "images").iterdir()):
        digest.update(script.read_bytes())
    return digest.hexdigest()[:16]


def path() -> Path:
    """Where the mirror is, or will be."""
    return CACHE / f"kubernetes-{key()}"


def built(versions: tuple[str, ...] = recipes.VERSIONS) -> Path:
    """The mirror, built if it is not there (an hour on two cores from nothing). Safe to kill and to run
    twice at once: what is finished is kept. Raises BuildError.
    """
    target = path()
    with alone(target):
        if not target.exists():
            with workshop(target) as inside:
                draft = inside / "mirror"
                for version in versions:
                    _kubernetes(draft, version)
                _archives(draft)
                _images(draft, inside)
                (draft / "versions.json").write_text(json.dumps({"kubernetes": versions}))
                draft.rename(target)
    return target


def _kubernetes(root: Path, version: str) -> None:
    unit = recipes.kubernetes(version)
    where = root / "dl.k8s.io" / "release" / version / "bin" / "linux" / "amd64"
    where.mkdir(parents=True)
    for name, _ in unit.programs:
        os.link(compiled(unit) / name, where / name)
        _sum(where / name, ".sha256", named=False)


def _archives(root: Path) -> None:
    units = {unit.name: unit for unit in recipes.OTHERS}
    releases = root / "github.com"

    def programs(name: str) -> dict[str, Path]:
        return {file: compiled(units[name]) / file for file, _ in units[name].programs}

    stem = f"etcd-{recipes.ETCD}-linux-amd64"
    etcd = _packed(
        releases / "etcd-io/etcd/releases/download" / recipes.ETCD / f"{stem}.tar.gz",
        {f"{stem}/{name}": file for name, file in (programs("etcd") | programs("etcdctl")).items()},
    )
    _sum(etcd, "", named=True, into=etcd.with_name("SHA256SUMS"))
    containerd = _packed(
        releases
        / "containerd/containerd/releases/download"
        / recipes.CONTAINERD
        / f"containerd-{recipes.CONTAINERD.removeprefix('v')}-linux-amd64.tar.gz",
        {f"bin/{name}": file for name, file in programs("containerd").items()},
    )
    _sum(containerd, ".sha256sum", named=True)
    runc = releases / "opencontainers/runc/releases/download" / recipes.RUNC / "runc.amd64"
    runc.parent.mkdir(parents=True)
    os.link(programs("runc")["runc"], runc)
    _sum(runc, "", named=True, into=runc.with_name("runc.sha256sum"))
    cni = _packed(
        releases
        / "containernetworking/plugins/releases/download"
        / recipes.CNI
        / f"cni-plugins-linux-amd64-{recipes.CNI}.tgz",
        {f"./{name}": file for name, file in programs("cni").items()},
    )
    _sum(cni, ".sha256", named=True)


def _images(root: Path, inside: Path) -> None:
    where = root / "images"
    where.mkdir()
    lines = []
    for file, nodes, image in (*pictures.of_the_bay(inside), *pictures.of_the_tests()):
        oci.write(image, where / file)
        _sum(where / file, ".sha256", named=False)
        lines.append(f"{file}  {nodes}  {image.reference}\n")
    (where / "index.txt").write_text("".join(lines))


def _packed(target: Path, files: dict[str, Path]) -> Path:
    """A gzipped tar, fast rather than small; the same input makes the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        target.open("wb") as out,
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, file in sorted(files.items()):
            oci.add(tar, name, file.read_bytes(), 0o755)
    return target


def _sum(file: Path, ending: str, *, named: bool, into: Path | None = None) -> None:
    with file.open("rb") as content:
        value = hashlib.file_digest(content, "sha256").hexdigest()
    text = f"{value}  {file.name}\n" if named else value
    (into or file.with_name(file.name + ending)).write_text(text)
