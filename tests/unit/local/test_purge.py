"""What is left of a cloud's processes."""

import os
from pathlib import Path

from magnum_lite.local import purge


def test_groups_that_go_while_they_are_looked_at(monkeypatch, tmp_path):
    """Processes of nodes end by themselves meanwhile, and the kernel removes their groups."""
    for name in ("gone/inner", "there/inner"):
        (tmp_path / name).mkdir(parents=True)
    mine = tmp_path / "there" / "cgroup.procs"
    mine.write_text(f"{os.getpid()}\n")
    look = os.scandir

    def scandir(path):
        if Path(path).name == "gone":
            (Path(path) / "inner").rmdir()
            Path(path).rmdir()
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(purge, "_control_groups", lambda _: (tmp_path,))
    assert [process.pid for process in purge._in_control_group("x")] == [os.getpid()]
    mine.unlink()  # in a real one nothing keeps a directory
    purge._remove_control_groups("x")
    assert not tmp_path.exists()
