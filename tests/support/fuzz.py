"""How long to look for bad input: a check of a change must not fail for what it did not change, so it tries
the same examples each time; `make fuzz N=100` tries new ones, and N times as many.
"""

import os

import hypothesis

FACTOR = int(os.environ.get("MAGNUM_LITE_FUZZ", "0"))


def examples(count: int) -> int:
    """How many examples to try where a check of a change tries ``count``."""
    return count * max(1, FACTOR)


def load() -> None:
    """Make it so for all tests."""
    hypothesis.settings.register_profile(
        "here", derandomize=FACTOR == 0, deadline=None, print_blob=FACTOR > 0, max_examples=examples(100)
    )
    hypothesis.settings.load_profile("here")
