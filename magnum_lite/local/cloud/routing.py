"""A small route table: a view module declares its calls with a decorator, the application finds
the handler for a method and a path. One screen shows what an API answers.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import Fault

Answer = tuple[int, Any]
Handler = Callable[..., Answer]

_VARIABLE = re.compile(r"\{(\w+)\}")


class Router:
    """The calls of one API below a prefix. A path may hold ``{names}``, each one path segment."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, *paths: str) -> Callable[[Handler], Handler]:
        """Decorator: the function answers this method on these paths. It is given the call and
        the path's variables by name, and gives (status, JSON body or None).
        """

        def register(handler: Handler) -> Handler:
            for path in paths:
                pattern = _VARIABLE.sub(
                    r"(?P<\1>[^/]+)", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
                )
                self._routes.append((method, re.compile(f"{self._prefix}{pattern}/?"), handler))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | set[str]:
        """The handler and the path's variables, or the methods that this path does have."""
        methods = set()
        for known, pattern, handler in self._routes:
            if match := pattern.fullmatch(path):
                if known == method:
                    return handler, match.groupdict()
                methods.add(known)
        return methods


def dispatch(routers: Iterable[Router], call: Call) -> Answer:
    """Answer a call by the first router that knows it. Raises Fault (404, 405 and the handler's)."""
    allowed: set[str] = set()
    for router in routers:
        found = router.find(call.method, call.path)
        if isinstance(found, tuple):
            handler, variables = found
            return handler(call, **variables)
        allowed |= found
    if allowed:
        raise Fault(
            405,
            f"{call.method} is not allowed here, only {', '.join(sorted(allowed))}.",
            "HTTPMethodNotAllowed",
        )
    raise Fault(404, "The resource could not be found.", "HTTPNotFound")
