"""Notifications for other services (billing, dashboards, audit), with upstream magnum's event types:
``magnum.cluster.create`` and its like, in the form of DMTF's CADF. They leave through a thread of their own:
a broker that is away holds up no cluster; what does not fit into the queue meanwhile is lost, and counted.
"""

import datetime as dt
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import oslo_messaging
from oslo_log import log

from magnum_lite import context, metrics

LOG = log.getLogger(__name__)
WAITING = 1000
_CADF = "http://schemas.dmtf.org/cloud/audit/1.0/event"

Notify = Callable[..., None]


def nobody(resource: str, action: str, outcome: str, cluster: Mapping[str, Any], **more: Any) -> None:
    """Nobody is told."""


def payload(
    resource: str, action: str, outcome: str, cluster: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """One CADF event (DSP0262) about a cluster; ``outcome`` is pending, success or failure. No secrets."""
    user = more.get("requester_user") or cluster.get("user_id") or ""
    project = more.get("requester_project") or cluster.get("project_id") or ""
    facts = {k: v for k, v in more.items() if not k.startswith("requester_")}
    attached = [{"name": "facts", "typeURI": "mime:application/json", "content": facts}] if facts else []
    return {
        "typeURI": _CADF,
        "eventType": "activity",
        "id": str(uuid.uuid4()),
        "eventTime": dt.datetime.now(dt.UTC).isoformat(),
        "action": action,
        "outcome": outcome,
        "initiator": {
            "typeURI": "service/security/account/user",
            "id": user,
            "user_id": user,
            "project_id": project,
            "request_id": context.current_request(),
        },
        "target": {
            "typeURI": f"service/magnum/{resource}",
            "id": cluster["uuid"],
            "name": cluster.get("name") or "",
            "project_id": cluster.get("project_id") or "",
            "status": cluster.get("status") or "",
        },
        "observer": {"typeURI": "service/magnum/cluster", "id": f"magnum.{socket.gethostname()}"},
        "attachments": attached,
    }


class Notifications:
    """Sends by the drivers of ``[oslo_messaging_notifications]``; none by default."""

    def __init__(self, conf: Any) -> None:
        transport = oslo_messaging.get_notification_transport(conf)
        publisher = f"container-infra.{socket.gethostname()}"
        self._notifier = oslo_messaging.Notifier(transport, publisher_id=publisher, retry=1)
        self._queue: queue.Queue[tuple[bool, str, dict[str, Any]]] = queue.Queue(WAITING)
        threading.Thread(target=self._run, name="notifications", daemon=True).start()

    def __call__(
        self, resource: str, action: str, outcome: str, cluster: Mapping[str, Any], **more: Any
    ) -> None:
        """Returns at once."""
        told = payload(resource, action, outcome, cluster, more)
        try:
            self._queue.put_nowait((outcome == "failure", f"magnum.{resource}.{action}", told))
        except queue.Full:
            metrics.count("notifications_lost")

    def finish(self, seconds: float) -> None:
        """Wait until all that was told has left, at most so long: the process is about to end."""
        end = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.05)
        if left := self._queue.unfinished_tasks:
            LOG.warning("notifications lost at the end count=%d", left)

    def _run(self) -> None:
        while True:
            failed, kind, told = self._queue.get()
            send = self._notifier.error if failed else self._notifier.info
            try:
                send({}, kind, told)
            except Exception:  # whatever it is, the next one may work
                metrics.count("notifications_lost")
                LOG.warning("notification lost event=%s", kind, exc_info=True)
            finally:
                self._queue.task_done()
