"""The WSGI application: pecan behind keystonemiddleware."""

from collections.abc import Callable
from typing import Any

import pecan
from keystonemiddleware import auth_token
from oslo_middleware import healthcheck, http_proxy_to_wsgi

from magnum_lite.api import call as calls
from magnum_lite.api import etags, routes
from magnum_lite.api.hooks import RequestHook
from magnum_lite.cloud.lookups import CloudLookups
from magnum_lite.db.session import Database
from magnum_lite.policy import Policy
from magnum_lite.rpc import Conductors
from magnum_lite.services.deps import Deps

Wsgi = Callable[..., Any]


class Root:
    """Pecan's only controller: ``api/routes.py`` has chosen the handler before."""

    @pecan.expose()
    def _route(self, args: Any, request: Any) -> Any:  # noqa: ARG002  pecan's hook for own routing
        return self.work, []

    @pecan.expose(content_type="application/json")
    def work(self, request: Any, response: Any) -> None:
        """Run the handler; write its answer."""
        route, call, arguments = request.environ["magnum_lite.work"]
        reads = route.method == "GET"
        wanted = request.environ.get("HTTP_IF_NONE_MATCH" if reads else "HTTP_IF_MATCH")
        if wanted and not reads and (reader := etags.seen(route, routes.ROUTES)):
            call = etags.guarded(wanted, reader, call, arguments)
        answer = route.handler(call, *arguments)
        response.status = answer.status
        response.headers.update(answer.headers)
        raw = b"" if answer.body is None else calls.written(answer.body)
        if reads:
            response.headers["ETag"] = tag = etags.tag(raw)
            if wanted and etags.names(wanted, tag):
                response.status, raw = 304, b""
        response.body = raw


def make_deps(conf: Any, bus: Any) -> Deps:
    """The real ports."""
    return Deps(
        conf=conf,
        database=Database(conf.database.connection, pool_size=conf.database.pool_size),
        policy=Policy(conf),
        lookups=CloudLookups(conf),
        conductors=Conductors(bus, timeout=conf.api.rpc_timeout),
    )


def bare_application(deps: Deps) -> Wsgi:
    """Pecan alone. What stands before it must have checked who calls."""
    application: Wsgi = pecan.Pecan(
        Root(),
        hooks=lambda: [RequestHook(deps)],
        guess_content_type_from_ext=False,
        force_canonical=False,
        use_context_locals=False,
    )
    return application


def make_application(deps: Deps) -> Wsgi:
    """The whole pipeline."""
    api = bare_application(deps)
    guarded = auth_token.AuthProtocol(
        api,
        {"oslo_config_config": deps.conf, "delay_auth_decision": False, "service_type": "container-infra"},
    )

    health = healthcheck.Healthcheck(None, {"backends": ""})

    def pipeline(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO") == "/healthcheck":  # its versions differ in whether they look at paths
            return health(environ, start_response)
        found, _ = routes.candidates(environ.get("PATH_INFO", ""))
        public = bool(found) and all(r.public for r in found)
        return (api if public else guarded)(environ, start_response)

    checked: Wsgi = pipeline
    if deps.conf.api.proxied:
        options = {"oslo_config_config": deps.conf, "enable_proxy_headers_parsing": True}
        checked = http_proxy_to_wsgi.HTTPProxyToWSGI(checked, options)
    return checked
