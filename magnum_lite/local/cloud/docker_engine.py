"""Nodes as systemd system containers on a dockerd, over the Docker SDK; ``node_flags`` has what they
are run with.
"""

import io
import logging
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.types import IPAMConfig, IPAMPool

from magnum_lite.local.cloud import docker_balancers, node_flags
from magnum_lite.local.cloud.engine import (
    CLOUD_LABEL,
    PROJECT_LABEL,
    SERVER_LABEL,
    SUBNET_LABEL,
    AddressConflict,
    BalancerSpec,
    EngineAway,
    EngineError,
    Link,
    NodeSpec,
)

LOG = logging.getLogger(__name__)

_INIT_LOG = "/var/log/cloud-init-output.log"
_LOG_LIMIT = 1 << 20


def container(server_id: str) -> str:
    """The name of a server's container."""
    return f"srv-{server_id}"


def network(subnet_id: str) -> str:
    """The name of a subnet's network."""
    return f"sub-{subnet_id}"


class DockerEngine:
    """The dockerd behind a unix socket. ``cloud_id`` marks what belongs to this cloud."""

    def __init__(self, socket: str, cloud_id: str) -> None:
        self._cloud = cloud_id
        self._url = f"unix://{socket}"
        self._client: Any = None
        self._making = threading.Lock()
        self._closed = threading.Event()
        self._stream: Any = None

    @contextmanager
    def _api(self) -> Iterator[Any]:
        """The SDK's low-level client; its errors as the port's."""
        try:
            with self._making:
                if self._client is None:
                    # asks for the API version, so this waits for a dockerd that is still starting
                    self._client = docker.APIClient(base_url=self._url, version="auto", timeout=120)
            yield self._client
        except NotFound:
            raise
        except APIError as error:
            raise EngineError(str(error.explanation or error)) from error
        except (requests.exceptions.RequestException, DockerException, OSError) as error:
            raise EngineAway(f"dockerd does not answer: {error}") from error

    def alive(self) -> bool:
        """Whether the engine answers."""
        try:
            with self._api() as api:
                return bool(api.ping())
        except EngineError:
            return False

    def ensure_network(self, subnet_id: str, project_id: str, cidr: str, gateway: str) -> None:
        """Make the subnet's bridge network unless it is there. Raises AddressConflict."""
        name = network(subnet_id)
        with self._api() as api:
            try:
                api.inspect_network(name)
            except NotFound:
                pass
            else:
                return
            options = {"com.docker.network.bridge.name": f"mgl{subnet_id[:11]}"}
            if tuple(int(part) for part in api.api_version.split(".")) >= (1, 48):
                # Docker 28 drops what is routed to a container's own address unless told otherwise
                options["com.docker.network.bridge.gateway_mode_ipv4"] = "nat-unprotected"
            try:
                api.create_network(
                    name,
                    driver="bridge",
                    ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=cidr, gateway=gateway)]),
                    options=options,
                    labels={PROJECT_LABEL: project_id, SUBNET_LABEL: subnet_id, CLOUD_LABEL: self._cloud},
                )
            except APIError as error:
                if "overlap" in str(error):
                    raise AddressConflict(str(error.explanation)) from error
                raise

    def remove_network(self, subnet_id: str) -> None:
        """Remove the subnet's network; none is fine."""
        with self._api() as api:
            try:
                api.remove_network(network(subnet_id))
            except NotFound:
                LOG.debug("network of subnet=%s was gone", subnet_id)

    def run(self, spec: NodeSpec) -> None:
        """Create and start a node. One that runs already is left alone, a half-made one is made again."""
        state = self.state(spec.server_id)
        if state in {"running", "paused", "restarting"}:
            return
        if state is not None:
            self.remove(spec.server_id)
        with self._api() as api, _missing_as_error():
            first, *others = spec.links
            old = tuple(int(part) for part in api.api_version.split(".")) < (1, 44)
            created = api.create_container(
                spec.image,
                name=container(spec.server_id),
                hostname=spec.hostname,
                host_config=node_flags.host_config(api, spec, network(spec.links[0].subnet_id)),
                # volumes of their own: an overlay can not lie on an overlay
                volumes=["/var/lib/docker", "/var/lib/containerd"],
                stop_signal="SIGRTMIN+3",
                labels={
                    SERVER_LABEL: spec.server_id,
                    PROJECT_LABEL: spec.project_id,
                    CLOUD_LABEL: self._cloud,
                },
                networking_config={
                    "EndpointsConfig": {network(first.subnet_id): node_flags.endpoint(api, first)}
                },
                **({"mac_address": first.mac} if old else {}),
            )
            for link in others:
                self._plug(api, spec.server_id, link)
            api.put_archive(created["Id"], "/", node_flags.archive(spec.files))
            api.start(created["Id"])

    def remove(self, server_id: str) -> None:
        """Kill a node and remove it with its own volumes; none is fine."""
        with self._api() as api:
            try:
                api.remove_container(container(server_id), force=True, v=True)
            except NotFound:
                LOG.debug("container of server=%s was gone", server_id)

    def states(self) -> dict[str, str]:
        """Server id to state of this cloud's nodes."""
        with self._api() as api:
            found = api.containers(all=True, filters={"label": f"{CLOUD_LABEL}={self._cloud}"})
        return {one["Labels"][SERVER_LABEL]: one["State"] for one in found if SERVER_LABEL in one["Labels"]}

    def state(self, server_id: str) -> str | None:
        """The state of one node, None when there is none."""
        with self._api() as api:
            try:
                return str(api.inspect_container(container(server_id))["State"]["Status"])
            except NotFound:
                return None

    def act(self, server_id: str, action: str) -> None:
        """start, stop, restart, kill (then start again), pause or unpause a node. Blocks until done."""
        name = container(server_id)
        with self._api() as api, _missing_as_error():
            if action in {"stop", "restart"}:
                getattr(api, action)(name, timeout=30)
            elif action == "kill":
                api.restart(name, timeout=0)
            else:
                {"start": api.start, "pause": api.pause, "unpause": api.unpause}[action](name)

    def connect(self, server_id: str, link: Link) -> None:
        """Plug a node into a network."""
        with self._api() as api, _missing_as_error():
            self._plug(api, server_id, link)

    def _plug(self, api: Any, server_id: str, link: Link) -> None:
        api.connect_container_to_network(
            container(server_id), network(link.subnet_id), ipv4_address=link.address, mac_address=link.mac
        )

    def disconnect(self, server_id: str, subnet_id: str) -> None:
        """Unplug a node; one that is not plugged in is fine."""
        with self._api() as api:
            try:
                api.disconnect_container_from_network(container(server_id), network(subnet_id), force=True)
            except NotFound:
                return
            except APIError as error:
                if "is not connected" not in str(error):
                    raise

    def console(self, server_id: str) -> str:
        """What PID 1 has printed and what cloud-init has logged, also of a node that stands still."""
        with self._api() as api:
            try:
                printed = api.logs(container(server_id), tail=2000).decode(errors="replace")
            except NotFound:
                return ""
            try:
                chunks, _ = api.get_archive(container(server_id), _INIT_LOG)
                with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                    member = archive.next()
                    content = archive.extractfile(member) if member else None
                    logged = content.read()[-_LOG_LIMIT:].decode(errors="replace") if content else ""
            except NotFound:
                logged = ""
        return str(printed) + logged

    def execute(self, server_id: str, command: tuple[str, ...]) -> tuple[int, str]:
        """Run a command in a running node: its exit code and output."""
        with self._api() as api, _missing_as_error():
            job = api.exec_create(container(server_id), list(command))
            output = api.exec_start(job).decode(errors="replace")
            return int(api.exec_inspect(job)["ExitCode"]), output

    def balance(self, spec: BalancerSpec) -> None:
        """Run a load balancer. One that runs is left alone, any other one is made again."""
        with self._api() as api, _missing_as_error():
            docker_balancers.run(api, spec, network(spec.link.subnet_id), self._cloud)

    def unbalance(self, balancer_id: str) -> None:
        """Remove a load balancer; none is fine."""
        with self._api() as api:
            docker_balancers.remove(api, balancer_id)

    def balancers(self) -> dict[str, str]:
        """Id to state of this cloud's load balancers."""
        with self._api() as api:
            return docker_balancers.states(api, self._cloud)

    def watch(self, started: Callable[[str], None], back: Callable[[], None]) -> None:
        """Report starts of nodes, and the engine's return, until ``close``."""
        wanted = {"type": "container", "event": "start", "label": f"{CLOUD_LABEL}={self._cloud}"}
        while not self._closed.is_set():
            try:
                with self._api() as api:
                    self._stream = api.events(decode=True, filters=wanted)
                    back()
                    for event in self._stream:
                        if server := event["Actor"]["Attributes"].get(SERVER_LABEL):
                            started(server)
            except EngineError as error:
                LOG.warning("engine is away: %s", error)
            self._closed.wait(1)

    def close(self) -> None:
        """End ``watch``."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()


@contextmanager
def _missing_as_error() -> Iterator[None]:
    """No such image, network or container is an error like the others here."""
    try:
        yield
    except NotFound as error:
        raise EngineError(str(error.explanation or error)) from error
