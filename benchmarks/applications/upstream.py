"""Upstream's own WSGI module, with a paste pipeline that has no authtoken."""

import os
import sys

from caller import as_member

sys.argv = ["magnum-api", "--config-file", os.environ["BENCH_CONFIG"]]
from magnum.wsgi import api  # noqa: E402  it reads sys.argv

application = as_member(api.application)


def start_conductor():
    """A conductor's RPC server in this process, for a bus that does not leave it."""
    from magnum.common import rpc_service
    from magnum.conductor.handlers import ca_conductor
    from magnum.conf import CONF

    rpc_service.Service.create(
        CONF.conductor.topic, "bench", [ca_conductor.Handler()], binary="magnum-conductor"
    ).start()
