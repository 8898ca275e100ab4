"""From errors to HTTP: the one map."""

from typing import Any

from magnum_lite import errors
from magnum_lite.api import versions
from magnum_lite.api.dialects import Dialect


class BadRequest(errors.MagnumLiteError):
    """Not a request that this API can read."""

    code = "bad-request"


class PreconditionFailed(errors.MagnumLiteError):
    """The object is not the one that the caller has seen."""

    code = "precondition-failed"


class TooLarge(errors.MagnumLiteError):
    """The body is over the limit."""

    code = "body-too-large"


class UnknownMimetype(errors.MagnumLiteError):
    """Bodies are JSON."""

    code = "unsupported-media-type"


class NoSuchPath(errors.MagnumLiteError):
    """Nothing is served there."""

    code = "no-such-path"


class NoSuchMethod(errors.MagnumLiteError):
    """The path is served, the method not. ``allowed`` are those that are."""

    code = "method-not-allowed"

    def __init__(self, method: str, allowed: list[str]) -> None:
        self.allowed = allowed
        super().__init__(f"{method} is not served here; {', '.join(allowed)} is.")


MOST_PROBLEMS = 100
STATUS: dict[type[errors.MagnumLiteError], int] = {
    BadRequest: 400,
    errors.InvalidInput: 400,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    NoSuchPath: 404,
    NoSuchMethod: 405,
    versions.NotAcceptable: 406,
    versions.OutOfRange: 406,
    errors.Conflict: 409,
    errors.Ambiguous: 409,
    errors.Stale: 409,
    PreconditionFailed: 412,
    TooLarge: 413,
    UnknownMimetype: 415,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
}


def status(error: errors.MagnumLiteError) -> int:
    """HTTP status of an error."""
    return next((STATUS[k] for k in type(error).__mro__ if k in STATUS), 500)


def headers(error: errors.MagnumLiteError) -> dict[str, str]:
    """Headers that go with it."""
    if isinstance(error, errors.Unavailable):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, NoSuchMethod):
        return {"Allow": ", ".join(error.allowed)}
    return {}


def body(error: errors.MagnumLiteError, request_id: str, dialect: Dialect) -> dict[str, Any]:
    """The answer's body, in upstream's form with our additions: ``code`` and, for a body with several
    faults, one entry for each, with its ``field``.
    """
    if isinstance(error, versions.OutOfRange):
        return {
            "errors": [
                {
                    "request_id": request_id,
                    "status": 406,
                    "code": error.code,
                    "title": "Requested microversion is unsupported",
                    "detail": error.message,
                    "max_version": versions.text(versions.MAXIMUM),
                    "min_version": versions.text(versions.MINIMUM),
                    "links": [
                        {
                            "rel": "help",
                            "href": "https://docs.openstack.org/api-guide/compute/microversions.html",
                        }
                    ],
                }
            ]
        }
    code = status(error)
    if isinstance(error, errors.InvalidInput) and len(error.problems) > 1:
        entries = [errors.InvalidInput(p) for p in error.problems[:MOST_PROBLEMS]]
        if rest := len(error.problems) - len(entries):
            entries.append(errors.InvalidInput(errors.Problem("", f"and {rest} more")))
        return {"errors": [_entry(e, code, request_id, dialect) for e in entries]}
    return {"errors": [_entry(error, code, request_id, dialect)]}


def _entry(error: errors.MagnumLiteError, code: int, request_id: str, dialect: Dialect) -> dict[str, Any]:
    detail = dialect.say(error.message)
    if isinstance(error, errors.NotFound):  # what the caller named is not to be translated
        detail = errors.NotFound(dialect.say(error.kind), error.ident, error.hint).message
    elif isinstance(error, errors.Ambiguous):
        detail = errors.Ambiguous(dialect.say(error.kind), error.ident).message
    entry: dict[str, Any] = {
        "request_id": request_id,
        "code": error.code,
        "status": code,
        "title": detail if len(detail) <= 200 else detail[:199] + "…",
        "detail": detail,
        "links": [],
    }
    if isinstance(error, errors.InvalidInput) and len(error.problems) == 1 and error.problems[0].field:
        entry["field"] = error.problems[0].field
    return entry
