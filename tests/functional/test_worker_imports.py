"""What an API worker imports, each in a process of its own: a fresh one nothing that only some requests need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

LATE = ("oslo_messaging", "keystonemiddleware", "keystoneauth1", "eventlet", "heatclient", "cryptography", "alembic",
        "docker", "jinja2", "pygments", "lxml")  # fmt: skip

_PROGRAM = """
import json, os, sys
from magnum_lite import wsgi
from magnum_lite.api.app import bare_application
late = sys.argv[1].split(",")
def loaded(): return [n for n in late if n in sys.modules]
def ask(application, path, **more):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
               "SERVER_PORT": "80", "wsgi.url_scheme": "http", "HTTP_HOST": "localhost", **more}
    status = []
    b"".join(application(environ, lambda line, *_: status.append(line)))
    return status[0]
said = {"fresh": loaded(), "root": ask(wsgi.application, "/"), "after root": loaded()}
with wsgi.deps.database.write() as connection:
    from magnum_lite.db.schema import metadata
    metadata.create_all(connection)
caller = {"HTTP_X_PROJECT_ID": "p", "HTTP_X_USER_ID": "u", "HTTP_X_ROLES": "member"}
said["list"] = ask(bare_application(wsgi.deps), "/v1/clusters/detail", **caller)
said["after list"] = loaded()
said["guarded"] = ask(wsgi.application, "/v1/clusters")
said["after guarded"] = loaded()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a worker said about itself."""
    where = tmp_path_factory.mktemp("worker")
    (where / "magnum_lite.conf").write_text(
        f"[DEFAULT]\ntransport_url = fake://\n[database]\nconnection = sqlite:///{where}/db.sqlite\n"
        "[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9/v3\n"
    )
    environment = {
        **os.environ,
        "MAGNUM_LITE_CONFIG": str(where / "magnum_lite.conf"),
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, ",".join(LATE)],
        capture_output=True, text=True, env=environment, cwd=where, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("when", ["fresh", "after root", "after list"])
def test_reading_needs_none_of_them(said, when):
    assert said["root"].startswith("200")
    assert said["list"].startswith("200")
    assert said[when] == []


def test_the_whole_pipeline_still_stands_before_it(said):
    """The first request that needs a token brings Keystone's middleware, and is refused."""
    assert said["guarded"].startswith("401")
    assert "keystonemiddleware" in said["after guarded"]
    assert "oslo_messaging" not in said["after guarded"]
