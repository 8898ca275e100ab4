"""The WSGI application: pecan behind keystonemiddleware."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import webob
from oslo_log import log
from webob import acceptparse, exc

from magnum_lite import errors, metrics
from magnum_lite.api import call as calls
from magnum_lite.api import errors as http
from magnum_lite.api import etags, routes
from magnum_lite.api.dialects import CLUSTERS
from magnum_lite.api.engine import core, pecan
from magnum_lite.api.hooks import RequestHook
from magnum_lite.cloud.lookups import CloudLookups
from magnum_lite.context import in_request, request_id
from magnum_lite.db.interruptions import again
from magnum_lite.db.session import Database
from magnum_lite.policy import Policy
from magnum_lite.rpc import Conductors
from magnum_lite.services.deps import Deps

LOG = log.getLogger(__name__)
Wsgi = Callable[..., Any]
KEYSTONE_SECONDS = 5  # each of a few tries
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Root:
    """Pecan's only controller: ``api/routes.py`` has chosen the handler before."""

    @pecan.expose(content_type="application/json")
    def work(self, request: Any, response: Any) -> None:
        """Run the handler; write its answer."""
        route, call, arguments = request.environ["magnum_lite.work"]
        reads = route.method == "GET"
        wanted = request.environ.get("HTTP_IF_NONE_MATCH" if reads else "HTTP_IF_MATCH")
        if wanted and not reads and (reader := etags.seen(route, routes.ROUTES)):
            call = etags.guarded(wanted, reader, call, arguments)
        with in_request(call.context.request_id):
            answer = again(lambda: route.handler(call, *arguments))
        response.status = answer.status
        response.content_type = "application/json"
        response.headers.update(answer.headers)
        raw = calls.written(answer.body)
        if reads:
            response.headers["ETag"] = tag = etags.tag(raw)
            if wanted and etags.names(wanted, tag):
                response.status, raw = 304, b""
        response.body = raw


@functools.lru_cache(maxsize=256)
def _takes_json(accept: str) -> bool:
    """Whether an Accept header allows our only type."""
    offers = ["application/json"]
    found = acceptparse.create_accept_header(accept).acceptable_offers(offers)
    return bool(found) or accept.startswith(offers[0])


class Application(core.ExplicitPecan):
    """Pecan without its search for controllers and without looking at their signatures in every request,
    which takes longer than all the rest of a small answer.
    """

    def find_controller(self, state: Any) -> tuple[Any, list[Any], dict[str, Any]]:
        """The only controller there is, after the hooks that come first."""
        self.handle_hooks(self.hooks, "on_route", state)
        state.controller = self.root.work
        if not _takes_json(state.request.environ.get("HTTP_ACCEPT") or "*/*"):
            raise exc.HTTPNotAcceptable
        return state.controller, [state.request, state.response], {}

    def invoke_controller(self, controller: Any, args: Any, kwargs: Any, state: Any) -> None:  # noqa: ARG002
        """It takes what it is given, and writes the answer itself."""
        controller(*args)


def make_deps(conf: Any, make_bus: Callable[[], Any]) -> Deps:
    """The real ports; ``make_bus`` gives the message bus when it is first needed."""
    return Deps(
        conf=conf,
        database=Database(conf.database.connection, pool_size=conf.database.pool_size),
        policy=Policy(conf),
        lookups=CloudLookups(conf),
        conductors=Conductors(make_bus, timeout=conf.api.rpc_timeout),
    )


def bare_application(deps: Deps) -> Wsgi:
    """Pecan alone. What stands before it must have checked who calls."""
    application: Wsgi = Application(
        Root(), hooks=[RequestHook(deps)], guess_content_type_from_ext=False, force_canonical=False
    )
    return application


def _unavailable(service: str) -> Wsgi:
    """The answer where pecan is not reached; it names no address."""
    error = errors.Unavailable(service)
    body = http.body(error, request_id(None), CLUSTERS)
    answer = webob.Response(status=http.status(error), json_body=body)
    answer.headers.update(http.headers(error))
    found: Wsgi = answer
    return found


class _Guard:
    """The application behind keystonemiddleware. That is imported by the first request that needs it, as it
    is a third of a worker's start.
    """

    def __init__(self, api: Wsgi, conf: Any) -> None:
        self._api, self._conf = api, conf
        self._lock = threading.Lock()
        self._made: Wsgi | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._lock:  # made once, however many ask first
            if self._made is None:
                from keystonemiddleware import auth_token, opts

                for group, known in opts.list_auth_token_opts():
                    self._conf.register_opts(known, group=group)
                # by default it waits for a silent Keystone for ever
                self._conf.set_default("http_connect_timeout", KEYSTONE_SECONDS, group="keystone_authtoken")
                options = {"oslo_config_config": self._conf, "service_type": "container-infra"}
                self._made = auth_token.AuthProtocol(self._api, options | {"delay_auth_decision": False})
            guarded = self._made
        from keystoneauth1 import exceptions as ka  # the middleware has it

        try:
            return guarded(environ, start_response)
        except ka.ClientException as error:  # it lets time-outs through
            LOG.warning("keystone does not answer reason=%s", type(error).__name__)
            return _unavailable("identity")(environ, start_response)


class _Health:
    """oslo.middleware's healthcheck with our plug-in (``api/health.py``), made by the first who asks: it
    has a template engine, for pages that nobody asks for.
    """

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._made: Wsgi | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self._made is None:
            from oslo_middleware import healthcheck
            from oslo_middleware.healthcheck import opts

            self._conf.register_opts(
                [*opts.HEALTHCHECK_OPTS, *opts.DISABLE_BY_FILE_OPTS], group="healthcheck"
            )
            self._conf.set_default("backends", ["disable_by_file", "magnum_lite"], group="healthcheck")
            self._made = healthcheck.Healthcheck(None, self._conf)
        return self._made(environ, start_response)


def _counted(api: Wsgi, found: tuple[routes.Route, ...]) -> Wsgi:
    """Count the answer and its time under its route, whoever gives it."""
    route = "/".join(found[0].path) if found else "none"

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        began, method = time.perf_counter(), environ.get("REQUEST_METHOD", "")
        method = method if method in _METHODS else "other"

        def start(status: str, *more: Any) -> Any:
            metrics.count("requests", method=method, route=route, code=status[:3])
            metrics.observe("request_seconds", time.perf_counter() - began, method=method, route=route)
            return start_response(status, *more)

        return api(environ, start)

    return application


def make_application(deps: Deps) -> Wsgi:
    """The whole pipeline."""
    api = bare_application(deps)
    guarded, health = _Guard(api, deps.conf), _Health(deps.conf)

    def pipeline(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO") == "/healthcheck":  # its versions differ in whether they look at paths
            return health(environ, start_response)
        found, _ = routes.candidates(environ.get("PATH_INFO", ""))
        public = bool(found) and all(r.public for r in found)
        chosen = api if public else guarded
        return (_counted(chosen, found) if metrics.enabled() else chosen)(environ, start_response)

    checked: Wsgi = pipeline
    if deps.conf.api.proxied:
        from oslo_middleware import http_proxy_to_wsgi

        options = {"oslo_config_config": deps.conf, "enable_proxy_headers_parsing": True}
        checked = http_proxy_to_wsgi.HTTPProxyToWSGI(checked, options)
    return checked
