"""The service fetches nothing that a tenant names: no proxy, mirror, registry, discovery or other URL of his is
ever asked by API, node door or conductor. Nodes do that, from inside the tenant's own network.
"""

import contextlib
import socket
import sys
import threading

import pytest

from tests.functional.test_conductor import machine, nodes, scale


class Watch:
    """Every address that this process looks up or connects to, while it is on. An audit hook stays for the
    life of a process, so there is one.
    """

    def __init__(self):
        self.asked = None
        sys.addaudithook(self._heard)

    def _heard(self, event, arguments):
        if self.asked is not None and event in {
            "socket.connect",
            "socket.getaddrinfo",
            "socket.gethostbyname",
        }:
            self.asked.append((event, str(arguments[1:] if event == "socket.connect" else arguments)))

    @contextlib.contextmanager
    def on(self):
        self.asked = []
        try:
            yield self.asked
        finally:
            self.asked = None


WATCH = Watch()


@pytest.fixture
def trap():
    """A web server of somebody inside: its port, and what came."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    came.append(connection.recv(100))
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], came


def test_the_watch_sees(trap):
    port, _ = trap
    with WATCH.on() as asked:
        socket.create_connection(("127.0.0.1", port)).close()
    assert any(str(port) in text for _, text in asked)


def test_over_a_whole_life(stand, trap):
    port, came = trap
    url, host = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    template = stand.template(
        http_proxy=url,
        https_proxy=url,
        no_proxy=host,
        insecure_registry=host,
        dns_nameserver="127.0.0.1",
        labels={"registry_mirror": f"{url}/", "registry_auth": f"{host}=ana:secret", "made_up_url": url},
    )
    with WATCH.on() as asked:
        uuid = stand.cluster(template, discovery_url=f"{url}/discover")
        assert stand.converge(uuid)["status"] == "CREATE_COMPLETE"
        worker = machine(stand, nodes(stand, uuid)["worker-0"])
        evil = {"docker": url, "kernel": url, "os": url}
        worker.report("ready", 100, "ok", message=f"see {url}", versions=evil, healthy=True)
        stand.api.post_json("/v1/certificates", {"cluster_uuid": uuid, "csr": worker.csr(name=host)})
        scale(stand, uuid, 3)
        stand.settle(uuid)
        for path in ("", "/nodes", "/events", "/logs"):
            stand.api.get(f"/v1/clusters/{uuid}{path}")
        stand.api.delete(f"/v1/clusters/{uuid}")
        assert stand.converge(uuid) is None
    assert came == []
    assert [text for _, text in asked if host in text or str(port) in text] == []
