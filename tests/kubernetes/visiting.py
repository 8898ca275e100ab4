"""Somebody who asks without a pause, so that a change of the bay is seen from outside."""

import threading
import time


class Visitor(threading.Thread):
    """Calls ``visit`` until ``end``; one that gives False or raises OSError has failed."""

    def __init__(self, visit, pause=0.1):
        super().__init__(daemon=True)
        self._visit, self._pause, self._over = visit, pause, threading.Event()
        self.visits, self.failed, self.longest = 0, 0, 0.0

    def run(self):
        since = None
        while not self._over.wait(self._pause):
            self.visits += 1
            try:
                good = self._visit()
            except OSError:
                good = False
            if good:
                since = None
                continue
            self.failed += 1
            since = since or time.monotonic()
            self.longest = max(self.longest, time.monotonic() - since)

    def end(self):
        """What happened, in words."""
        self._over.set()
        self.join(30)
        return f"{self.visits} visits, {self.failed} failed, away for at most {self.longest:.1f} s"
