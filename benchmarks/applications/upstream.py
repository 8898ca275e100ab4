"""Upstream's own WSGI module, with a paste pipeline that has no authtoken."""

import os
import sys

from caller import as_member

sys.argv = ["magnum-api", "--config-file", os.environ["BENCH_CONFIG"]]
from magnum.wsgi import api  # noqa: E402  it reads sys.argv

application = as_member(api.application)
