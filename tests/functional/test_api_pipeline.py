"""The whole pipeline: keystonemiddleware before everything but what is public."""

import socket
import time

import pytest
import webtest
from keystoneauth1 import loading
from keystonemiddleware.opts import list_auth_token_opts

from magnum_lite.api.app import KEYSTONE_SECONDS, make_application
from magnum_lite.db import migrations, services
from magnum_lite.db.session import Database
from tests.functional.conftest import errors
from tests.support.processes import free_port
from tests.support.stand import Stand


@pytest.fixture
def pipeline(stand):
    """The application as it is served; no Keystone is there that could validate a token."""
    for group, options in list_auth_token_opts():
        stand.conf.register_opts(options, group=group)
    stand.conf.set_override("www_authenticate_uri", "http://127.0.0.1:9/v3", group="keystone_authtoken")
    return webtest.TestApp(make_application(stand.deps))


def test_paths_that_are_not_served_need_a_token_too(pipeline):
    for path in ("/v2", "/v1/nothing", "/healthcheck/x", "/v1/../healthcheck"):
        assert pipeline.get(path, expect_errors=True).status_int == 401


def test_what_is_public(pipeline):
    for path in ("/", "/v1", "/v1/"):
        assert pipeline.get(path).status_int == 200
    errors(pipeline.post("/", b"", expect_errors=True), 405)


@pytest.mark.parametrize(
    ("proxied", "base"), [(True, "https://cloud.example:443"), (False, "http://localhost:80")]
)
def test_forwarded_headers_are_believed_where_the_operator_says_so(tmp_path, proxied, base):
    stand = Stand(tmp_path, api__proxied=proxied)
    app = webtest.TestApp(make_application(stand.deps))
    sent = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud.example"}
    href = app.get("/", headers=sent).json["versions"][0]["links"][0]["href"]
    assert href.startswith(base.rsplit(":", 1)[0])


@pytest.fixture
def health(tmp_path):
    """``health(**options)``: what /healthcheck says of a service with a database and no conductor."""

    def make(**options):
        url = f"sqlite:///{tmp_path}/health.sqlite"
        migrations.upgrade(Database(url))
        stand = Stand(tmp_path, database__connection=url, **options)
        app = webtest.TestApp(make_application(stand.deps))
        app.conf = stand.conf
        return app, url

    return make


def test_the_health_is_public_and_names_no_address(health, tmp_path):
    app, _ = health()
    assert app.get("/healthcheck").text.splitlines()[-1] == "OK, conductors=0"
    app, _ = health(api__health_needs_conductor=True)
    answer = app.get("/healthcheck", expect_errors=True)
    assert (answer.status_int, answer.text.splitlines()[-1]) == (503, "no conductor is up")


def test_the_health_of_a_conductor_counts(health):
    app, url = health(api__health_needs_conductor=True)
    with Database(url).write() as connection:
        services.beat(connection, "host-1", "magnum-conductor")
    assert app.get("/healthcheck").text.splitlines()[-1] == "OK, conductors=1"


def test_the_health_without_a_database(tmp_path):
    url = f"mysql+pymysql://secret:secret@127.0.0.1:{free_port()}/magnum"
    app = webtest.TestApp(make_application(Stand(tmp_path, database__connection=url).deps))
    answer = app.get("/healthcheck", expect_errors=True)
    assert (answer.status_int, answer.text.splitlines()[-1]) == (503, "the database does not answer")
    assert "secret" not in answer.text and "127.0.0.1" not in answer.text


def test_an_operator_takes_a_worker_out_by_a_file(health, tmp_path):
    away = tmp_path / "away"
    app, _ = health()
    app.get("/healthcheck")  # its options are there then
    app.conf.set_override("disable_by_file_path", str(away), group="healthcheck")
    assert app.get("/healthcheck").status_int == 200
    away.touch()
    answer = app.get("/healthcheck", expect_errors=True)
    assert (answer.status_int, answer.text.splitlines()[0]) == (503, "DISABLED BY FILE")


def test_a_keystone_that_says_nothing_is_503_in_time(pipeline, stand):
    """It takes the connection, and that is all."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v3"
        pipeline.get("/v1/clusters", expect_errors=True)  # the middleware is made then
        assert stand.conf.keystone_authtoken.http_connect_timeout == KEYSTONE_SECONDS
        stand.conf.register_opts(loading.get_auth_plugin_conf_options("password"), group="keystone_authtoken")
        for name, value in {
            "auth_type": "password", "auth_url": address, "username": "u", "password": "p",
            "project_name": "service", "user_domain_name": "Default", "project_domain_name": "Default",
            "http_connect_timeout": 1, "http_request_max_retries": 1,
        }.items():  # fmt: skip
            stand.conf.set_override(name, value, group="keystone_authtoken")
        app = webtest.TestApp(make_application(stand.deps))
        began = time.monotonic()
        answer = app.get("/v1/clusters", headers={"X-Auth-Token": "x"}, expect_errors=True)
        assert time.monotonic() - began < 30
    assert answer.status_int == 503
    assert "identity service does not answer" in answer.json["errors"][0]["detail"]
    assert "127.0.0.1" not in answer.text and int(answer.headers["Retry-After"]) > 0
