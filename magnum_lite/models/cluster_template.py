"""A cluster template (2016: baymodel): what a cluster is made from."""

import ipaddress
import re
from typing import Annotated, Literal, Self

import pydantic

from magnum_lite.models import fields as f
from magnum_lite.models import wire
from magnum_lite.models.fields import Access, field

_URL = r"https?://[^\s'\"`$\\<>]+"


def _coe(value: object) -> object:
    return "swarm" if value == "swarm-mode" else value


def _dns(value: str) -> str:
    for part in value.split(","):
        try:
            ipaddress.ip_address(part.strip())
        except ValueError:
            raise ValueError(
                f"{part.strip()!r} is not an IP address; give one, or several with commas"
            ) from None
    return value


def _proxy(value: str) -> str:
    if value and not re.fullmatch(_URL, value):
        raise ValueError("must be a URL that begins with http:// or https://")
    return value


Coe = Annotated[
    Literal["swarm", "kubernetes"],
    pydantic.BeforeValidator(_coe),
    wire.Taken((), {"enum": ["swarm", "kubernetes", "swarm-mode"]}),
]
Dns = Annotated[f.Text, pydantic.AfterValidator(_dns)]
Proxy = Annotated[f.Text, pydantic.AfterValidator(_proxy), wire.Taken((), {"pattern": rf"^({_URL})?$"})]


class ClusterTemplate(f.Resource):
    """The one declaration of a cluster template."""

    uuid: f.Uuid = field(doc="Identifier.", access=Access.CREATE, summary=True)
    name: f.Ident = field(doc="Name; generated if absent.", summary=True)
    coe: Coe = field(doc="Engine: swarm or kubernetes.", summary=True, removable=False)
    image_id: f.Ident = field(
        doc="Glance image, name or uuid, with os_distro.", summary=True, removable=False
    )
    flavor_id: f.Ident | None = field(None, doc="Nova flavor of workers.", summary=True)
    master_flavor_id: f.Ident | None = field(None, doc="Nova flavor of masters.", summary=True)
    keypair_id: f.Ident | None = field(
        None, doc="Nova key pair, of the user who creates a cluster.", summary=True
    )
    external_network_id: f.Ident | None = field(
        None, doc="Network with the way out.", summary=True, removable=False
    )
    fixed_network: f.Ident | None = field(None, doc="Existing network for the nodes.", summary=True)
    fixed_subnet: f.Ident | None = field(None, doc="Existing subnet for the nodes.", summary=True)
    network_driver: f.Ident | None = field(None, doc="Container network.", summary=True, removable=False)
    volume_driver: Literal["cinder", "rexray"] | None = field(None, doc="Container volumes.", summary=True)
    dns_nameserver: Dns | None = field("8.8.8.8", doc="One DNS server, or several with commas.", summary=True)
    apiserver_port: f.Port | None = field(None, doc="Port of the engine's API.", summary=True)
    docker_volume_size: f.GiB | None = field(
        None, doc="Cinder volume for /var/lib/docker, GiB.", summary=True
    )
    docker_storage_driver: f.Ident | None = field(None, doc="Storage driver of Docker.", summary=True)
    http_proxy: Proxy | None = field(None, doc="Proxy of the nodes.", summary=True)
    https_proxy: Proxy | None = field(None, doc="Proxy of the nodes.", summary=True)
    no_proxy: f.LongText | None = field(None, doc="Hosts without proxy, with commas.", summary=True)
    labels: f.Labels = field({}, doc="See GET /v1/labels.", summary=True)
    registry_enabled: f.Boolean = field(
        False, doc="A registry in the cluster.", summary=True, removable=False
    )
    insecure_registry: f.Text | None = field(None, doc="Registry to be used without TLS.", summary=True)
    tls_disabled: f.Boolean = field(False, doc="An engine API without TLS.", summary=True, removable=False)
    public: f.Boolean = field(False, doc="Every project may use it.", summary=True, removable=False)
    hidden: f.Boolean = field(False, doc="Not for new clusters.", summary=True, removable=False)
    server_type: Literal["vm", "bm"] = field("vm", doc="vm or bm.", summary=True, removable=False)
    master_lb_enabled: f.Boolean = field(False, doc="Load balancer before the masters.", summary=True)
    floating_ip_enabled: f.Boolean = field(True, doc="Floating IPs for the nodes.", summary=True)
    tags: f.Text | None = field(None, doc="Free text tags, with commas.", summary=True)
    driver: f.Text | None = field(None, doc="Driver by name, where there are several.", summary=True)
    cluster_distro: f.Text | None = field(
        None, doc="os_distro of the image.", access=Access.READ, summary=True, removable=False
    )
    project_id: f.Text = field("", doc="Owner.", access=Access.READ, summary=True)
    user_id: f.Text = field("", doc="Creator.", access=Access.READ, summary=True)
    created_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)
    updated_at: f.Timestamp | None = field(None, doc="UTC.", access=Access.READ, summary=True)

    @pydantic.model_validator(mode="after")
    def _storage(self) -> Self:
        small = self.docker_volume_size is not None and self.docker_volume_size < 3
        if self.docker_storage_driver == "devicemapper" and small:
            raise ValueError("docker_volume_size: devicemapper needs 3 GiB or more")
        return self
