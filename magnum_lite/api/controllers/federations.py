"""``/v1/federations``: upstream accepts them and makes nothing; here there are none, and it is said."""

from magnum_lite.api import paging
from magnum_lite.api.call import Answer, Call
from magnum_lite.errors import NotFound, Unsupported
from magnum_lite.models.cluster import Cluster


def _may(call: Call, verb: str) -> None:
    call.deps.policy.check(call.context, f"federation:{verb}")


def index(call: Call) -> Answer:
    """No federations: an empty list."""
    _may(call, "get_all")
    paging.wanted(call, Cluster)  # arguments are checked where there is nothing to page, too
    return Answer(body={"federations": []})


def detail(call: Call) -> Answer:
    """The same in full."""
    _may(call, "detail")
    paging.wanted(call, Cluster)
    return Answer(body={"federations": []})


def create(call: Call) -> Answer:
    """Federations can not be made: the answer is 501."""
    _may(call, "create")
    raise Unsupported("Federations of clusters are not offered: no engine has them any more.")


def show(call: Call, ident: str) -> Answer:
    """There is none: the answer is 404."""
    _may(call, "get")
    raise NotFound("Federation", ident)


def update(call: Call, ident: str) -> Answer:
    """There is none: the answer is 404."""
    _may(call, "update")
    raise NotFound("Federation", ident)


def delete(call: Call, ident: str) -> Answer:
    """There is none: the answer is 404."""
    _may(call, "delete")
    raise NotFound("Federation", ident)
