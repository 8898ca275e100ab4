"""``templates``, ``template-create``: baymodels, and the options that make one."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.invocation import Invocation, output_option, pass_invocation

if TYPE_CHECKING:
    from magnum_lite.local.commands.rest import Rest

DEFAULTS = {
    "coe": "swarm",
    "image_id": "debian-12-node",
    "flavor_id": "m1.small",
    "external_network_id": "public",
}
"""What this machine's own cloud has, so that ``create NAME`` alone makes a bay."""

_OPTIONS = (
    ("--coe", "coe", str, "Engine: swarm or kubernetes. [swarm]"),
    ("--image", "image_id", str, "Image of the nodes. [debian-12-node]"),
    ("--flavor", "flavor_id", str, "Flavor of the workers. [m1.small]"),
    ("--master-flavor", "master_flavor_id", str, "Flavor of the managers. [that of the workers]"),
    ("--external-network", "external_network_id", str, "Network with the way out. [public]"),
    ("--keypair", "keypair_id", str, "Key pair for SSH."),
    ("--dns-nameserver", "dns_nameserver", str, "DNS server of the nodes."),
    ("--docker-volume-size", "docker_volume_size", int, "GiB of a volume for /var/lib/docker."),
    ("--fixed-network", "fixed_network", str, "Existing network for the nodes."),
    ("--fixed-subnet", "fixed_subnet", str, "Existing subnet for the nodes."),
    ("--master-lb", "master_lb_enabled", bool, "true: a load balancer before the masters. [false]"),
    ("--insecure-registry", "insecure_registry", str, "Registry to be used without TLS, host:port."),
    ("--http-proxy", "http_proxy", str, "Proxy of the nodes."),
    ("--https-proxy", "https_proxy", str, "Proxy of the nodes."),
    ("--no-proxy", "no_proxy", str, "Hosts without proxy."),
)
_OF_BAYS = {"flavor_id": "flavor_id", "master_flavor_id": "master_flavor_id", "keypair_id": "keypair",
            "docker_volume_size": "docker_volume_size", "fixed_network": "fixed_network",
            "fixed_subnet": "fixed_subnet", "master_lb_enabled": "master_lb_enabled"}  # fmt: skip
"""What a bay may say otherwise than its baymodel: option → the bay's field."""

_LISTED = ("name", "coe", "image_id", "flavor_id", "external_network_id", "labels", "uuid")


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a baymodel; those not given are None."""
    for option, name, kind, text in reversed(_OPTIONS):
        command = click.option(option, name, type=kind, help=text)(command)
    return command


def parse_labels(pairs: Sequence[str]) -> dict[str, str]:
    """``("a=b", …)`` → dict. Raises click.BadParameter."""
    out = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--label")
        out[key] = value
    return out


def make(rest: "Rest", values: Mapping[str, Any]) -> dict[str, Any]:
    """A new baymodel from what is not None, and the defaults. Raises Failure."""
    given = {name: value for name, value in values.items() if value is not None}
    made: dict[str, Any] = rest.post("/baymodels", DEFAULTS | given)
    return made


def discard(rest: "Rest", model: Mapping[str, Any] | None) -> None:
    """Remove a baymodel, unless a bay uses it."""
    from magnum_lite.local.commands.failure import Failure

    if model is not None:
        with contextlib.suppress(Failure):
            rest.delete(f"/baymodels/{model['uuid']}")


def overrides(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options beside ``--template`` as fields of the bay. Raises click.UsageError for the others."""
    given = {name: value for name, value in values.items() if value is not None}
    if strangers := sorted(given.keys() - _OF_BAYS.keys()):
        options = {name: option for option, name, _, _ in _OPTIONS}
        raise click.UsageError(f"{options[strangers[0]]} belongs to the baymodel: not with --template")
    return {_OF_BAYS[name]: value for name, value in given.items()}


@click.command("templates")
@output_option
@pass_invocation
def list_templates(invocation: Invocation, how: str) -> None:
    """List the baymodels."""
    models = invocation.rest().get("/baymodels")["baymodels"]
    if how == "json":
        output.document(models)
    elif not models:
        output.done("There is no baymodel.")
        output.next_commands(("magnum-lite template-create NAME", "make one"))
    else:
        output.table([c.removesuffix("_id") for c in _LISTED], [[m[c] for c in _LISTED] for m in models])


@click.command("template-create")
@click.argument("name")
@model_options
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Label; may be repeated.")
@output_option
@pass_invocation
def create_template(
    invocation: Invocation, /, name: str, labels: tuple[str, ...], how: str, **model: Any
) -> None:
    """Make a baymodel: what bays are made from."""
    made = make(invocation.rest(), {"name": name, "labels": parse_labels(labels) or None, **model})
    if how == "json":
        output.document(made)
    else:
        output.done(f"Baymodel {name}: {made['uuid']}")
        output.next_commands((f"magnum-lite create NAME --template {name}", "a bay from it"))
