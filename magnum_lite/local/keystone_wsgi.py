"""What gunicorn serves as Keystone.

Keystone parses ``sys.argv`` itself when it is imported, so gunicorn's options are hidden first.
"""

import gc
import sys

from magnum_lite.local import sqlite

sys.argv = ["keystone"]
sqlite.install(foreign_keys=False)  # before Keystone makes its engines

from keystone.server import wsgi  # noqa: E402

application = wsgi.initialize_public_application()
gc.freeze()  # the workers share what was imported; a collection would copy it into each of them
