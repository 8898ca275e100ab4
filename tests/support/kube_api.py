"""etcd, a real API server and the controllers of volumes as processes of this machine: Kubernetes without nodes,
for what needs none.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from tests.kubernetes.building import compiler, recipes
from tests.kubernetes.kubectl import Kubectl
from tests.support import guard
from tests.support.processes import free_port
from tests.support.waiting import eventually

ADMIN = "a-token-of-the-test"
_CONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}]
users: [{{name: test, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
"""


def _unit(name: str) -> recipes.Unit:
    units = (recipes.kubernetes(recipes.VERSIONS[0]), *recipes.OTHERS, *recipes.BESIDE)
    return {file: unit for unit in units for file, _ in unit.programs}[name]


def program(name: str) -> Path:
    """``make kubernetes-mirror`` builds it; one that is not there is built now."""
    return compiler.compiled(_unit(name)) / name


class KubeApi:
    """``where`` is an empty directory."""

    def __init__(self, where: Path) -> None:
        self.where, self._stack = where, contextlib.ExitStack()
        self.port = free_port()

    def start(self, name: str, *arguments: object) -> subprocess.Popen:
        """A program beside it, until the end; its log is ``<name>.log``."""
        out = (self.where / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [program(name), *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.where, start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.where)},
        )  # fmt: skip
        guard.watch(process.pid)
        self._stack.callback(_ended, process)
        out.close()
        return process

    def log(self, name: str) -> str:
        """What a program said."""
        return (self.where / f"{name}.log").read_text(errors="replace")

    def kubectl(self, token: str = ADMIN) -> Kubectl:
        """As whoever has the token."""
        file = self.where / f"config-{abs(hash(token))}"
        file.write_text(_CONFIG.format(port=self.port, token=token))
        file.chmod(0o600)
        return Kubectl(program("kubectl"), file)

    def up(self, *flags: str) -> None:
        """With more flags of the API server."""
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.start(
            "etcd", "--data-dir", self.where / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--unsafe-no-fsync",
        )  # fmt: skip
        key, public = self.where / "sa.key", self.where / "sa.pub"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        subprocess.run(
            ["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True
        )
        tokens = self.where / "tokens.csv"
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        self.start(
            "kube-apiserver", "--etcd-servers", client, "--secure-port", self.port, "--bind-address", "127.0.0.1",
            "--cert-dir", self.where / "api", "--token-auth-file", tokens, "--authorization-mode", "Node,RBAC",
            "--anonymous-auth=false", "--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
            "--service-account-key-file", public, "--service-account-signing-key-file", key,
            "--service-cluster-ip-range", "10.254.0.0/16", *flags,
        )  # fmt: skip
        admin = self.kubectl()
        eventually(
            lambda: admin.tried("get", "--raw", "/readyz")[0] == 0, 120, what="the API is ready", pause=0.5
        )
        self.start(
            "kube-controller-manager", "--kubeconfig", admin.kubeconfig, "--leader-elect=false", "--secure-port", 0,
            "--controllers", "namespace-controller,serviceaccount-controller,persistentvolume-binder-controller,"
            "serviceaccount-token-controller,clusterrole-aggregation-controller,"
            "persistentvolumeclaim-protection-controller,persistentvolume-protection-controller", "--service-account-private-key-file", key,
        )  # fmt: skip

    def down(self) -> None:
        """All of it."""
        self._stack.close()


def _ended(process: subprocess.Popen) -> None:
    process.terminate()
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    if process.poll() is None:
        process.kill()
    process.wait(timeout=10)
