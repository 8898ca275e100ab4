"""This service: all that ``magnum_lite.wsgi`` makes is made, and its pecan application is served."""

from caller import as_member

from magnum_lite import wsgi
from magnum_lite.api.app import bare_application

whole = wsgi.application
application = as_member(bare_application(wsgi.deps))


def start_conductor():
    """A conductor's RPC server in this process, for a bus that does not leave it."""
    import oslo_messaging

    from magnum_lite import rpc
    from magnum_lite.conductor.endpoint import Endpoint
    from magnum_lite.conductor.wiring import make_ports

    target = oslo_messaging.Target(topic=rpc.TOPIC, server="bench")
    endpoints = [Endpoint(make_ports(wsgi.deps.conf), lambda: None)]
    server = oslo_messaging.get_rpc_server(
        rpc.transport(wsgi.deps.conf), target, endpoints, executor="threading"
    )
    server.start()
