"""kubectl, the one that was built, with what a tenant gets of a bay: an address, a CA, a certificate."""

import base64
import contextlib
import json
import os
import socket
import subprocess

import yaml

from tests.support.machine import eventually


class Kubectl:
    """``Kubectl(program, file)``; calls give text or parsed JSON."""

    def __init__(self, program, kubeconfig):
        self.program, self.kubeconfig = program, kubeconfig

    def tried(self, *words, given=None, seconds=120):
        """(exit code, output and errors)."""
        done = subprocess.run(
            [self.program, "--kubeconfig", self.kubeconfig, *words],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.kubeconfig.parent)},
            text=True,
            check=False,
            timeout=seconds,
        )
        return done.returncode, done.stdout

    def __call__(self, *words, given=None, seconds=120):
        """What it prints; fails with that if it fails."""
        code, said = self.tried(*words, given=given, seconds=seconds)
        assert code == 0, f"kubectl {' '.join(words)}: {said}"
        return said

    def get(self, *words):
        """What there is, parsed."""
        return json.loads(self("get", *words, "--output", "json"))

    def apply(self, *objects):
        """Create or change objects."""
        self("apply", "--filename", "-", given=yaml.safe_dump_all(objects))

    def pods(self, selector, *, count, seconds=120):
        """The pods of a label once this many run and are ready."""

        def ready():
            found = [p for p in self.get("pods", "-l", selector)["items"] if is_ready(p)]
            return found if len(found) == count else None

        return eventually(f"{count} pods {selector} are ready", ready, seconds)

    def nodes_ready(self, count, seconds=120):
        """The nodes once there are just these and all are ready."""

        def ready():
            found = self.get("nodes")["items"]
            return found if len(found) == count and all(is_ready(n) for n in found) else None

        return eventually(f"{count} nodes are ready", ready, seconds)

    @contextlib.contextmanager
    def namespace(self, name):
        """A namespace; away again in the end, with all that is in it. A Kubectl that works there."""
        self("create", "namespace", name)
        inside = Kubectl(self.program, self.kubeconfig.with_name(f"{self.kubeconfig.name}.{name}"))
        inside.kubeconfig.write_bytes(self.kubeconfig.read_bytes())
        inside.kubeconfig.chmod(0o600)
        inside("config", "set-context", "--current", f"--namespace={name}")
        try:
            yield inside
        finally:
            self("delete", "namespace", name, "--wait=true", seconds=180)


def is_ready(found):
    """Whether a pod or node says Ready, and is not on its way out."""
    conditions = {c["type"]: c["status"] for c in found["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in found["metadata"]


def write_config(file, address, authority, key=None, certificate=None):
    """A kubeconfig for this address, with a client certificate or without any. All PEM texts."""

    def coded(text):
        return base64.b64encode(text.encode()).decode()

    user = {"client-certificate-data": coded(certificate), "client-key-data": coded(key)} if key else {}
    text = yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "bay",
                    "cluster": {"server": address, "certificate-authority-data": coded(authority)},
                }
            ],
            "users": [{"name": "tenant", "user": user}],
            "contexts": [{"name": "bay", "context": {"cluster": "bay", "user": "tenant"}}],
            "current-context": "bay",
        }
    )
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(text)
    return file


def reachable(host, port):
    """Whether something listens there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=3):
        return True
    return False
