"""Remove a directory tree that may have file systems mounted in it, without following them out."""

import shutil
import subprocess
from pathlib import Path

_OCTAL = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


def mounts_below(directory: Path) -> tuple[Path, ...]:
    """Mount points in or at a directory, innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        text = line.split()[4]
        for code, character in _OCTAL.items():
            text = text.replace(code, character)
        point = Path(text)
        if point == directory or directory in point.parents:
            found.append(point)
    return tuple(reversed(found))


def remove(directory: Path) -> None:
    """Unmount what is mounted in it, then delete it. Raises OSError when something stays mounted."""
    if not directory.exists():
        return
    for point in mounts_below(directory):
        for how in ((), ("--lazy",)):
            command = ("umount", *how, str(point))
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                break
    if left := mounts_below(directory):
        raise OSError(f"{left[0]} is still mounted")
    shutil.rmtree(directory)
