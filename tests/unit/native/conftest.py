"""A real swarm of two dockerds, each in a network namespace of its own, with the PKI's certificates."""

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from magnum_lite.pki import authority, csr, profiles
from tests.support.waiting import eventually

NOW = dt.datetime.now(dt.UTC)
# host .1 - .2 manager .5 - .6 worker
HOST, MANAGER, LINK_M, LINK_W = (f"10.203.77.{n}" for n in (1, 2, 5, 6))


class Bay:
    """A CA and what it issues."""

    def __init__(self):
        pem, key = authority.create_authority("bay", "cluster", NOW, dt.timedelta(days=9))
        self.ca_pem, self.ca = pem, authority.Authority.load("cluster", pem, key)

    def issue(self, profile, common_name, sans=()):
        """Certificate and key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        )
        verified = csr.verify(request.public_bytes(serialization.Encoding.PEM))
        facts = profiles.SubjectFacts(common_name)
        prepared = profiles.prepare(profile, verified, subject_facts=facts, sans=sans)
        pem = self.ca.issue(prepared, authority.new_serial(), NOW)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem, private.decode()

    def client(self):
        """A tenant's certificate."""
        return self.issue(profiles.DOCKER_CLIENT, "alice")


def run(*command):
    """A command that must succeed; its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


class Daemon:
    """One dockerd in one namespace, ended by its own pid."""

    def __init__(self, directory, namespace, *arguments):
        directory.mkdir()
        self.url = f"unix://{directory}/docker.sock"
        self.log = directory / "log"
        (directory / "daemon.json").write_text("{}")  # not the machine's own
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    # With mounts of its own: those that dockerd leaves would keep the namespace alive.
                    "nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount",
                    "dockerd", "-H", self.url, "--bridge=none",
                    "--data-root", str(directory / "data"), "--exec-root", str(directory / "exec"),
                    "--pidfile", str(directory / "pid"), "--exec-opt", "native.cgroupdriver=cgroupfs",
                    "--config-file", str(directory / "daemon.json"), *arguments,
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            eventually(self.answers, what="dockerd")
        except AssertionError:
            self.stop()
            raise AssertionError(self.log.read_text()[-2000:]) from None

    def answers(self):
        """Whether it is up."""
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        asked = subprocess.run(["docker", "-H", self.url, "version"], capture_output=True, check=False)
        return asked.returncode == 0

    def docker(self, *arguments):
        """The docker CLI against it."""
        return run("docker", "-H", self.url, *arguments)

    def stop(self):
        """End it."""
        self.process.terminate()
        self.process.wait(30)


class Swarm:
    """The running pair."""

    def __init__(self, bay, manager, worker):
        self.bay, self.manager, self.worker = bay, manager, worker
        self.address = f"{MANAGER}:2376"

    def join(self):
        """The worker enters, with a token of now."""
        token = self.manager.docker("swarm", "join-token", "-q", "worker")
        self.worker.docker(
            "swarm", "join", "--token", token, "--advertise-addr", LINK_W, "--listen-addr", f"{LINK_W}:2377",
            f"{LINK_M}:2377",
        )  # fmt: skip


@pytest.fixture(scope="module")
def swarm(tmp_path_factory):
    """A manager with TLS on 10.203.77.2:2376 and a worker, both ready."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it starts dockerd")
    for tool in ("dockerd", "docker", "ip", "nsenter"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    base = tmp_path_factory.mktemp("swarm")
    bay, tag = Bay(), uuid.uuid4().hex[:6]
    first, second, outer, inner = f"mlm-{tag}", f"mlw-{tag}", f"mlh{tag}", f"mli{tag}"
    certificate, key = bay.issue(profiles.DOCKER_SERVER, "manager-0", [MANAGER, "127.0.0.1"])
    for name, text in (("ca", bay.ca_pem), ("cert", certificate), ("key", key)):
        (base / f"{name}.pem").write_text(text)
    with contextlib.ExitStack() as stack:
        for namespace in (first, second):
            run("ip", "netns", "add", namespace)
            stack.callback(run, "ip", "netns", "del", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", "host0", "netns", first)
        stack.callback(run, "ip", "link", "del", outer)
        run("ip", "addr", "add", f"{HOST}/30", "dev", outer)
        run("ip", "link", "set", outer, "up")
        run("ip", "-n", first, "link", "add", inner, "type", "veth", "peer", "name", inner, "netns", second)
        links = ((first, "host0", MANAGER), (first, inner, LINK_M), (second, inner, LINK_W))
        for namespace, device, address in links:
            run("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            run("ip", "-n", namespace, "link", "set", device, "up")
        tls = [f"--tls{n}={base}/{f}.pem" for n, f in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))]
        manager = Daemon(base / "m", first, "-H", f"tcp://{MANAGER}:2376", "--tlsverify", *tls)
        stack.callback(manager.stop)
        worker = Daemon(base / "w", second)
        stack.callback(worker.stop)
        manager.docker("swarm", "init", "--advertise-addr", LINK_M, "--listen-addr", f"{LINK_M}:2377")
        swarm = Swarm(bay, manager, worker)
        swarm.join()
        yield swarm
