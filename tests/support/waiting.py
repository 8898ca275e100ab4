"""Waiting for what comes to be true by itself."""

import time


def eventually(check, seconds=60, *, what="", pause=0.02, work=lambda: None):
    """The first true answer of ``check`` within ``seconds``; fails with the last one. ``work`` is done between
    looks.
    """
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or check}; last: {found!r}"
        work()
        time.sleep(pause)
    return found
