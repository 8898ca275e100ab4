"""Who dies next: seeded, each kind in its share; what was killed comes back at once."""

import random
import signal
import threading
import time

from tests.crash import mines
from tests.crash.world import LEASE

# Of a hundred kills. A broker's and a database's restart take seconds, so they are few.
SHARES = {
    "point": 52,
    "conductor": 15,
    "freeze": 8,
    "api": 5,
    "cast": 6,
    "door": 4,
    "heat": 5,
    "database": 3,
    "broker": 2,
}
_MINE_LIES = 6.0


class Killer:
    """``world`` loses a process at a time. ``kills`` counts by kind and point."""

    def __init__(self, world, seed):
        self._world, self._random = world, random.Random(seed)
        self.kills, self.thaws, self._starting = {}, [], {}

    @property
    def total(self):
        """Kills that happened."""
        return sum(self.kills.values())

    def strike(self):
        """One of them, or nothing where nobody came to the point in time."""
        kind = self._random.choices(list(SHARES), list(SHARES.values()))[0]
        getattr(self, f"_{kind}")()

    def _note(self, what):
        self.kills[what] = self.kills.get(what, 0) + 1
        self._world.log(f"killed {what}")

    def _dead(self):
        return [c for c in self._world.conductors if not c.alive()]

    def revive(self):
        """Whoever died starts again."""
        for conductor in self._dead():
            code = conductor.exit_code()
            assert code == -signal.SIGKILL, f"a conductor ended by itself with {code}: {conductor.log}"
            conductor.launch()

    def _mined(self, point, fallen):
        """Lay a mine and wait until somebody has stepped on it."""
        mine = self._world.mines / point
        mine.touch()
        deadline = time.monotonic() + _MINE_LIES
        while mine.exists():
            if time.monotonic() > deadline:
                mine.unlink(missing_ok=True)
                return
            time.sleep(0.05)
        self._note(fallen)

    def _point(self):
        point = self._random.choice(mines.CONDUCTOR)
        self._mined(point, f"conductor at {point}")
        time.sleep(0.1)
        self.revive()

    def _conductor(self):
        victim = self._random.choice(self._world.conductors)
        time.sleep(self._random.uniform(0, 1.5))
        victim.kill()
        self._note("conductor at random")
        victim.launch()

    def _freeze(self):
        """Past its lease, while the others go on; it comes back and believes that nothing happened."""
        victim = self._random.choice(self._world.conductors)
        if not victim.alive() or any(thaw.is_alive() for thaw in self.thaws):
            return
        victim.freeze()
        self._note("conductor frozen past its lease")
        thaw = threading.Timer(LEASE * self._random.uniform(1.2, 2.0), victim.thaw)
        thaw.start()
        self.thaws.append(thaw)

    def _cast(self):
        self._mined(mines.API, "api between commit and cast")

    def _server(self, name, server):
        """Kill it and let it start again, while the next ones die already."""
        if name in self._starting and self._starting[name].is_alive():
            return
        server.kill()
        self._note(name)
        delay = self._random.uniform(0, 1)

        def again():
            time.sleep(delay)
            server.start(90)

        self._starting[name] = threading.Thread(target=again)
        self._starting[name].start()

    def _api(self):
        self._server("api", self._world.api)

    def _door(self):
        self._server("node door", self._world.door)

    def _heat(self):
        self._server("heat", self._world.heat)

    def _database(self):
        self._server("database", self._world.database_server)

    def _broker(self):
        self._server("broker", self._world.broker)

    def peace(self):
        """Nobody dies any more, and everybody is there."""
        for thread in (*self.thaws, *self._starting.values()):
            thread.join()
        for mine in self._world.mines.iterdir():
            mine.unlink(missing_ok=True)
        self.revive()
