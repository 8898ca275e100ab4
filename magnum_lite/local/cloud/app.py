"""The WSGI application: version documents for everybody, then keystonemiddleware, then the views.

Whatever goes wrong is answered in the API's own form of error; a traceback goes to the log only.
"""

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from webob import Request, Response

from magnum_lite.local.cloud import (
    compute,
    compute_attachments,
    compute_extras,
    discovery,
    faults,
    guard,
    image,
    load_balancer,
    network,
    routing,
    unanswered,
    volume,
)
from magnum_lite.local.cloud.balanced import Balanced
from magnum_lite.local.cloud.balancers import Balancers
from magnum_lite.local.cloud.call import Call
from magnum_lite.local.cloud.engine import Engine, EngineAway, EngineError
from magnum_lite.local.cloud.faults import Fault
from magnum_lite.local.cloud.floating import FloatingAddresses
from magnum_lite.local.cloud.host import Host, HostError
from magnum_lite.local.cloud.keypairs import KeyPairs
from magnum_lite.local.cloud.locking import KeyedLocks
from magnum_lite.local.cloud.networks import Networks
from magnum_lite.local.cloud.ports import Ports
from magnum_lite.local.cloud.quotas import Quota
from magnum_lite.local.cloud.routers import Routers
from magnum_lite.local.cloud.security import SecurityGroups
from magnum_lite.local.cloud.servers import Servers
from magnum_lite.local.cloud.settings import CloudSettings
from magnum_lite.local.cloud.stamps import new_id
from magnum_lite.local.cloud.store import Store
from magnum_lite.local.cloud.volumes import Volumes

LOG = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

_ROUTERS = {
    "compute": (compute.ROUTER, compute_attachments.ROUTER, compute_extras.ROUTER),
    "image": (image.ROUTER,),
    "load-balancer": (load_balancer.ROUTER,),
    "network": (network.ROUTER,),
    "volume": (volume.ROUTER,),
}


@dataclasses.dataclass(frozen=True)
class Cloud:
    """The parts of one local cloud, wired up."""

    settings: CloudSettings
    store: Store
    engine: Engine
    quota: Quota
    keypairs: KeyPairs
    groups: SecurityGroups
    networks: Networks
    ports: Ports
    routers: Routers
    floating: FloatingAddresses
    volumes: Volumes
    servers: Servers
    balancers: Balancers
    balanced: Balanced
    lost: Mapping[str, list[str]]

    def restore(self, *, resume: bool) -> None:
        """Make what the records say true again: networks, rules, devices; with ``resume`` also the
        tasks that a kill has cut off. Each part is tried, whatever becomes of the others.
        """
        self._try("networks", self.networks.restore)
        self._try("floating addresses", functools.partial(self.floating.publish, again=True))
        self._try("load balancers", self.balancers.restore)
        self._try("volumes", self.volumes.restore)
        for server in self.store.list("server"):
            if server["attachments"]:
                self._try("devices", functools.partial(self.volumes.remake, server["id"]))
        if resume:
            self._try("tasks", self.servers.resume)
            unanswered.take_back(self, self.lost)

    @staticmethod
    def _try(what: str, repair: Callable[[], None]) -> None:
        try:
            repair()
        except (Fault, EngineError, HostError) as error:
            LOG.warning("could not restore %s: %s", what, error)


def build(settings: CloudSettings, store: Store, engine: Engine, host: Host) -> Cloud:
    """Wire up a cloud."""
    locks = KeyedLocks()
    quota = Quota(settings, store)
    groups = SecurityGroups(store)
    ports = Ports(store, groups)
    routers = Routers(store, ports)
    floating = FloatingAddresses(settings.network_prefix, store, host, quota, routers)
    volumes = Volumes(settings.state_dir / "volumes", store, engine, host, quota, locks)
    balancers = Balancers(settings, store, engine, ports, quota, locks, floating.publish)
    return Cloud(
        settings=settings,
        store=store,
        engine=engine,
        quota=quota,
        keypairs=KeyPairs(store),
        groups=groups,
        networks=Networks(settings, store, engine, quota),
        ports=ports,
        routers=routers,
        floating=floating,
        volumes=volumes,
        servers=Servers(settings, store, engine, ports, volumes, locks, floating.publish),
        balancers=balancers,
        balanced=Balanced(store, balancers),
        lost=unanswered.lost(store),
    )


def application(cloud: Cloud) -> Wsgi:
    """The whole pipeline of a cloud, with Keystone in front."""
    serve = guard.guarded(views(cloud), cloud.settings, _ROUTERS)
    return logged(discovery.front(serve, cloud.engine.alive))


def views(cloud: Cloud) -> Wsgi:
    """The views alone. Identity headers are believed: nothing but auth_token may stand in front."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        api = str(request.path_info).split("/")[1] if "/" in str(request.path_info) else ""
        sent: list[Callable[[], None]] = []
        status, body = _answer(cloud, request, api, sent)
        response = Response(status=status)
        if body is None:
            response.content_type = None
        else:
            response.content_type = "application/json"
            response.body = json.dumps(body).encode()
        response.headers["X-Openstack-Request-Id"] = f"req-{new_id()}"
        response.headers.update(discovery.version_headers(request, api))
        return _Sent(response(environ, start_response), sent)

    return serve


class _Sent:
    """A response's body which tells when the server has written it."""

    def __init__(self, body: Iterable[bytes], then: list[Callable[[], None]]) -> None:
        self._body = body
        self._then = then

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """WSGI servers call this once the body has gone out (PEP 3333)."""
        for settle in self._then:
            settle()


def _answer(cloud: Cloud, request: Any, api: str, sent: list[Callable[[], None]]) -> tuple[int, Any]:
    roles = {role.strip().lower() for role in request.headers.get("X-Roles", "").split(",")}
    project, user = request.headers.get("X-Project-Id"), request.headers.get("X-User-Id")
    if not project or not user:
        return 403, faults.body(
            Fault(403, "A token scoped to a project is needed.", "PolicyNotAuthorized"), api
        )
    try:
        discovery.check_microversion(request)
        call = Call(request, cloud, project, user, "admin" in roles, sent)
        return routing.dispatch(_ROUTERS.get(api, ()), call)
    except Fault as fault:
        failure = fault
    except EngineAway as error:
        failure = Fault(503, f"The container engine does not answer, try again: {error}")
    except (EngineError, HostError) as error:
        LOG.warning("method=%s path=%s: %s", request.method, request.path_info, error)
        failure = Fault(500, f"The machine refused: {error}")
    except Exception:
        LOG.exception("method=%s path=%s", request.method, request.path_info)
        failure = Fault(500, "Unexpected error of the local cloud, see its log.")
    return failure.status, faults.body(failure, api)


def logged(application_: Wsgi) -> Wsgi:
    """A line in the log per request, without headers and bodies."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began = time.monotonic()

        def start(status: str, headers: Any, *rest: Any) -> Any:
            LOG.info(
                "method=%s path=%s status=%s ms=%d",
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ.get("QUERY_STRING") else ""),
                status.split(" ", 1)[0],
                (time.monotonic() - began) * 1000,
            )
            return start_response(status, headers, *rest)

        return application_(environ, start)

    return serve
