"""What the in-memory Heat keeps in its file."""

import pytest

from magnum_lite.orchestration.memory_journal import Journal
from magnum_lite.orchestration.memory_nodes import MemoryNode, Record


def test_what_failed_halfway_leaves_nothing_that_later_stacks_need(tmp_path):
    journal = Journal(tmp_path / "state")
    node = MemoryNode("worker", 0, "10.0.0.1", "", signalled=object())
    with pytest.raises(TypeError):
        journal.keep(Record("one", "project", "broken", 1, template="the template", nodes=[node]))
    journal.keep(Record("two", "project", "whole", 2, template="the template"))
    journal.close()
    (found,) = Journal(tmp_path / "state").load()
    assert (found.id, found.template) == ("two", "the template")
