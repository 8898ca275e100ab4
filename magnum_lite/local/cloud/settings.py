"""What one local cloud is told: a JSON file, written by the runtime that starts it, read once.

The images are the exception: ``<state_dir>/images.json`` is read again at each look, so that an
image can be loaded without a restart.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self


class SettingsError(Exception):
    """The settings file can not be used; the text says which field."""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """A node image: ``ref`` is its name on the dockerd; ``properties`` show as image properties."""

    id: str
    name: str
    ref: str
    os_distro: str
    size_bytes: int = 0
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """An image from its JSON object. Raises SettingsError."""
        return cls(**_fields(cls, raw, "image"))


@dataclasses.dataclass(frozen=True, slots=True)
class Flavor:
    """A size: ``ram_mib`` is a limit, ``vcpus`` may be overcommitted, ``disk_gib`` is not enforced."""

    id: str
    name: str
    ram_mib: int
    vcpus: int
    disk_gib: int

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """A flavor from its JSON object. Raises SettingsError."""
        return cls(**_fields(cls, raw, "flavor"))


@dataclasses.dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of each project; -1 means none."""

    instances: int = 20
    cores: int = 40
    ram_mib: int = 65536
    volumes: int = 20
    gigabytes: int = 1000
    floatingips: int = 20
    networks: int = 20
    loadbalancers: int = 20


DEFAULT_FLAVORS = (
    Flavor("1", "m1.small", 1024, 1, 10),
    Flavor("2", "m1.medium", 2048, 2, 20),
    Flavor("3", "m2.medium", 4096, 2, 40),
)


@dataclasses.dataclass(frozen=True, slots=True)
class CloudSettings:
    """Everything the local cloud needs. ``netns`` is the path of the dockerd's network namespace,
    None when it lives in the host's; ``network_prefix`` is the first half of an IPv4 address.
    """

    host: str
    port: int
    keystone_url: str
    username: str
    password: str = dataclasses.field(repr=False)
    docker_socket: str
    state_dir: Path
    project_name: str = "service"
    domain_name: str = "Default"
    netns: str | None = None
    network_prefix: str = "10.79"
    images: tuple[Image, ...] = ()
    flavors: tuple[Flavor, ...] = DEFAULT_FLAVORS
    quotas: Quotas = Quotas()

    def all_images(self) -> tuple[Image, ...]:
        """The images of the settings and those of ``state_dir/images.json`` as it is now; of two
        with the same id the file's wins. A file that is being written is read as if it were not there.
        """
        try:
            loaded = [Image.read(raw) for raw in json.loads((self.state_dir / "images.json").read_text())]
        except (OSError, ValueError, TypeError, SettingsError):
            loaded = []
        return tuple({image.id: image for image in (*self.images, *loaded)}.values())

    def flavor(self, ident: str) -> Flavor | None:
        """The flavor with this id."""
        return next((flavor for flavor in self.flavors if flavor.id == ident), None)

    def image(self, ident: str) -> Image | None:
        """The image with this id."""
        return next((image for image in self.all_images() if image.id == ident), None)


def load(path: Path) -> CloudSettings:
    """Read a settings file. Raises SettingsError when a field is missing, unknown or malformed."""
    try:
        raw = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    values = _fields(CloudSettings, raw, "settings")
    values["state_dir"] = Path(values["state_dir"])
    values["images"] = tuple(Image.read(image) for image in values.get("images") or ())
    values["flavors"] = (
        tuple(Flavor.read(flavor) for flavor in values.get("flavors") or ()) or DEFAULT_FLAVORS
    )
    values["quotas"] = Quotas(**_fields(Quotas, values.get("quotas") or {}, "quotas"))
    if len(values.get("network_prefix", "10.79").split(".")) != 2:
        raise SettingsError("network_prefix: the first two numbers of an IPv4 address, as 10.79")
    return CloudSettings(**values)


def _fields(kind: type[Any], raw: Any, what: str) -> dict[str, Any]:
    """The object's fields, checked against the dataclass's: none unknown, none missing."""
    if not isinstance(raw, dict):
        raise SettingsError(f"{what}: an object was expected")
    known = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(set(raw) - set(known)):
        raise SettingsError(f"{what}: unknown field {unknown[0]}")
    for name, field in known.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in raw:
            raise SettingsError(f"{what}: {name} is missing")
    return dict(raw)
