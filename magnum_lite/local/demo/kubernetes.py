"""The chapters that use a Kubernetes bay, through nothing but its own TLS API and kubectl."""

import json
import os
from pathlib import Path

from magnum_lite.local.commands import credentials, output
from magnum_lite.local.demo import images, mirror
from magnum_lite.local.demo.pushing import push
from magnum_lite.local.demo.stage import Stage, fetch, grow, until_all_three

BAY = "kube-bay01"
IMAGES = ("redis", "web")
WAIT_SECONDS = 120.0
_COLUMNS = "custom-columns=NAME:.metadata.name,STATUS:.status.phase,NODE:.spec.nodeName"
_READY = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'


def sign(stage: Stage) -> None:
    """A key of one's own, a CSR, and the bay's CA signs it."""
    tell = stage.tell
    tell.title("A certificate: the key is made here, the bay's own CA signs the request")
    tell.command(f'eval "$(magnum-lite env {BAY})"')
    made = credentials.obtain(stage.rest, stage.bay, directory=None, ttl=3600)
    version = mirror.versions(mirror.find())[0]
    program = mirror.find() / "dl.k8s.io" / "release" / version / "bin" / "linux" / "amd64"
    # kubectl keeps what the API can do; not in the home of the user, whom this is not about
    kept = {"KUBECACHEDIR": str(stage.settings.state_dir / mirror.DIRECTORY / "kubectl")}
    tell.environment = {
        **made.environment(),
        **kept,
        "PATH": f"{program}:{os.environ.get('PATH', '')}",
    }
    output.quoted(f"KUBECONFIG={made.environment()['KUBECONFIG']}")
    output.done("A client certificate for one hour, key file 0600")


def look(stage: Stage) -> None:
    """The nodes, by the bay's own API."""
    tell = stage.tell
    tell.title("The bay's Kubernetes, over TLS")
    told = json.loads(tell.run("kubectl", "version", "--output", "json", quiet=True))
    version = told["serverVersion"]["gitVersion"]
    tell.check(version == stage.bay["coe_version"], f"It is Kubernetes {version}")
    tell.run("kubectl", "get", "nodes", "--output", "wide")
    _until_ready(stage, 3)
    tell.run("kubectl", "get", "pods", "--all-namespaces", "--output", "wide")


def push_images(stage: Stage) -> None:
    """The images go into the registry, from which nodes pull them."""
    stage.tell.title("Images for the talk's two controllers")
    for name in IMAGES:
        push(mirror.find() / "images" / f"{name}.tar", stage.registry, name)
    output.done(f"{len(IMAGES)} images are in the registry: {', '.join(IMAGES)}")


def deploy(stage: Stage) -> None:
    """The talk's stack, its page from this host, web scaled to 3."""
    tell = stage.tell
    tell.title("The talk's stack: two replication controllers")
    text = images.data_file("stack.yaml").replace("REGISTRY", stage.registry)
    tell.run("kubectl", "create", "--filename", "-", stdin=text.encode(), show="kubectl create -f stack.yaml")
    _until_running(stage, redis=1, web=1)
    tell.run("kubectl", "get", "pods", "--output", _COLUMNS, show="kubectl get pods")
    tell.run("kubectl", "scale", "--replicas=3", "rc", "web-controller")
    _until_running(stage, redis=1, web=3)
    tell.run("kubectl", "get", "pods", "--output", _COLUMNS, show="kubectl get pods")
    port = tell.run(
        "kubectl", "get", "service", "web", "--output", "jsonpath={.spec.ports[0].nodePort}", quiet=True
    )
    host = stage.bay["api_address"].removeprefix("https://").rpartition(":")[0]
    url = f"http://{host}:{port}/cgi-bin/index.cgi"
    until_all_three(stage, url, f"Pages come from three pods: {url}")
    tell.command(f"curl {url}")
    output.quoted(fetch(url).strip())


def refuse(stage: Stage) -> None:
    """Who has no certificate of this bay's CA stays outside."""
    tell = stage.tell
    tell.title("Refused: no certificate")
    directory = Path(tell.environment["KUBECONFIG"]).parent
    command = ("curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", str(directory / "ca.pem"))
    url = f"{stage.bay['api_address']}/api/v1/secrets"
    tell.command(f"curl --cacert ca.pem {url}")
    answer = tell.attempt(*command, "--output", "/dev/null", "--write-out", "%{http_code}", url)
    output.quoted(answer.stdout.decode())
    tell.check(answer.stdout == b"401", "Refused: 401")


def scale_bay(stage: Stage, count: int) -> None:
    """More workers; the old ones are not rebuilt."""
    grow(stage, count)
    _until_ready(stage, count + 1)
    stage.tell.run("kubectl", "get", "nodes")


def _until_ready(stage: Stage, count: int) -> None:
    def there() -> bool:
        told = stage.tell.run("kubectl", "get", "nodes", "--output", f"jsonpath={_READY}", quiet=True)
        return told.split() == ["True"] * count

    stage.tell.until(there, f"{count} nodes are ready", seconds=WAIT_SECONDS)


def _until_running(stage: Stage, **wanted: int) -> None:
    def there() -> bool:
        return all(
            stage.tell.run(
                "kubectl", "get", "pods", "-l", f"app={app}", "--output", f"jsonpath={_READY}", quiet=True
            ).split()
            == ["True"] * count
            for app, count in wanted.items()
        )

    what = ", ".join(f"{app} {count}" for app, count in wanted.items())
    stage.tell.until(there, f"Running: {what}", seconds=WAIT_SECONDS)
