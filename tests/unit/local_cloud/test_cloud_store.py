"""Records: whole or not at all, also for threads and for a process that is killed."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from magnum_lite.local.cloud.store import Store
from tests.support.waiting import eventually

WRITER = """
import sys
from pathlib import Path
from magnum_lite.local.cloud.store import Store
store = Store(Path(sys.argv[1]))
for number in range(10**6):
    with store.transaction():
        store.put("a", {"id": "x", "project_id": "p", "n": number})
        store.put("b", {"id": "x", "project_id": "p", "n": number})
"""


def test_a_transaction_is_kept_or_rolled_back(tmp_path):
    store = Store(tmp_path / "s")
    with pytest.raises(ValueError, match="no"), store.transaction():
        store.put("a", {"id": "1", "project_id": "p"})
        with store.transaction():
            store.put("a", {"id": "2", "project_id": "p"})
        raise ValueError("no")
    assert store.list("a") == []
    with store.transaction():
        store.put("a", {"id": "1", "project_id": "p"})
    assert len(store.list("a", "p")) == 1
    assert store.list("a", "q") == []


def test_order_and_modes(tmp_path):
    store = Store(tmp_path / "s")
    for ident in "cab":
        store.put("a", {"id": ident, "project_id": "p"})
    store.change("a", "c", more=1)
    assert [record["id"] for record in store.list("a")] == ["c", "a", "b"]
    assert store.change("a", "gone", more=1) is None
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())


def test_threads_lose_no_change(tmp_path):
    store = Store(tmp_path / "s")
    store.put("a", {"id": "x", "project_id": "p", "n": 0})

    def count():
        for _ in range(100):
            with store.transaction():
                store.change("a", "x", n=store.get("a", "x")["n"] + 1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("a", "x")["n"] == 800


def test_a_killed_writer(tmp_path):
    file = tmp_path / "s"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)])
        try:
            eventually(lambda: file.exists() and file.with_name("s-wal").exists())
            reader = Store(file)
            eventually(lambda reader=reader: (reader.get("b", "x") or {"n": 0})["n"] > 50)
            reader.close()
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        store = Store(file)
        assert store.get("a", "x") == store.get("b", "x")
        store.delete("a", "x")
        store.delete("b", "x")
        store.close()
