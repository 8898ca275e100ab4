"""gunicorn for the API: ``gunicorn --config /etc/magnum_lite/gunicorn.conf.py``.

The environment: MAGNUM_LITE_CONFIG names the service's own configuration file, MAGNUM_LITE_BIND where to
listen, WEB_CONCURRENCY how many workers (a worker of the API is about 60 to 90 MiB).
"""

import os

wsgi_app = "magnum_lite.wsgi:application"
bind = os.environ.get("MAGNUM_LITE_BIND", "127.0.0.1:9511")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))

# Threads, as a request may wait for Nova, Glance or a conductor; the service itself is made for them.
worker_class = "gthread"
threads = 8

# SIGTERM: requests that are under way get this long. systemd's limit must be longer.
graceful_timeout = 8
timeout = 60
keepalive = 5

# Keystone's tokens are short, but a service token and proxies' headers come on top.
limit_request_field_size = 16384
control_socket_disable = True
