"""Runs in the environment of what is measured, beside its application, without a server: answers lines of
JSON on its standard input with the CPU time and the SQL statements of a request.
"""

import importlib
import io
import json
import os
import sys
import time
import urllib.parse


def _environ(path, method="GET", body=None):
    where, _, query = path.partition("?")
    raw = b"" if body is None else json.dumps(body).encode()
    return {
        "REQUEST_METHOD": method, "PATH_INFO": urllib.parse.unquote(where), "QUERY_STRING": query,
        "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "9511", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:9511", "HTTP_ACCEPT": "application/json", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_OPENSTACK_API_VERSION": "container-infra latest", "CONTENT_TYPE": "application/json" if raw else "",
        "CONTENT_LENGTH": str(len(raw)), "wsgi.input": io.BytesIO(raw), "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip


def _ask(application, request):
    status = []
    parts = application(_environ(**request), lambda line, *_: status.append(line))
    body = b"".join(parts)
    if not status[0].startswith("2"):
        raise RuntimeError(f"{request['path']}: {status[0]} {body[:500]!r}")
    return body


def main():
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the service prints is not an answer
    sys.path.insert(0, os.environ["BENCH_APPLICATIONS"])
    before = time.process_time()
    module = importlib.import_module(sys.argv[1])
    application, has_conductor = module.application, False
    print(
        json.dumps({"import_cpu": time.process_time() - before, "modules": len(sys.modules)}),
        file=answers,
        flush=True,
    )
    import sqlalchemy as sa  # the application has imported it

    seen = []
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda _c, _u, text, *_: seen.append(text))
    for line in sys.stdin:
        request = json.loads(line)
        count = request.pop("count")
        if request.get("method") == "POST" and not has_conductor:
            module.start_conductor()
            has_conductor = True
        body = _ask(application, request)  # warm
        seen.clear()
        _ask(application, request)
        quiet = ("BEGIN", "COMMIT", "ROLLBACK", "SELECT 1")
        statements = [
            text for text in seen if text.strip().upper() not in quiet and not text.startswith("BEGIN")
        ]
        spent = []
        for _ in range(count):
            start = time.process_time()
            _ask(application, request)
            spent.append(time.process_time() - start)
        found = {"cpu": min(spent), "sql": len(statements), "bytes": len(body)}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
