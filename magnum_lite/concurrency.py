"""How this process does many things at once. ``choose`` comes before any other import that opens
sockets or makes locks; only the conductor and the one-machine process call it.

Nothing else in the product knows eventlet.
"""

import os
import select

_chosen: str | None = None
_poll = getattr(select, "poll", None)  # before it is patched: eventlet takes it away, as it could wait


def choose(name: str) -> None:
    """Fix the process on ``eventlet`` or ``threading``; a second, different choice is an error."""
    global _chosen  # noqa: PLW0603  one choice per process
    if _chosen is not None:
        if _chosen != name:
            raise RuntimeError(f"concurrency is already {_chosen}")
        return
    if name == "eventlet":
        # psycopg waits in C by default, which would hold up every green thread.
        os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_select")
        import eventlet  # patched early, and only where chosen

        eventlet.monkey_patch()
    _chosen = name
    # Importing oslo_messaging first silently fixes oslo.service on eventlet.
    from oslo_service import backend

    kind = backend.BackendType.EVENTLET if name == "eventlet" else backend.BackendType.THREADING
    backend.init_backend(kind)


def readable(descriptor: int) -> bool:
    """Whether there is something to read, now; no green thread runs meanwhile. True where nobody can tell."""
    if _poll is None:
        return True
    poller = _poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def executor() -> str:
    """The name that oslo.messaging's server wants for this choice."""
    return "eventlet" if _chosen == "eventlet" else "threading"
