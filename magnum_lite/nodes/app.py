"""The node door: a WSGI application of its own, on a TLS listener of its own. Two calls, nothing else.
The protocol is in ``doc/node-door.rst``.
"""

import json
from collections.abc import Callable
from typing import Any

import webob
from oslo_log import log

from magnum_lite import errors, metrics
from magnum_lite.db.interruptions import again
from magnum_lite.nodes import instructions, reports
from magnum_lite.nodes.deps import DoorDeps

LOG = log.getLogger(__name__)
MAX_BODY = 512 * 1024
_STATUS = {
    errors.InvalidInput: 400,
    reports.Unsigned: 401,
    errors.Forbidden: 403,
    errors.Conflict: 409,
    errors.Unavailable: 503,
}


def make_application(deps: DoorDeps) -> Callable[..., Any]:
    """The WSGI application."""
    calls = {"/v1/enrol": _enrol, "/v1/report": _report}

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        request = webob.Request(environ)
        call = calls.get(request.path_info)
        if call is None or request.method != "POST":
            response = _error(404 if call is None else 405, "no-such-path", "Nothing is served here.")
        else:
            response = _answered(deps, call, request)
            metrics.count("door_requests", call=request.path_info, code=response.status_int)
        return response(environ, start_response)

    return application


def _error(status: int, code: str, message: str) -> webob.Response:
    response = webob.Response(status=status, json_body={"code": code, "message": message})
    if status in {409, 503}:
        response.headers["Retry-After"] = "1"
    return response


def _answered(
    deps: DoorDeps, call: Callable[[DoorDeps, webob.Request, bytes], Any], request: webob.Request
) -> webob.Response:
    try:
        if (request.content_length or 0) > MAX_BODY:
            return _error(413, "body-too-large", "The body is too large.")
        raw = request.body_file.read(MAX_BODY + 1) if request.is_body_readable else b""
        if len(raw) > MAX_BODY:
            return _error(413, "body-too-large", "The body is too large.")
        return webob.Response(status=200, json_body=again(lambda: call(deps, request, raw)))
    except errors.MagnumLiteError as error:
        status = next((s for k, s in _STATUS.items() if isinstance(error, k)), 500)
        if status == 403:
            LOG.warning(
                "node refused path=%s peer=%s reason=%s", request.path_info, request.remote_addr, error
            )
        return _error(status, error.code, error.message)
    except Exception:  # a node must get an answer; the log has the rest
        LOG.exception("node door failed path=%s", request.path_info)
        return _error(500, "error", "The node door failed.")


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise errors.InvalidInput(errors.Problem("", "The body is not JSON")) from None


def _enrol(deps: DoorDeps, request: webob.Request, raw: bytes) -> dict[str, Any]:
    body = _json(raw)
    if not isinstance(body, dict):
        raise errors.InvalidInput(errors.Problem("", "An enrolment is a JSON object"))
    wanted = {k: body.get(k) for k in ("node_id", "identity_csr", "server_csr")}
    if "csrs" in body:
        wanted["csrs"] = body["csrs"]
    if "token" in body:
        wanted["token"] = str(body["token"])
    else:  # a renewal: the conductor checks the signature over exactly what was sent
        stamp = request.headers.get("X-Node-Timestamp", "")
        node_id = str(body.get("node_id", ""))
        signed = reports.signer(deps, node_id, stamp, request.headers.get("X-Node-Signature", ""), raw)
        reports.once(deps, signed, float(stamp))
        wanted["signature"] = request.headers.get("X-Node-Signature", "")
        wanted["signed"] = f"{stamp}\n{raw.decode('utf-8', 'replace')}"
    return deps.conductors.enrol(wanted)


def _report(deps: DoorDeps, request: webob.Request, raw: bytes) -> dict[str, Any]:
    stamp = request.headers.get("X-Node-Timestamp", "")
    node = reports.signer(
        deps, request.headers.get("X-Node-Id", ""), stamp, request.headers.get("X-Node-Signature", ""), raw
    )
    report = reports.read(_json(raw))
    now, cluster = reports.store(deps, node, float(stamp), report)
    if (now["state"], now["step"]) != (node["state"], node["step"]):
        deps.conductors.look(cluster["uuid"])
    return instructions.for_node(deps, now, cluster)
