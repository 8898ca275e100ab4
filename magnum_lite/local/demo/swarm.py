"""The chapters that use the bay, through nothing but its own TLS API and the docker command."""

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from magnum_lite.local.commands import credentials, output
from magnum_lite.local.commands.failure import Failure
from magnum_lite.local.demo import images
from magnum_lite.local.demo.narration import has_one
from magnum_lite.local.demo.stage import Stage, fetch, grow, until_all_three

BAY = "swarm-bay01"
STACK = "talk"
WAIT_SECONDS = 120.0
_TASKS = "table {{.Name}}\t{{.Node}}\t{{.CurrentState}}"
_INFO = ("Server Version", "Storage Driver", "Swarm:", " Managers:", " Nodes:", "Operating System", "Kernel")


def sign(stage: Stage) -> None:
    """A key of one's own, a CSR, and the bay's CA signs it."""
    tell, bay = stage.tell, stage.bay
    tell.title("A certificate: the key is made here, the bay's own CA signs the request")
    click.echo(
        f"  (2016: magnum ca-sign --bay {BAY} --csr cert.csr > cert.pem; magnum ca-show --bay {BAY} > ca.pem)"
    )
    tell.command(f'eval "$(magnum-lite env {BAY})"')
    made = credentials.obtain(stage.rest, bay, directory=None, ttl=3600)
    tell.environment = made.environment()
    for name, value in made.environment().items():
        output.quoted(f"{name}={value}")
    output.done("A client certificate for one hour, key file 0600")


def look(stage: Stage) -> None:
    """docker info shows the nodes."""
    tell = stage.tell
    tell.title("The bay's Docker, over TLS")
    tell.run("docker", "info", shown=lambda line: has_one(line, _INFO))
    info = json.loads(tell.run("docker", "info", "--format", "{{json .Swarm}}", quiet=True))
    tell.check(info["Nodes"] == 3, "docker info: 3 nodes")
    tell.run("docker", "node", "ls")
    ready = tell.run("docker", "node", "ls", "--format", "{{.Status}}", quiet=True).split()
    tell.check(ready == ["Ready"] * 3, "All of them are ready")


def push_images(stage: Stage) -> None:
    """The images are made here, imported over the bay's API, and pushed from there to the registry."""
    tell = stage.tell
    tell.title("Images for the talk's compose file")
    for image in images.IMAGES:
        reference = stage.image(image.name)
        tell.run(
            "docker", "import", *images.changes(image), "-", reference,
            stdin=images.archive(image, stage.busybox),
            show=f"docker import - {reference} < {image.name}.tar",
            shown=lambda _: False,
        )  # fmt: skip
        tell.run("docker", "push", "--quiet", reference, shown=lambda _: False)
    output.done(
        f"{len(images.IMAGES)} images are in the registry: {', '.join(i.name for i in images.IMAGES)}"
    )


def run_container(stage: Stage) -> None:
    """docker run, docker ps, a command inside."""
    tell, image = stage.tell, stage.image("busybox")
    tell.title("docker run, docker ps")
    text = tell.run("docker", "run", "--rm", image, "echo", "Hello from the bay")
    tell.check("Hello from the bay" in text, "A container ran to its end")
    ident = tell.run("docker", "run", "--detach", "--name", "frontend", image, "sleep", "100000").strip()
    columns = "table {{.ID}}\t{{.Image}}\t{{.Names}}\t{{.Status}}"
    tell.run("docker", "ps", "--format", columns, show="docker ps")
    running = tell.run("docker", "ps", "--quiet", "--no-trunc", quiet=True).split()
    tell.check(ident in running, "docker ps shows it")
    tell.run("docker", "exec", "frontend", "sh", "-c", "uname -s; hostname")
    tell.run("docker", "rm", "--force", "frontend")


def deploy(stage: Stage) -> None:
    """The compose file as a stack, its page from this host, web scaled to 3."""
    tell = stage.tell
    tell.title("The talk's compose file: lb, web and redis as a stack")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "compose.yml"
        file.write_text(images.data_file("compose.yml"))
        tell.run(
            "docker", "stack", "deploy", "--compose-file", str(file), STACK,
            show=f"REGISTRY={stage.registry} docker stack deploy --compose-file compose.yml {STACK}",
            environment=tell.environment | {"REGISTRY": stage.registry},
        )  # fmt: skip
    _until_replicas(stage, {"lb": "1/1", "web": "1/1", "redis": "1/1"})
    url = stage.bay["api_address"].replace("tcp://", "http://").rpartition(":")[0] + "/"
    tell.until(lambda: "visit" in fetch(url), f"The published port answers from this host: {url}", seconds=60)
    tell.command(f"curl {url}")
    output.quoted(fetch(url).strip())

    tell.run("docker", "service", "scale", "--detach", f"{STACK}_web=3")
    _until_replicas(stage, {"web": "3/3"})
    services = "table {{.Name}}\t{{.Replicas}}\t{{.Image}}"
    tell.run(
        "docker", "stack", "services", STACK, "--format", services, show=f"docker stack services {STACK}"
    )
    tell.run("docker", "stack", "ps", STACK, "--format", _TASKS, show=f"docker stack ps {STACK}")
    visits = until_all_three(stage, url, "Pages come from three containers")
    tell.check(visits == sorted(set(visits)), f"Redis counted each visit once, to {visits[-1]}")


def place(stage: Stage) -> None:
    """A constraint lands on a labelled node; one that no node meets does not."""
    tell, image = stage.tell, stage.image("busybox")
    tell.title("Placement: the nodes that are labelled storage=ssd")
    click.echo("  (2016: docker run … -e constraint:storage==ssd)")
    workers = {
        node["hostname"]
        for node in stage.rest.get(f"/bays/{stage.bay['uuid']}/nodes")["nodes"]
        if node["role"] == "worker"
    }
    tell.run(
        "docker", "service", "create", "--detach", "--quiet", "--name", "ssd", "--replicas", "2",
        "--endpoint-mode", "dnsrr", "--stop-grace-period", "1s", "--constraint", "node.labels.storage==ssd",
        image, "sleep", "100000",
        shown=lambda _: False,
    )  # fmt: skip
    _until_replicas(stage, {"ssd": "2/2"}, prefix="")
    tell.run("docker", "service", "ps", "ssd", "--format", _TASKS, show="docker service ps ssd")
    where = set(tell.run("docker", "service", "ps", "ssd", "--format", "{{.Node}}", quiet=True).split())
    tell.check(where and where <= workers, "It runs on labelled nodes only")
    tell.run(
        "docker", "service", "update", "--detach", "--quiet",
        "--constraint-add", "node.labels.storage==tape", "ssd",
        shown=lambda _: False,
    )  # fmt: skip
    tell.until(
        lambda: "no suitable node" in tell.run(
            "docker", "service", "ps", "ssd", "--format", "{{.Error}}", "--no-trunc", quiet=True
        ),
        "storage==tape: no suitable node, says the scheduler",
        seconds=60,
    )  # fmt: skip
    tell.run("docker", "service", "rm", "ssd", shown=lambda _: False)


def refuse(stage: Stage) -> None:
    """Who has no certificate of this bay's CA stays outside."""
    from magnum_lite.pki.requests import client_request

    tell, host = stage.tell, stage.bay["api_address"].removeprefix("tcp://")
    directory = Path(tell.environment["DOCKER_CERT_PATH"])
    tell.title("Refused: no certificate, another CA's certificate, no TLS")
    with tempfile.TemporaryDirectory() as name:
        stranger = Path(name)
        key, _ = client_request("stranger")
        credentials.write(stranger / "files", {"key.pem": key, "cert.pem": _self_signed(key)})
        ca = ("--tlscacert", str(directory / "ca.pem"))
        mine = ("--tlscert", str(stranger / "files/cert.pem"), "--tlskey", str(stranger / "files/key.pem"))
        for what, options in (
            ("no certificate", ("--tls", *ca)),
            ("another CA's certificate", ("--tlsverify", *ca, *mine)),
            ("no TLS at all", ()),
        ):
            command = ("docker", "--host", f"tcp://{host}", *options, "ps", "--quiet")
            tell.command(
                " ".join(command[:-1])
                .replace(str(stranger / "files"), "stranger")
                .replace(str(directory), "bay")
            )
            answer = tell.attempt(*command, environment={})
            complaint = (answer.stderr or answer.stdout).decode(errors="replace").strip().splitlines()
            output.quoted(complaint[-1][:200] if complaint else "")
            tell.check(answer.returncode != 0 and not answer.stdout.strip(), f"Refused: {what}")
    tell.check(
        tell.attempt("docker", "version").returncode == 0, "And the bay's own certificate still opens it"
    )


def scale_bay(stage: Stage, count: int) -> None:
    """More workers; the old ones are not rebuilt, and the labels come with the new one."""
    tell = stage.tell
    grow(stage, count)
    tell.run("docker", "node", "ls")
    ready = tell.run("docker", "node", "ls", "--format", "{{.Status}}", quiet=True).split()
    tell.check(ready == ["Ready"] * (count + 1), f"{count + 1} nodes are ready")
    names = tell.run(
        "docker", "node", "ls", "--filter", "node.label=storage=ssd", "--format", "{{.Hostname}}", quiet=True
    )
    tell.check(len(names.split()) == count, "The new worker is labelled, too")


def _until_replicas(stage: Stage, wanted: dict[str, str], prefix: str = f"{STACK}_") -> None:
    """Wait until services run as many tasks as they should."""

    def there() -> bool:
        text = stage.tell.run("docker", "service", "ls", "--format", "{{.Name}} {{.Replicas}}", quiet=True)
        found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
        return all(found.get(prefix + name) == count for name, count in wanted.items())

    what = ", ".join(f"{name} {count}" for name, count in wanted.items())
    try:
        stage.tell.until(there, f"Running: {what}", seconds=WAIT_SECONDS)
    except Failure:
        stage.tell.run("docker", "service", "ls")
        for name in wanted:
            stage.tell.run("docker", "service", "ps", "--no-trunc", prefix + name)
        raise


def _self_signed(key_pem: str) -> str:
    """A certificate for a key, by nobody that the bay knows."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key: Any = serialization.load_pem_private_key(key_pem.encode(), password=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()
