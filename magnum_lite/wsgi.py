"""``application`` for gunicorn or uWSGI; the configuration file is named by MAGNUM_LITE_CONFIG."""

import os

from oslo_log import log

from magnum_lite import config, metrics, rpc
from magnum_lite.api.app import make_application, make_deps

# oslo.messaging imports eventlet, also here where nothing is green, and that a DNS library of 15 MiB.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
_CONF = config.load(
    ["--config-file", os.environ.get("MAGNUM_LITE_CONFIG", "/etc/magnum_lite/magnum_lite.conf")]
)
log.setup(_CONF, "magnum_lite")
metrics.setup(_CONF)
deps = make_deps(_CONF, lambda: rpc.transport(_CONF))
application = make_application(deps)
