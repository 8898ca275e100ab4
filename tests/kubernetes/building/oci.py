"""Images of one layer as OCI archives (image-spec 1.1, image-layout), as ``ctr images import`` reads them."""

import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """``layer`` is the root file system as an uncompressed tar."""

    reference: str
    layer: bytes
    entry_point: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: str = ""
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True, slots=True)
class Blobs:
    """The parts of an image as a registry takes them, and what the manifest is called."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The image's, which is its manifest's."""
        return digest(self.manifest)


def blobs(image: Image) -> Blobs:
    """An image's parts; the same image has the same ones at any time."""
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": list(image.entry_point),
                "Cmd": list(image.command),
                "Env": [f"PATH={image.path}"],
                "User": image.user,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(image.layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, image.layer)],
        }
    )
    return Blobs(image.layer, config, manifest)


def write(image: Image, target: Path) -> None:
    """Write the archive."""
    parts = blobs(image)
    named = _descriptor(_MANIFEST, parts.manifest) | {
        "annotations": {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rsplit(":", 1)[-1],
        }
    }
    with tarfile.open(target, "w") as tar:
        add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), 0o644)
        add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [named]}), 0o644)
        for blob in (parts.layer, parts.config, parts.manifest):
            add(tar, f"blobs/sha256/{digest(blob).removeprefix('sha256:')}", blob, 0o644)


def layer(files: dict[str, Path | bytes], links: dict[str, str] | None = None) -> bytes:
    """A root file system: path → content or the file that has it; executable as the source is, bytes are.

    Links are path → target. Directories are made as needed, ``tmp`` is there always.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        parents = {str(p) for name in {*files, *(links or {})} for p in Path(name).parents} - {"."}
        for name in sorted({*parents, "tmp"}):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name, content in sorted(files.items()):
            if isinstance(content, Path):
                add(tar, name, content.read_bytes(), 0o755 if content.stat().st_mode & 0o111 else 0o644)
            else:
                add(tar, name, content, 0o755)
        for name, target in sorted((links or {}).items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    """Put a file into a tar; owner root, time zero."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def digest(content: bytes) -> str:
    """As the image specification writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
