"""Who the tests are on the real one-machine cloud."""

from tests.local.conftest import tenant

__all__ = ["tenant"]
