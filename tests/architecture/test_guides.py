"""What the guides name exists: the tests of the threat model, and the commands."""

import re
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted(p for p in (ROOT / "doc").glob("*.rst") if p.name != "api.rst")


@pytest.mark.parametrize("guide", [*GUIDES, ROOT / "README.rst"], ids=lambda p: p.name)
def test_it_is_sound_rst(guide):
    settings = {"report_level": 2, "halt_level": 2}
    docutils.core.publish_doctree(guide.read_text(encoding="utf-8"), settings_overrides=settings)


def test_every_rule_of_the_threat_model_has_its_tests():
    text = (ROOT / "doc/threat-model.rst").read_text(encoding="utf-8")
    found = re.findall(r"``((?:security|functional|local|unit|openstack)/[\w/]+\.py)(?:::(\w+))?``", text)
    assert len(found) > 30
    for path, name in found:
        file = ROOT / "tests" / path
        assert file.exists(), path
        assert not name or re.search(rf"(def|class) {name}\b", file.read_text(encoding="utf-8")), (path, name)
    rules = text.count("\n   * - ") - text.count("\n   * - Rule\n")
    tested = len(re.findall(r"\n   \* - [^\n]+\n     - (?:\| )?``", text))
    assert tested == rules
