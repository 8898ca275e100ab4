"""The real ports of a conductor."""

import os
import secrets
import socket
from pathlib import Path
from typing import Any

from magnum_lite.cloud.console import Consoles
from magnum_lite.cloud.credentials import CloudCredentials
from magnum_lite.cloud.lookups import CloudLookups
from magnum_lite.cloud.room import Room
from magnum_lite.cloud.servers import Servers
from magnum_lite.cloud.sessions import ServiceSessions
from magnum_lite.conductor import reachable
from magnum_lite.conductor.notifications import Notifications
from magnum_lite.conductor.ports import Ports
from magnum_lite.conductor.sealers import make_sealer
from magnum_lite.db.session import Database
from magnum_lite.drivers.contract import DoorSpec
from magnum_lite.orchestration.heat import HeatStacks


def make_ports(conf: Any) -> Ports:
    """From the configuration. Raises ``pki.errors.KeyFileError`` for a key file that must not be used, and
    ValueError for what is no network.
    """
    reachable.networks(tuple(conf.conductor.never_reach))
    sessions, notify = ServiceSessions(conf), Notifications(conf)
    return Ports(
        conf=conf,
        database=Database(
            conf.database.connection, pool_size=max(conf.database.pool_size, conf.conductor.workers + 4)
        ),
        stacks=HeatStacks(sessions.session_for, global_list=conf.conductor.global_stack_list),
        sealer=make_sealer(conf),
        door=DoorSpec(url=conf.node_door.url.rstrip("/"), ca_pem=_text(conf.node_door.ca_file)),
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        cloud_ca=_text(conf.cloud_provider.cafile),
        sessions=sessions,
        notify=notify,
        last_words=notify.finish,
        room=Room(CloudLookups(conf), sessions.session_for),
        servers=Servers(sessions.session_for, conf.service_user.interface, conf.service_user.region_name),
        consoles=Consoles(sessions.session_for, conf.service_user.interface, conf.service_user.region_name),
        credentials=CloudCredentials(
            sessions.session_for, conf.service_user.interface, conf.service_user.region_name
        ),
    )


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="ascii") if path else ""
