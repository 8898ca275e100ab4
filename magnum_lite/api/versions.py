"""Microversions (API.md 1.1 and 1.4)."""

import re

from magnum_lite.errors import MagnumLiteError

MINIMUM = (1, 1)
MAXIMUM = (1, 14)
HEADER = "OpenStack-API-Version"
SERVICES = ("container-infra", "container-infrastructure", "container-infrastructure-management")
Version = tuple[int, int]


class NotAcceptable(MagnumLiteError):
    """A header that we can't read, or a method that this microversion lacks."""

    code = "not-acceptable"


class OutOfRange(MagnumLiteError):
    """A version that we don't speak."""

    code = "magnum.microversion-unsupported"


def text(version: Version) -> str:
    """``1.14``."""
    return f"{version[0]}.{version[1]}"


def negotiate(header: str | None) -> tuple[str, Version]:
    """The service word to answer with, and the version. No header means the oldest.

    Raises NotAcceptable, OutOfRange.
    """
    if not header:
        return SERVICES[0], MINIMUM
    words = header.split()
    if len(words) == 1 and re.fullmatch(r"\d+\.\d+|latest", words[0]):
        words = [SERVICES[0], words[0]]  # the clients of 2016 sent a bare version
    if len(words) != 2 or words[0] not in SERVICES:
        raise NotAcceptable(f"{HEADER} must be '<service> X.Y' or '<service> latest', service {SERVICES[0]}.")
    if words[1] == "latest":
        return words[0], MAXIMUM
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", words[1])
    if not found:
        raise NotAcceptable(f"{HEADER} must end in X.Y or latest.")
    version = (int(found[1]), int(found[2]))
    if not MINIMUM <= version <= MAXIMUM:
        raise OutOfRange(f"Version {words[1]} is not served: {text(MINIMUM)} to {text(MAXIMUM)} are.")
    return words[0], version
