"""``application`` for gunicorn or uWSGI; the configuration file is named by MAGNUM_LITE_CONFIG."""

import os

from magnum_lite import config, rpc
from magnum_lite.api.app import make_application, make_deps

_CONF = config.load(
    ["--config-file", os.environ.get("MAGNUM_LITE_CONFIG", "/etc/magnum_lite/magnum_lite.conf")]
)
application = make_application(make_deps(_CONF, rpc.transport(_CONF)))
