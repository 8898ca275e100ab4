"""``image build|load|list``: the node image."""

import time
from typing import Any

import click

from magnum_lite.local.commands import output
from magnum_lite.local.commands.failure import Failure, not_running
from magnum_lite.local.commands.invocation import Invocation, output_option, pass_invocation


@click.group("image")
def image() -> None:
    """The image that nodes are made from."""


@image.command()
def build() -> None:
    """Build the node image, unless it is in the cache (about 75 s)."""
    from magnum_lite.local import image as images

    started, cached = time.monotonic(), images.path().exists()
    try:
        path = images.build()
    except images.BuildError as error:
        raise Failure(str(error), "what may be missing:  magnum-lite doctor") from None
    output.done(f"{path} ({'cached' if cached else f'{time.monotonic() - started:.0f} s'})")


@image.command()
@pass_invocation
def load(invocation: Invocation) -> None:
    """Load the node image into this cloud's engine, unless it is there. ``up`` does it, too."""
    from magnum_lite.local import dockerd
    from magnum_lite.local import image as images

    settings = invocation.settings()
    if not dockerd.ready(settings):
        raise not_running(invocation.state_dir)
    client = dockerd.connect(settings, timeout=300)
    try:
        images.build()
        loaded = images.load(client)
    except images.BuildError as error:
        raise Failure(str(error)) from None
    finally:
        client.close()
    output.done(f"{images.REFERENCE}: {'loaded' if loaded else 'was there'}")


@image.command("list")
@output_option
@pass_invocation
def list_images(invocation: Invocation, how: str) -> None:
    """List the images in the cache, and those that this cloud's engine has."""
    from magnum_lite.local import dockerd, state
    from magnum_lite.local import image as images

    found: list[dict[str, Any]] = [
        {"where": "cache", "name": str(path), "size": path.stat().st_size, "current": path == images.path()}
        for path in sorted(images.cache_dir().glob("node-*.tar"))
    ]
    settings = state.load(invocation.state_dir.resolve())
    if settings is not None and dockerd.ready(settings):
        client = dockerd.connect(settings, timeout=30)
        try:
            for item in client.api.images():
                current = (item["Labels"] or {}).get(images.LABEL) == images.key()
                found += [
                    {"where": "engine", "name": name, "size": item["Size"], "current": current}
                    for name in item["RepoTags"] or [item["Id"][:19]]
                ]
        finally:
            client.close()
    if how == "json":
        output.document(found)
    elif not found:
        output.done("There is no image yet.")
        output.next_commands(("magnum-lite image build", "build it"))
    else:
        rows = [(i["where"], i["name"], f"{i['size'] / 1e6:.0f} MB", i["current"]) for i in found]
        output.table(("where", "name", "size", "current"), rows)
