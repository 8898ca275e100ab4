"""The offline audit finds what it should, and never calls an empty list clean."""

import json
import zipfile

import pytest

from tests.support.tools import load

audit = load("audit")
ENTRY = {
    "id": "PYSEC-2023-254",
    "aliases": ["CVE-2023-49083"],
    "summary": "A NULL dereference",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Crypto_Graphy"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "3.1"}, {"fixed": "41.0.6"}]}],
            "versions": ["2.0.post1"],
        }
    ],
}


@pytest.mark.parametrize(
    ("version", "bad"),
    [
        ("3.0", False),
        ("3.1", True),
        ("41.0.5", True),
        ("41.0.6rc1", True),
        ("41.0.6", False),
        ("2.0.post1", True),
    ],
)
def test_ranges_and_lists(version, bad):
    count, lines = audit.audit([ENTRY], {"crypto-graphy": version})
    assert (count, bool(lines)) == (1, bad)


def test_last_affected_several_ranges_and_withdrawn():
    events = [{"introduced": "0"}, {"last_affected": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}]
    entry = {"id": "X", "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "ranges": [
        {"type": "ECOSYSTEM", "events": events}, {"type": "GIT", "events": [{"introduced": "abc"}]}]}]}  # fmt: skip
    bad = [v for v in ("1.5", "1.6", "2.0", "2.1.9", "2.2") if audit.audit([entry], {"a": v})[1]]
    assert bad == ["1.5", "2.0", "2.1.9"]
    assert audit.audit([entry | {"withdrawn": "2024-01-01T00:00:00Z"}], {"a": "1.0"}) == (1, [])
    assert audit.audit([entry], {"b": "1.0"}) == (1, [])


def test_the_command(tmp_path, capsys, monkeypatch):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("one.json", json.dumps(ENTRY))
    assert audit.main([str(archive)]) == 2
    assert "not all" in capsys.readouterr().err
    assert audit.main([str(tmp_path / "nothing")]) == 2
    monkeypatch.setattr(audit, "FEWEST", 1)
    assert audit.main([str(archive)]) == 0
    assert "clean" in capsys.readouterr().out
    here = json.loads(json.dumps(ENTRY).replace("Crypto_Graphy", "pytest").replace('"41.0.6"', '"9999"'))
    (tmp_path / "vulns").mkdir()
    (tmp_path / "vulns" / "one.json").write_text(json.dumps(here))
    assert audit.main([str(tmp_path / "vulns")]) == 1
    assert "CVE-2023-49083" in capsys.readouterr().out
    assert audit.main([str(tmp_path / "vulns"), "--ignore", "CVE-2023-49083"]) == 0
