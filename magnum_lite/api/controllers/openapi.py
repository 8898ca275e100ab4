"""``GET /v1/openapi.json``: made when first asked for, so that neither start-up nor other requests pay."""

import functools
from collections.abc import Callable
from typing import Any

from magnum_lite.api.call import Answer, Call


def serving(routes: Callable[[], tuple[Any, ...]]) -> Callable[[Call], Answer]:
    """The handler. ``routes`` gives the routing table, of which this is a part."""

    @functools.cache
    def made() -> dict[str, Any]:
        from magnum_lite.api.openapi import document

        return document(routes())

    def openapi(call: Call) -> Answer:
        """The OpenAPI document of this API."""
        return Answer(body=made() | {"servers": [{"url": call.base}]})

    return openapi
