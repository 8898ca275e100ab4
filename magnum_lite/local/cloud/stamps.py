"""New ids and the present time, in the form in which OpenStack's APIs write them."""

import datetime as dt
import uuid


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


def fixed_id(name: str) -> str:
    """The UUID that stands for a name in every local cloud."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"magnum-lite {name}"))


def now() -> str:
    """The present time in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare(stamp: str | None) -> str | None:
    """The same as Cinder writes all of its times, and Nova some; clients written in Go take no other form."""
    return stamp and stamp.replace("Z", ".000000")
