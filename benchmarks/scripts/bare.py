"""The floor: one pecan answer of a few bytes, and one SELECT by an indexed column on SQLite."""

import json
import sys
import time

import pecan
import sqlalchemy as sa


class Root:
    """Says one thing."""

    @pecan.expose(content_type="application/json")
    def index(self):
        """The answer."""
        return b'{"a": 1}'


def _best(call, count=2000, rounds=7):
    call()
    found = []
    for _ in range(rounds):
        before = time.process_time()
        for _ in range(count):
            call()
        found.append((time.process_time() - before) / count)
    return min(found) * 1000


def main(url):
    """Print both in ms of CPU."""
    application = pecan.Pecan(Root())
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
    }  # fmt: skip
    engine = sa.create_engine(url)
    cluster = sa.table("cluster", sa.column("id"), sa.column("uuid"), sa.column("name"))
    query = sa.select(cluster).where(cluster.c.uuid == sa.bindparam("uuid"))
    with engine.connect() as connection:
        uuid = connection.execute(sa.select(cluster.c.uuid).limit(1)).scalar_one()
        print(json.dumps({
            "pecan": _best(lambda: b"".join(application(dict(environ), lambda *_: None))),
            "select": _best(lambda: connection.execute(query, {"uuid": uuid}).all()),
        }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
