"""Fixtures for every suite."""

import pytest

from tests.support.stand import Stand


@pytest.fixture
def stand(tmp_path):
    """A whole service on in-memory twins."""
    return Stand(tmp_path)
