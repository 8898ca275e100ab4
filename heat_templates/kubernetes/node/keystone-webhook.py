#!/usr/bin/python3
"""Who bears this token? Asked by the API server of this master (a TokenReview), answered by Keystone, for
tokens of the bay's own project only. Names and groups begin with ``keystone:``: each domain's administrator
may choose any name in Keystone, and none of them is one that Kubernetes knows, as ``system:masters``.
Standard library only, of Python 3.7 or newer.
"""

import base64
import contextlib
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE, PORT = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8443
URL, PROJECT = os.environ["KEYSTONE_URL"].rstrip("/") + "/auth/tokens", os.environ["KEYSTONE_PROJECT"]
SECONDS, LONGEST = 10, 1 << 16
NOBODY = {"authenticated": False}
ABOUT = "magnum.openstack.org"


class Straight(urllib.request.HTTPRedirectHandler):
    """A token goes to Keystone's address and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Nowhere."""


ca = str(HERE / "ca.pem") if (HERE / "ca.pem").exists() else None
trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust, Straight())


def is_keystones(token: str) -> bool:
    """Not one that Kubernetes made for a service account, and refused itself: that names its issuer."""
    parts = token.split(".")
    with contextlib.suppress(ValueError):
        if len(parts) == 3 and "iss" in json.loads(base64.urlsafe_b64decode(parts[1] + "==")):
            return False
    return 0 < len(token) < 16384 and all("!" <= c <= "~" for c in token)


def judged(token: str) -> dict:
    """The status of a review. A token with access rules, as that of a bay's own credential, which is a
    member's in this project, opens nothing here: no rule names a bay. (Keystone shows it only to those who
    say, by a header, that they keep to rules.)
    """
    if not is_keystones(token):
        return NOBODY
    asked = urllib.request.Request(URL, headers={"X-Auth-Token": token, "X-Subject-Token": token})  # noqa: S310
    try:
        with opener.open(asked, timeout=SECONDS) as answer:
            found = json.loads(answer.read())["token"]
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            return NOBODY
        raise
    rules = (found.get("application_credential") or {}).get("access_rules")
    if rules is not None or (found.get("project") or {}).get("id") != PROJECT:
        return NOBODY
    user = found["user"]
    extra = {f"{ABOUT}/user-name": [user["name"]], f"{ABOUT}/user-domain": [user["domain"]["name"]]}
    groups = [f"keystone:{role['name']}" for role in found["roles"]]
    who = {"username": f"keystone:{user['id']}", "uid": user["id"], "groups": groups, "extra": extra}
    return {"authenticated": True, "user": who}


class Handler(BaseHTTPRequestHandler):
    """One review."""

    timeout = SECONDS

    def do_POST(self) -> None:
        """Anything but an answer of Keystone's is a fault, not a verdict."""
        code, status = 200, NOBODY
        try:
            review = json.loads(self.rfile.read(min(int(self.headers["Content-Length"]), LONGEST)))
            status = judged(str(review["spec"]["token"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            code = 500
            print(f"no verdict: {type(error).__name__}", file=sys.stderr)
        answer = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """The API's audit log says who came."""


class Server(ThreadingHTTPServer):
    """TLS begins in the connection's own thread, so that nobody holds up the others."""

    daemon_threads = True

    def finish_request(self, request, client_address) -> None:  # noqa: ANN001
        """One connection."""
        request.settimeout(SECONDS)
        with contextlib.suppress(OSError), tls.wrap_socket(request, server_side=True) as line:
            super().finish_request(line, client_address)


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(str(HERE / "keystone-auth.pem"), str(HERE / "keystone-auth.key"))
Server(("127.0.0.1", PORT), Handler).serve_forever()
