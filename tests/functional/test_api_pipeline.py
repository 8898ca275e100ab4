"""The whole pipeline: keystonemiddleware before everything but what is public."""

import pytest
import webtest
from keystonemiddleware.opts import list_auth_token_opts

from magnum_lite.api.app import make_application
from tests.functional.conftest import errors
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
    assert pipeline.get("/healthcheck").status_int == 200
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
