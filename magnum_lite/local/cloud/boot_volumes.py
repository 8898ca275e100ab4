"""Servers that boot from a volume. Here a node's root is its image, whatever it boots from: the volume is
there, counted, attached as the first disk, and goes when it should, but holds nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from magnum_lite.local.cloud import call as reading
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.faults import bad_request
from magnum_lite.local.cloud.settings import CloudSettings, Image
from magnum_lite.local.cloud.stamps import bare, new_id, now
from magnum_lite.local.cloud.store import Record

DEVICE = "/dev/vda"


@dataclasses.dataclass(frozen=True, slots=True)
class Root:
    """What a server boots from. ``volume_id``: none where it is the image itself. ``made``: the volume's
    record, where it is still to be made; ``own``: it goes with its server.
    """

    image: Image
    volume_id: str | None = None
    made: Record | None = None
    own: bool = False


def is_root(mapping: Mapping[str, Any]) -> bool:
    """Whether a block device mapping is about the volume that a server boots from."""
    return str(mapping.get("boot_index")) == "0" and mapping.get("destination_type") == "volume"


def root(call: Call, body: dict[str, Any]) -> Root | None:
    """What the block device mappings say of it; None if nothing. Raises Fault 400, 404."""
    found = [m for m in reading.objects(body, "block_device_mapping_v2") if is_root(m)]
    if not found:
        return None
    if len(found) > 1 or body.get("imageRef"):
        raise bad_request("Block Device Mapping is Invalid: Boot sequence for the instance is not valid.")
    (mapping,) = found
    ident, own = str(mapping.get("uuid")), mapping.get("delete_on_termination") is True
    if mapping.get("source_type") == "image":
        return _from_image(call, mapping, ident, own=own)
    if mapping.get("source_type") != "volume":
        raise bad_request(
            "Block Device Mapping is Invalid: this cloud boots from images and volumes of them."
        )
    volume = call.find("volume", ident)
    image = call.cloud.settings.image((volume.get("volume_image_metadata") or {}).get("image_id", ""))
    if image is None:
        raise bad_request(f"Block Device {ident} is not bootable.")
    if volume["status"] != "available":
        raise bad_request(
            f"Block Device Mapping is Invalid: failed to get volume {ident}, which is {volume['status']}."
        )
    return Root(image, ident, own=own)


def _from_image(call: Call, mapping: Mapping[str, Any], ident: str, *, own: bool) -> Root:
    image = call.cloud.settings.image(ident)
    if image is None:
        raise bad_request(f"Block Device Mapping is Invalid: failed to get image {ident}.")
    size = reading.number(mapping, "volume_size", least=1)
    if size is None:
        raise bad_request("Block Device Mapping is Invalid: a volume of an image needs its volume_size.")
    record = new_record(call.project, call.user, size) | of_image(image)
    return Root(image, record["id"], record, own)


def new_record(project: str, user: str, size: int) -> Record:
    """A volume that is to be made."""
    return {
        "id": new_id(),
        "project_id": project,
        "user_id": user,
        "name": "",
        "description": "",
        "metadata": {},
        "size": size,
        "status": "creating",
        "attachments": [],
        "created_at": bare(now()),
        "updated_at": None,
    }


def of_image(image: Image) -> Record:
    """What a volume of an image has besides."""
    return {"volume_image_metadata": {"image_id": image.id, "image_name": image.name}}


def wanted_image(settings: CloudSettings, ident: object) -> Record:
    """``of_image`` for a body's imageRef. Raises Fault 400."""
    image = settings.image(str(ident))
    if image is None:
        raise bad_request(f"Invalid image identifier or unable to access requested image: {ident}.")
    return of_image(image)
