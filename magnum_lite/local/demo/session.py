"""The demo as a whole: what is prepared, the chapters in order, and the end, which always cleans up."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from magnum_lite.local import runtime, state
from magnum_lite.local.commands import bay_life, credentials, display, machine, output
from magnum_lite.local.commands.failure import Exit, Failure
from magnum_lite.local.commands.invocation import Invocation
from magnum_lite.local.commands.rest import Rest, connect
from magnum_lite.local.demo import debian_programs, leftovers, mirror, registry
from magnum_lite.local.demo.narration import Narrator
from magnum_lite.local.demo.stage import Stage
from magnum_lite.local.demo.tours import TOURS, Tour

KEY = "my-key"
DNS = "137.138.17.5"
TAG = "magnum-lite-demo"
CREATE_MINUTES = 10


def run(state_dir: Path, coe: str, *, keep: bool) -> None:
    """The whole tour of a bay of that engine. Raises Failure with what went wrong, after cleaning up;
    SIGTERM and SIGHUP are taken like Ctrl-C, so that they clean up, too.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        _tour(TOURS[coe], state_dir, Narrator(), keep=keep)
    except KeyboardInterrupt:
        raise Failure("Interrupted; the demo has cleaned up.", code=Exit.INTERRUPTED) from None


def _tour(tour: Tour, state_dir: Path, tell: Narrator, *, keep: bool) -> None:
    programs = mirror.find() if tour.mirror else None
    with _cloud(state_dir, tell, keep=keep) as settings:
        rest = connect(state_dir)
        _remove_earlier(rest, settings)
        server, busybox = debian_programs.registry(), debian_programs.busybox()
        before = leftovers.take(rest, settings)
        with (
            registry.serving(settings, server, keep=keep) as address,
            _mirror(settings, programs, keep=keep) as labels,
            _keys(rest),
        ):
            output.done(f"A registry for the demo's images serves at {address}")
            model = make_model(tour, rest, tell, address, labels)
            with _bay(tour, rest, model, tell, keep=keep) as bay:
                tour.use(Stage(rest, tell, bay, address, busybox, settings))
                if not keep:
                    _delete(rest, tell, bay, model)
        if keep:
            _explain_kept(tour, settings)
        else:
            _nothing_left(tour, rest, settings, before, tell)
    click.echo(f"\ndemo: OK in {tell.seconds:.0f} s")


@contextlib.contextmanager
def _mirror(settings: state.Settings, programs: Path | None, *, keep: bool) -> Iterator[dict[str, str]]:
    """The labels with which nodes find their programs; of what needs none, none."""
    if programs is None:
        yield {}
        return
    with mirror.serving(settings, programs, keep=keep) as address:
        output.done(f"A mirror of Kubernetes serves at {address}")
        yield {"kube_mirror": f"http://{address}", "kube_tag": mirror.versions(programs)[0]}


@contextlib.contextmanager
def _cloud(state_dir: Path, tell: Narrator, *, keep: bool) -> Iterator[state.Settings]:
    """The running cloud; it goes down again if it was not up before."""
    ours = not any(process.pid for process in runtime.status(state_dir))
    tell.title("This machine's cloud: real Keystone, real Heat, nodes in containers")
    tell.command("magnum-lite up")
    try:
        machine.start(state_dir)
        yield Invocation(state_dir).settings()
    except BaseException:
        if ours:
            output.warn("Stopping the services again; their logs stay in the state directory.", err=True)
            machine.stop(state_dir, purge=False)
        raise
    if ours and not keep:
        tell.command("magnum-lite down")
        machine.stop(state_dir, purge=False)
        output.done("The cloud is down, as it was before")


def make_model(
    tour: Tour, rest: Rest, tell: Narrator, insecure_registry: str, labels: dict[str, str]
) -> dict[str, Any]:
    """The session's baymodel, for this cloud's network and registry."""
    tell.title("The baymodel, as the talk has it")
    name, flavor = tour.model_name, tour.model["flavor_id"]
    shown = "".join(f" \\\n      --labels {label}={value}" for label, value in labels.items())
    tell.command(
        f"magnum baymodel-create --name {name} --flavor-id {flavor} --image-id fedora-atomic-23 \\\n"
        f"      --keypair-id {KEY} --external-network-id public --dns-nameserver {DNS} --coe {tour.coe} \\\n"
        f"      --insecure-registry {insecure_registry}{shown}"
    )
    model: dict[str, Any] = rest.post(
        "/baymodels",
        {
            "name": name,
            "image_id": "fedora-atomic-23",
            "keypair_id": KEY,
            "external_network_id": "public",
            "dns_nameserver": DNS,
            "coe": tour.coe,
            "insecure_registry": insecure_registry,
            "labels": labels,
            "tags": TAG,
            **tour.model,
        },
    )
    output.done(f"Baymodel {name}: {model['uuid']}")
    return model


@contextlib.contextmanager
def _keys(rest: Rest) -> Iterator[None]:
    """The key pair that the baymodel names, if the user has none of that name."""
    made = False
    try:
        rest.call("GET", f"/os-keypairs/{KEY}", service="compute")
    except Failure as failure:
        if failure.exit_code != Exit.NOT_FOUND:
            raise
        rest.call("POST", "/os-keypairs", service="compute", json={"keypair": {"name": KEY}})
        made = True
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(Failure):
                rest.call("DELETE", f"/os-keypairs/{KEY}", service="compute")


@contextlib.contextmanager
def _bay(
    tour: Tour, rest: Rest, model: dict[str, Any], tell: Narrator, *, keep: bool
) -> Iterator[dict[str, Any]]:
    """A bay of one manager and two workers. After a fault it is removed, and its baymodel; ``keep``
    keeps a bay only that came through.
    """
    tell.title(f"A bay of one {tour.master} and two workers")
    labels = "".join(f" --label {name}={value}" for name, value in tour.labels.items())
    tell.command(f"magnum-lite create {tour.bay} --template {tour.model_name} --node-count 2{labels}")
    click.echo(f"  (2016: magnum bay-create --baymodel {tour.model_name} --node-count 2 --name {tour.bay})")
    body = {
        "name": tour.bay,
        "baymodel_id": model["uuid"],
        "node_count": 2,
        "bay_create_timeout": CREATE_MINUTES,
        "labels": dict(tour.labels),
        "merge_labels": True,
    }
    try:
        bay = bay_life.create(rest, body, display=display.choose(), retain=False)
        yield bay
    except BaseException:
        output.warn("Cleaning up.", err=True)
        try:
            remove_bays(rest, model["uuid"])
        except Failure as failure:  # what went wrong first is what is to be told last
            output.failed(f"Not cleaned up: {failure.message}", err=True)
        raise
    if keep:
        return
    with contextlib.suppress(Failure):
        rest.delete(f"/baymodels/{model['uuid']}")


def remove_bays(rest: Rest, model_uuid: str) -> None:
    """Remove every bay of a baymodel, and that. Raises Failure when something is left."""
    for found in rest.get("/bays")["bays"]:
        if found["baymodel_id"] == model_uuid:
            bay_life.remove(rest, rest.find("bays", found["uuid"]), display=display.quiet())
    rest.delete(f"/baymodels/{model_uuid}")


def _remove_earlier(rest: Rest, settings: state.Settings) -> None:
    """What an earlier demo kept, or left when it was killed."""
    earlier = [m for m in rest.get("/baymodels")["baymodels"] if m["tags"] == TAG]
    for model in earlier:
        output.warn("An earlier demo's bay is still there; removing it.")
        remove_bays(rest, model["uuid"])
    registry.end(settings)
    mirror.end(settings)


def _delete(rest: Rest, tell: Narrator, bay: dict[str, Any], model: dict[str, Any]) -> None:
    tell.title("Deletion")
    tell.command(f"magnum-lite delete {bay['name']}")
    bay_life.remove(rest, bay, display=display.choose())
    tell.command(f"magnum baymodel-delete {model['name']}")
    rest.delete(f"/baymodels/{model['uuid']}")


def _nothing_left(
    tour: Tour, rest: Rest, settings: state.Settings, before: leftovers.Inventory, tell: Narrator
) -> None:
    tell.title("Nothing is left")
    tell.command("openstack stack list; openstack server list; openstack volume list; openstack network list")
    tell.command(f"docker --host unix://{settings.docker_socket} ps --all")
    now = leftovers.take(rest, settings)
    new = now.beyond(before)
    if new:
        texts = [f"{kind}: {', '.join(sorted(ids))}" for kind, ids in new.items()]
        raise Failure("The bay left something behind.\n  " + "\n  ".join(texts))
    tell.check(not credentials.default_directory(tour.bay).exists(), "No key or certificate on this disk")
    output.done(f"As before the bay: {now.text()}")


def _explain_kept(tour: Tour, settings: state.Settings) -> None:
    click.echo(f"\nThe bay is kept, and so is the registry{' and the mirror' if tour.mirror else ''}.")
    output.next_commands(
        *tour.kept,
        (
            f"export OS_CLIENT_CONFIG_FILE={settings.state_dir}/clouds.yaml OS_CLOUD=magnum-lite",
            "for openstack coe …",
        ),
        (f"magnum-lite delete {tour.bay}", "remove the bay"),
        ("magnum-lite down --purge", "remove everything"),
    )
