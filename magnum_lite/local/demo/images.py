"""The images of the demo: a static busybox and a script of a few lines each, so that nothing has to come
from a public registry. They are made on the spot, as tar files for ``docker import``.
"""

import dataclasses
import io
import subprocess
import tarfile
from importlib import resources
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """``scripts``: path in the image → file beside this module; ``command``: what it runs."""

    name: str
    command: tuple[str, ...]
    scripts: tuple[tuple[str, str], ...] = ()
    directories: tuple[str, ...] = ()


_ONE_OF = ("bin/one-of", "one-of.sh")
IMAGES = (
    Image("busybox", ("sh",)),
    Image("lb", ("nc", "-ll", "-p", "80", "-e", "/bin/lb"), (_ONE_OF, ("bin/lb", "lb.sh"))),
    Image(
        "web",
        ("httpd", "-f", "-p", "5000", "-h", "/www"),
        (_ONE_OF, ("www/cgi-bin/index.cgi", "web.sh")),
    ),
    Image("redis", ("nc", "-ll", "-p", "6379", "-e", "/bin/redis"), (("bin/redis", "redis.sh"),), ("data",)),
)


def archive(image: Image, busybox: Path) -> bytes:
    """The root file system as a tar."""
    applets = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "www", "www/cgi-bin", *image.directories):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name in {"tmp", "data"} else 0o755
            tar.addfile(entry)
        _add(tar, "bin/busybox", busybox.read_bytes())
        for applet in sorted(set(applets.stdout.split()) - {"busybox"}):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        for path, file in image.scripts:
            _add(tar, path, data_file(file).encode())
    return out.getvalue()


def changes(image: Image) -> tuple[str, ...]:
    """Options of ``docker import``."""
    words = ", ".join(f'"{word}"' for word in image.command)
    return ("--change", f"CMD [{words}]", "--change", "ENV PATH=/bin")


def data_file(name: str) -> str:
    """A file that comes with the demo."""
    return (resources.files("magnum_lite.local.demo") / "files" / name).read_text()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))
