"""What happens around every request: its id, body, version and caller going in; errors and headers
going out.
"""

import io
from typing import Any

import webob
from oslo_log import log
from webob import exc

from magnum_lite import errors
from magnum_lite.api import call as calls
from magnum_lite.api import errors as http
from magnum_lite.api import routes, versions
from magnum_lite.api.call import NOTHING, Call
from magnum_lite.api.dialects import CLUSTERS
from magnum_lite.api.engine import hooks
from magnum_lite.context import Context, request_id
from magnum_lite.services.deps import Deps

LOG = log.getLogger(__name__)
_PECAN = {404: http.NoSuchPath("Nothing is served at this path."),
          406: versions.NotAcceptable("Answers are application/json.")}  # fmt: skip


class RequestHook(hooks.PecanHook):
    """Makes a ``Call`` of a request, and a response of whatever comes of it."""

    priority = 10

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    def on_route(self, state: Any) -> None:
        """Before routing, so that pecan never parses the body by itself."""
        request = state.request
        environ = request.environ
        _ident(environ)
        body = self._body(request)
        environ |= {"CONTENT_TYPE": "", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}
        word, version = versions.negotiate(request.headers.get(versions.HEADER))
        environ["magnum_lite.version"] = (word, version)
        found, arguments = routes.candidates(request.path_info)
        route = routes.choose(request.method, found, version)
        environ["magnum_lite.dialect"] = route.dialect
        unknown = sorted(set(request.GET) - route.query)
        if unknown:
            raise http.BadRequest(f'Unknown argument: "{unknown[0][:100]}"')
        call = Call(
            deps=self._deps,
            context=Context.from_environ(environ),
            dialect=route.dialect,
            version=version,
            base=request.application_url,
            query=dict(request.GET),
            body=body,
        )
        environ["magnum_lite.work"] = (route, call, arguments)

    def _body(self, request: Any) -> Any:
        """The parsed body; NOTHING if there is none. DELETE and friends may name any type then."""
        limit = self._deps.conf.api.max_body_bytes
        if (request.content_length or 0) > limit:
            raise http.TooLarge(f"The body may have {limit} bytes at most.")
        raw = request.body_file.read(limit + 1) if request.is_body_readable else b""
        if len(raw) > limit:
            raise http.TooLarge(f"The body may have {limit} bytes at most.")
        if not raw:
            return NOTHING
        kind = (request.content_type or "").split(";")[0].strip().lower()
        if kind not in {
            "application/json",
            "application/json-patch+json",
            "application/openstack-json-patch",
        }:
            raise http.UnknownMimetype(f"Unknown mimetype: {kind[:100] or 'none'}; send application/json.")
        return calls.read_json(raw)

    def on_error(self, state: Any, error: Exception) -> Any:
        """Every error becomes an answer in the one form."""
        environ = state.request.environ
        known = _known(error)
        ident = _ident(environ)
        if known is None:
            LOG.error("request failed request_id=%s", ident, exc_info=error)
            known = errors.MagnumLiteError(
                "An unexpected fault of the service. Its operators find it by the request id."
            )
        dialect = environ.get("magnum_lite.dialect", CLUSTERS)
        response = webob.Response(status=http.status(known), json_body=http.body(known, ident, dialect))
        response.headers.update(http.headers(known))
        state.response = response
        return response

    def after(self, state: Any) -> None:
        """Headers of every answer."""
        environ, headers = state.request.environ, state.response.headers
        headers["x-openstack-request-id"] = _ident(environ)
        headers["Vary"] = versions.HEADER
        if "magnum_lite.version" in environ:
            word, version = environ["magnum_lite.version"]
            headers[versions.HEADER] = f"{word} {versions.text(version)}"
            headers["OpenStack-API-Minimum-Version"] = f"{word} {versions.text(versions.MINIMUM)}"
            headers["OpenStack-API-Maximum-Version"] = f"{word} {versions.text(versions.MAXIMUM)}"
        if environ.get("magnum_lite.dialect", CLUSTERS).deprecated:
            headers["Deprecation"] = "true"


def _ident(environ: dict[str, Any]) -> str:
    """The request's id, made when first asked for: pecan refuses some paths before ``on_route``."""
    if "magnum_lite.request_id" not in environ:
        environ["magnum_lite.request_id"] = request_id(environ.get("HTTP_X_OPENSTACK_REQUEST_ID"))
    return str(environ["magnum_lite.request_id"])


def _known(error: Exception) -> errors.MagnumLiteError | None:
    if isinstance(error, errors.MagnumLiteError):
        return error
    if isinstance(error, exc.HTTPException):
        return _PECAN.get(error.status_int, http.BadRequest("The request can not be read."))
    if isinstance(error, UnicodeDecodeError | RecursionError):
        return http.BadRequest("The request can not be read.")
    return None
