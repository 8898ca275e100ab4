"""The sealer that the configuration describes: for conductors, and for commands that do without one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magnum_lite.cloud.key_manager import CastellanKeys, KeyManager
from magnum_lite.errors import Unavailable
from magnum_lite.pki.errors import KeyFileError
from magnum_lite.pki.keyring import KeyFiles
from magnum_lite.pki.sealing import Sealer


class _Sources:
    """Keys of a key manager first, which never change under their id, then those of files."""

    def __init__(self, managed: Sequence[bytes], files: KeyFiles | None) -> None:
        self._managed = list(managed)
        self._files = files
        self._asked = False

    def __call__(self, wanted: bool) -> Sequence[bytes] | None:  # noqa: FBT001  see pki.sealing.KeySource
        found = self._files(wanted) if self._files is not None else None
        if found is None and self._asked:
            return None
        self._asked = True
        return [*self._managed, *(found or ())]


def make_sealer(conf: Any, manager: KeyManager | None = None) -> Sealer:
    """Raises ``pki.errors.KeyFileError`` for a key file that must not be used, or a key manager that gives no
    keys. ``manager`` stands for the one that the configuration names.
    """
    managed: list[bytes] = []
    options = conf.certificates
    if options.kek_id:
        try:
            keys = manager or CastellanKeys(conf)
            managed = [keys.fetch(ident) for ident in options.kek_id]
        except Unavailable as error:
            why = error.__cause__
            wrong = f"gave no key: {why}" if why else "is not installed: magnum-lite[castellan] brings it"
            raise KeyFileError("key-manager", f"The key manager {wrong}") from error
    files = KeyFiles([Path(path) for path in options.kek_file]) if options.kek_file else None
    return Sealer.from_source(_Sources(managed, files))
