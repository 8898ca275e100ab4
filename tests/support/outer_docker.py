"""A dockerd of its own in a network namespace of its own, with an image that boots in no time: for
tests of the local cloud's ports against what is real.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import time
import uuid

import docker
import pytest

IMAGE = "magnum-lite-test/node:1"
TOOLS = ("sh", "sleep", "cat", "rm", "mkdir", "mknod", "ln", "ls", "echo")
#: Stands for systemd: says something, and goes when it is told to.
INIT = "#!/bin/sh\ntrap 'exit 0' TERM 37\necho booted\nwhile :; do sleep 1 & wait; done\n"


def missing():
    """Why this machine can not run these tests, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("dockerd", "nsenter", "ip", "iptables-restore", "losetup"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    return None


def image_tar():
    """A root file system: a shell, a few tools and the libraries that they need."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        paths = {shutil.which(tool) for tool in TOOLS}
        for tool in tuple(paths):
            listed = subprocess.run(["ldd", tool], capture_output=True, text=True, check=True).stdout
            paths |= {word for word in listed.split() if word.startswith("/")}
        for path in sorted(paths):
            # /bin may be a link to /usr/bin here: the image has real directories
            tar.add(os.path.realpath(path), path)
            if path.startswith("/usr/bin/"):
                tar.add(os.path.realpath(path), path.removeprefix("/usr"))
        for name, content in (("init", INIT), ("var/log/cloud-init-output.log", "cloud-init done\n")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


class OuterDocker:
    """The dockerd; ``stop`` and ``start`` it as often as needed."""

    def __init__(self, directory):
        self.directory = directory
        self.netns = f"mgltest-{uuid.uuid4().hex[:6]}"
        self.socket = str(directory / "docker.sock")
        self.process = None
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)

    def start(self):
        """Start and wait for an answer."""
        where = ["--data-root", self.directory / "data", "--exec-root", self.directory / "exec"]
        where += ["--pidfile", self.directory / "docker.pid", "-H", f"unix://{self.socket}"]
        enter = ["nsenter", f"--net=/run/netns/{self.netns}"]
        with (self.directory / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*enter, "dockerd", *where, "--bridge=none", "--storage-driver=overlay2"],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(docker.errors.DockerException):
                docker.APIClient(base_url=f"unix://{self.socket}", version="auto").close()
                return
            assert self.process.poll() is None, (self.directory / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "dockerd does not answer"
            time.sleep(0.1)

    def load(self):
        """Import the image."""
        client = docker.APIClient(base_url=f"unix://{self.socket}", version="auto")
        client.import_image_from_data(
            image_tar(), *IMAGE.split(":"), changes=['ENTRYPOINT ["/bin/sh", "/init"]']
        )
        client.close()

    def stop(self):
        """End the dockerd."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def remove(self):
        """End everything that was started here."""
        if self.process:
            client = docker.APIClient(base_url=f"unix://{self.socket}", version="auto")
            for one in client.containers(all=True):
                client.remove_container(one["Id"], force=True, v=True)
            client.close()
        self.stop()
        subprocess.run(["ip", "netns", "del", self.netns], check=False)


@contextlib.contextmanager
def outer_docker(directory):
    """A running dockerd with the image; skips where it can not be had."""
    if reason := missing():
        pytest.skip(reason)
    made = OuterDocker(directory)
    try:
        made.start()
        made.load()
        yield made
    finally:
        made.remove()
