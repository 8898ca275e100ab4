"""The Image API v2, to read: images are the settings', loaded with ``magnum-lite image load``."""

from typing import Any

from magnum_lite.local.cloud.call import SHARED, Call
from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.paging import page
from magnum_lite.local.cloud.routing import Answer, Router
from magnum_lite.local.cloud.settings import Image

ROUTER = Router("/image/v2")

_NO_FILTER = {"limit", "marker", "sort", "sort_key", "sort_dir", "member_status"}
_TIME = "2026-01-01T00:00:00Z"
#: What a property may not overwrite.
_FIXED = ("id", "name", "status", "visibility", "owner", "size")


@ROUTER.on("GET", "/images")
def index(call: Call) -> Answer:
    """List images, filtered as Glance does: ``name=``, ``id=in:a,b``, ``os_distro=``, ``size_min=``."""
    shown = [item for item in map(_shown, call.cloud.settings.all_images()) if _wanted(call, item)]
    images, following = page(call, shown)
    body: dict[str, Any] = {"images": images, "schema": "/v2/schemas/images", "first": "/v2/images"}
    if following:
        body["next"] = "/v2/images?" + following.partition("?")[2]
    return 200, body


@ROUTER.on("GET", "/images/{ident}")
def show(call: Call, ident: str) -> Answer:
    """Show an image. Raises Fault 404."""
    image = call.cloud.settings.image(ident)
    if image is None:
        raise Fault(404, f"No image found with ID {ident}")
    return 200, _shown(image)


@ROUTER.on("GET", "/schemas/{name}")
def schema(_call: Call, name: str) -> Answer:
    """The schema that glanceclient validates by."""
    if name not in {"image", "images"}:
        raise Fault(404, f"No schema {name}")
    fields = {key: {"type": "string"} for key in ("id", "name", "status", "visibility", "owner")}
    return 200, {"name": name, "properties": fields, "additionalProperties": {"type": "string"}}


@ROUTER.on("POST", "/images")
def create(_call: Call) -> Answer:
    """Refused: an image of this cloud is a container image on its dockerd."""
    raise Fault(403, "Images of this cloud are loaded on its machine: magnum-lite image load.")


def _shown(image: Image) -> dict[str, Any]:
    extra = {key: str(value) for key, value in image.properties.items() if key not in _FIXED}
    return {
        **extra,
        "id": image.id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "protected": True,
        "os_hidden": False,
        "os_distro": image.os_distro,
        "tags": [],
        "container_format": "docker",
        "disk_format": "raw",
        "min_ram": 0,
        "min_disk": 0,
        "size": image.size_bytes,
        "virtual_size": None,
        "checksum": None,
        "owner": SHARED,
        "created_at": _TIME,
        "updated_at": _TIME,
        "file": f"/v2/images/{image.id}/file",
        "self": f"/v2/images/{image.id}",
        "schema": "/v2/schemas/image",
    }


def _wanted(call: Call, item: dict[str, Any]) -> bool:
    for key, value in call.query.items():
        if key in _NO_FILTER or (key == "visibility" and value == "all"):
            continue
        if key in {"size_min", "size_max"}:
            limit = int(value) if value.isdigit() else 0
            if (item["size"] < limit) if key == "size_min" else (item["size"] > limit):
                return False
        elif key == "tag" or str(
            item.get(key, "False" if key.startswith("os_") else "")
        ).lower() not in _choices(value):
            return False
    return True


def _choices(value: str) -> list[str]:
    return (
        [one.strip('"').lower() for one in value.removeprefix("in:").split(",")]
        if value.startswith("in:")
        else [value.lower()]
    )
