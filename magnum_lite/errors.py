"""What can go wrong, in the service's own terms. Errors carry facts; HTTP is not known here
(``api/errors.py`` has the one map from these to status codes).

    MagnumLiteError
    ├── InvalidInput          one or more fields of a request are wrong
    ├── NotFound              the object does not exist, or belongs to another project
    ├── Conflict              it exists, but not in a state for that
    │   ├── Ambiguous         a name that several objects have
    │   └── Stale             somebody else changed it meanwhile
    ├── Forbidden             the caller may not
    │   └── QuotaExceeded
    ├── Unsupported           the engine can't do that
    └── Unavailable           a service that we need does not answer
"""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request. ``field`` is a path (``labels/storage``) or ''."""

    field: str
    message: str


class MagnumLiteError(Exception):
    """``code`` is stable and meant for programs; the text is for people."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(MagnumLiteError):
    """Carries every problem found at once."""

    code = "invalid-input"

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(" ".join(_sentence(p) for p in problems) or "The request is not valid.")


def _sentence(problem: Problem) -> str:
    text = problem.message.rstrip(".") + "."
    return f"{problem.field}: {text}" if problem.field else text


class NotFound(MagnumLiteError):
    """``kind`` is the noun in the caller's dialect; ``hint`` a sentence that helps."""

    code = "not-found"

    def __init__(self, kind: str, ident: str, hint: str = "") -> None:
        self.kind, self.ident, self.hint = kind, ident, hint
        super().__init__(f"{kind} {ident} could not be found.{' ' if hint else ''}{hint}")


class Conflict(MagnumLiteError):
    """The object is not in a state in which that can be done."""

    code = "conflict"


class Ambiguous(Conflict):
    """Names are not unique; the uuid is."""

    code = "ambiguous-name"

    def __init__(self, kind: str, ident: str) -> None:
        self.kind, self.ident = kind, ident
        super().__init__(f"Several {kind} objects are named {ident}. Please use the uuid instead.")


class Stale(Conflict):
    """A compare-and-swap on ``generation`` lost."""

    code = "changed-meanwhile"


class Forbidden(MagnumLiteError):
    """Policy, or the profile of a certificate, says no."""

    code = "forbidden"


class QuotaExceeded(Forbidden):
    """A limit of ours or of the cloud's."""

    code = "quota-exceeded"


class Unsupported(MagnumLiteError):
    """The engine of this cluster has no such ability."""

    code = "not-supported"


class Unavailable(MagnumLiteError):
    """``service`` is a public name (orchestration, image, conductor): never an address."""

    code = "service-unavailable"

    def __init__(
        self, service: str, hint: str = "Please try again in a moment.", retry_after: int = 5
    ) -> None:
        self.service, self.retry_after = service, retry_after
        super().__init__(f"The {service} service does not answer. {hint}")
