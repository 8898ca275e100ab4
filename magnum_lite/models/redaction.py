"""Texts that come from nodes, on their way into records: nothing in them opens anything."""

import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SECRETS = re.compile(
    r"SWMTKN-[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/@\s]+(?=@)"  # of a URL
    r"|(?<=[0-9a-f]{12}:)[0-9a-f]{64}"  # of a bootstrap credential
    r"|(?P<name>(?i:(?:password|passwd|token|secret)[\"']?\s*[=:]\s*|--(?:password|token)\s+"
    r"|(?:bearer|basic)\s+))[\"']?[^\s\"',}]+",
    re.DOTALL,
)


def clean(text: Any, limit: int) -> str:
    """The end of a text, without control characters and without what opens something."""
    return _SECRETS.sub(lambda m: f"{m['name'] or ''}***", _CONTROL.sub("", str(text)))[-limit:]
