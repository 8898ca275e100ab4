"""No change of the API is an accident: what clients see, and what the reference says, is kept in the tree."""

import difflib
from pathlib import Path

import docutils.core
import pytest

from magnum_lite.cmd.manage import api_text

ROOT = Path(__file__).resolve().parents[2]
KEPT = {"outline": ROOT / "tests/functional/snapshots/api.txt", "reference": ROOT / "doc/api.rst"}
MOST = 200


@pytest.mark.parametrize("which", KEPT)
def test_the_api_is_as_it_was(which):
    path = KEPT[which]
    before, now = path.read_text().splitlines(), api_text(which).splitlines()
    changes = list(
        difflib.unified_diff(before, now, str(path.relative_to(ROOT)), "the code", lineterm="", n=2)
    )
    shown = "\n".join(changes[:MOST])
    assert not changes, f"The API changed. If it was meant: make api, and look at the diff.\n{shown}"


def test_the_reference_is_sound():
    found = docutils.core.publish_doctree(
        KEPT["reference"].read_text(), settings_overrides={"report_level": 5}
    )
    assert [str(m) for m in found.findall(lambda n: n.tagname == "system_message")] == []
