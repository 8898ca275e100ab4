"""Checking what a request names in the cloud: a name that nobody knows is the field's fault."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from magnum_lite.cloud.lookups import Image
from magnum_lite.context import Context
from magnum_lite.errors import Ambiguous, InvalidInput, NotFound, Problem
from magnum_lite.services.deps import Deps

T = TypeVar("T")


def looked_up(problems: list[Problem], field: str, look: Callable[[], T]) -> T | None:
    """The answer of a look-up; None and one more problem if there is no such thing."""
    try:
        return look()
    except NotFound as error:
        problems.append(Problem(field, f"Unable to find {error.kind.lower()} {error.ident}"))
    except Ambiguous as error:
        problems.append(Problem(field, error.message))
    return None


def check_networks(deps: Deps, context: Context, values: Mapping[str, Any], problems: list[Problem]) -> None:
    """Networks and subnet of a template or cluster."""
    for field in ("external_network_id", "fixed_network"):
        if values.get(field):
            name = values[field]
            looked_up(problems, field, lambda name=name: deps.lookups.network(context, name))  # type: ignore[misc]
    if values.get("fixed_subnet"):
        looked_up(problems, "fixed_subnet", lambda: deps.lookups.subnet(context, values["fixed_subnet"]))


def check_flavors(deps: Deps, context: Context, values: Mapping[str, Any], problems: list[Problem]) -> None:
    """Flavors of a template or cluster."""
    for field in ("flavor_id", "master_flavor_id"):
        if values.get(field):
            name = values[field]
            looked_up(problems, field, lambda name=name: deps.lookups.flavor(context, name))  # type: ignore[misc]


def check_image(deps: Deps, context: Context, ident: str, problems: list[Problem]) -> Image | None:
    """The image must exist and say which distribution it is."""
    image = looked_up(problems, "image_id", lambda: deps.lookups.image(context, ident))
    if image is not None and not image.os_distro:
        problems.append(Problem("image_id", f"Image {ident} doesn't contain os_distro property"))
    return image


def refuse(problems: list[Problem]) -> None:
    """Raise all of them at once, if any."""
    if problems:
        raise InvalidInput(*problems)
