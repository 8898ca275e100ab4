"""Whether an HTTP server of this machine answers."""

import urllib.error
import urllib.request

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str, *, timeout: float = 5) -> bool:
    """Whether a server is there, whatever it says short of a server error. Never through a proxy."""
    try:
        with _DIRECT.open(url, timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
