"""The one error of the local cloud, and how each API words it.

Nova and Cinder answer ``{"itemNotFound": {"code", "message"}}``, Neutron ``{"NeutronError":
{"type", "message", "detail"}}``, Glance ``{"code", "title", "message"}``. Heat's client plug-ins
look at the status, neutronclient also at ``type``.
"""

import http
from typing import Any

_NOVA_KEYS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class Fault(Exception):
    """A request that can not be done: HTTP status, a sentence for the user, and the word that
    Neutron's clients know the case by (``OverQuota``, ``SubnetInUse``).
    """

    def __init__(self, status: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind


def bad_request(message: str, kind: str = "BadRequest") -> Fault:
    """400: the request is malformed."""
    return Fault(400, message, kind)


def not_found(what: str, ident: str) -> Fault:
    """404: there is no such object, or none that the caller may see."""
    kind = "".join(word.capitalize() for word in what.split("_")) + "NotFound"
    return Fault(404, f"{what.replace('_', ' ').capitalize()} {ident} could not be found.", kind)


def conflict(message: str, kind: str = "Conflict") -> Fault:
    """409: the object's state does not allow it."""
    return Fault(409, message, kind)


def body(fault: Fault, api: str) -> dict[str, Any]:
    """The JSON body of a fault in the words of ``compute``, ``volume``, ``network``, ``image`` or
    ``load-balancer``.
    """
    if api == "network":
        return {
            "NeutronError": {"type": fault.kind or "NeutronException", "message": fault.message, "detail": ""}
        }
    if api == "load-balancer":
        return {
            "faultcode": "Client" if fault.status < 500 else "Server",
            "faultstring": fault.message,
            "debuginfo": None,
        }
    if api == "image":
        title = http.HTTPStatus(fault.status).phrase
        return {"code": f"{fault.status} {title}", "title": title, "message": fault.message}
    content: dict[str, Any] = {"code": fault.status, "message": fault.message}
    if fault.status == 413:
        content["retryAfter"] = "0"
    return {_NOVA_KEYS.get(fault.status, "computeFault"): content}
