"""Heat's JSON answers as our values and errors; no I/O and no heatclient here."""

from collections.abc import Mapping
from typing import Any

from magnum_lite.models.stack import Stack
from magnum_lite.orchestration.stacks import (
    OrchestrationError,
    OrchestrationUnavailable,
    StackConflict,
    StackExists,
    StackNotFound,
    StackRefused,
)

_MAX_REASON = 1000


def error_of(status: int | str, body: Any, ident: str) -> OrchestrationError:
    """The error for a call about stack ``ident`` that Heat answered with this HTTP status and body
    (``{"error": {"type": …, "message": …}}``). Heat's sentence is passed on for faults of the request only.
    """
    told = body.get("error") if isinstance(body, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    message = " ".join(str(told.get("message") or "no reason given").removeprefix("ERROR: ").split())
    message = message[:_MAX_REASON]
    match status:
        case 404:
            return StackNotFound(ident)
        case 409 if told.get("type") == "StackExists":
            return StackExists(ident)
        case 409:
            return StackConflict(f"Stack {ident} is busy: {message}")
        case 400 | 403 | 405 | 413:
            return StackRefused(f"Heat refused the request: {message}")
        case 401:
            return OrchestrationUnavailable("Heat does not accept the service user's token.")
    return OrchestrationUnavailable(f"Heat failed with HTTP status {status}.")


def stack_of(raw: Mapping[str, Any], project_id: str) -> Stack:
    """A stack from an item of a list or of a show; only lists over all projects name the project."""
    action, _, status = raw["stack_status"].partition("_")
    return Stack(
        id=raw["id"],
        name=raw["stack_name"],
        project_id=raw.get("project") or project_id,
        action=action,
        status=status,
        reason=raw.get("stack_status_reason") or "",
        tags=tuple(raw.get("tags") or ()),
        updated_at=raw.get("updated_time") or raw.get("creation_time"),
        outputs={item["output_key"]: item.get("output_value") for item in raw.get("outputs") or ()},
    )
