"""Users who work all the time, and what became of each of their requests."""

import collections
import threading
import time

import requests


class Load:
    """``users`` threads, each of which reads, makes, changes and removes templates, and has certificates signed
    by a conductor if there is a bay. Leaving the context ends them. ``failed`` are answers of 5xx and
    connections that broke: (what, why).
    """

    def __init__(self, tenant, users=4, bay=None, csr=None):
        self.done, self.failed, self.slowest = collections.Counter(), [], 0.0
        self._base = tenant.coe.get_endpoint().rstrip("/")
        self._token = tenant.cloud.session.get_token()
        self._bay, self._csr = bay, csr
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(users)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def count(self):
        """Requests that were answered."""
        return sum(self.done.values())

    def _ask(self, session, method, path, body=None):
        began = time.monotonic()
        headers = {"X-Auth-Token": self._token, "OpenStack-API-Version": "container-infra latest"}
        try:
            answer = session.request(method, self._base + path, json=body, headers=headers, timeout=60)
        except requests.RequestException as error:
            self.failed.append((f"{method} {path}", repr(error)))
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code >= 400:
            self.failed.append((f"{method} {path}", f"{answer.status_code} {answer.text[:300]}"))
            return None
        self.done[f"{method} {answer.status_code}"] += 1
        return answer.json() if answer.content else None

    def _work(self, number):
        with requests.Session() as session:
            session.trust_env = False
            turn = 0
            while not self._stop.is_set():
                turn += 1
                self._ask(session, "GET", "/baymodels")
                body = {"name": f"load-{number}-{turn}", "coe": "swarm", "image_id": "fedora-atomic-23"}
                made = self._ask(session, "POST", "/baymodels", body | {"external_network_id": "public"})
                if made is not None:
                    self._ask(session, "PATCH", f"/baymodels/{made['uuid']}", [
                        {"op": "replace", "path": "/name", "value": f"changed-{number}-{turn}"}
                    ])  # fmt: skip
                    self._ask(session, "DELETE", f"/baymodels/{made['uuid']}")
                if self._bay:
                    self._ask(session, "POST", "/certificates", {"bay_uuid": self._bay, "csr": self._csr})
                time.sleep(0.05)
