"""How API and node door speak to a conductor: ``cast`` to nudge, ``call`` for what needs a key.

Domain errors travel as data, so that no exception class is built from the wire. oslo.messaging is a third of
an API worker's memory and start, so it is imported by the first request that needs it; most only read.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

from oslo_log import log

from magnum_lite import errors
from magnum_lite.context import Context, current_request

LOG = log.getLogger(__name__)
RETRIES = 1
PATIENCE = 2.0  # seconds beyond a call's timeout, in which it should end by itself
MOST_CALLS = 32  # at once; those that a silent broker holds up count, too
_BUS = frozenset({"kombu", "amqp"})  # what oslo.messaging lets through
TOPIC = "magnum-lite-conductor"
NAMESPACE = "conductor"
VERSION = "1.0"
_ERRORS: dict[str, type[errors.MagnumLiteError]] = {
    c.code: c for c in (errors.Conflict, errors.Forbidden, errors.Unsupported)
}


def transport(conf: Any) -> Any:
    """The message bus of ``transport_url``; oslo.messaging insists on the global configuration."""
    import oslo_messaging

    return oslo_messaging.get_rpc_transport(conf)


def stop_taking(server: Any, patience: float) -> None:
    """Tell the broker that this RPC server takes no more calls, and wait up to ``patience`` seconds for it;
    what came before is still served. ``server.stop()`` comes after.

    oslo.messaging leaves it to the end of the connection. Until then the broker goes on sending, and while
    the connection is closed all of that is acknowledged and dropped: each call is lost. Only the thread that
    reads may use the connection, so it gets this as a task, as its own acknowledgements are.
    """
    reader = getattr(server.listener, "_poll_style_listener", None)
    tasks = getattr(reader, "_message_operations_handler", None)
    connection = getattr(getattr(reader, "conn", None), "connection", None)
    if tasks is None or connection is None:
        return  # a bus without a broker
    done = threading.Event()

    def cancel() -> None:
        # Else it reads no more, and never lets another green thread run.
        connection._consume_loop_stopped = False  # noqa: SLF001
        try:
            for consumer, tag in list(connection._consumers.items()):  # noqa: SLF001
                consumer.cancel(tag)
        except Exception:  # a broker that is away sends nothing
            LOG.info("could not tell the broker that no more calls are taken", exc_info=True)
        finally:
            done.set()

    tasks.do(cancel)
    connection.stop_consuming()  # a reader that waits for a message looks for tasks now
    done.wait(patience)


def failure(error: errors.MagnumLiteError) -> dict[str, Any]:
    """An error in the form that travels."""
    out: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, errors.InvalidInput):
        out["problems"] = [[p.field, p.message] for p in error.problems]
    elif isinstance(error, errors.NotFound):
        out |= {"kind": error.kind, "ident": error.ident}
    elif isinstance(error, errors.Unavailable):
        out |= {"service": error.service, "retry_after": error.retry_after}
    return {"error": out}


def _raise(found: dict[str, Any]) -> None:
    code = found.get("code")
    if code == errors.InvalidInput.code:
        raise errors.InvalidInput(*(errors.Problem(f, m) for f, m in found.get("problems", ())))
    if code == errors.NotFound.code:
        raise errors.NotFound(found.get("kind", "object"), found.get("ident", ""))
    if code == errors.Unavailable.code:
        raise errors.Unavailable(found["service"], retry_after=found.get("retry_after", 5))
    raise _ERRORS.get(str(code), errors.MagnumLiteError)(found.get("message", "The conductor failed."))


class _Nudges:
    """Nudges, sent by a thread of its own, all that wait as one: while the broker is away a caller must not
    wait for it, as what he wanted is in the database already.
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._latest = ""

    def want(self, cluster_uuid: str) -> None:
        """Returns at once."""
        self._latest = cluster_uuid
        self._wanted.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            self._send(self._latest)


class Conductors:
    """A client's view of all conductors. ``make_bus`` gives the transport, once, when first needed."""

    def __init__(self, make_bus: Callable[[], Any], *, timeout: int) -> None:
        self._make_bus = make_bus
        self._timeout = timeout
        self._lock = threading.Lock()
        self._made: Any = None
        self._room = threading.Semaphore(MOST_CALLS)
        self._nudges = _Nudges(self._cast_look)

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                import oslo_messaging

                target = oslo_messaging.Target(topic=TOPIC, namespace=NAMESPACE, version=VERSION)
                # retry: without a limit a call would wait for a broker that is away, not for its timeout.
                self._made = oslo_messaging.get_rpc_client(
                    self._make_bus(), target, timeout=self._timeout, retry=RETRIES
                )
            return self._made

    def look(self, cluster_uuid: str) -> None:
        """Nudge: something about this cluster changed. Losing it costs latency, never correctness."""
        self._nudges.want(cluster_uuid)

    def _cast_look(self, cluster_uuid: str) -> None:
        try:
            self._client.cast({}, "look", cluster_uuid=cluster_uuid)
        except Exception:  # whatever it is, conductors look by themselves, too
            LOG.info("no nudge cluster=%s", cluster_uuid, exc_info=True)

    def sign(self, context: Context, cluster_uuid: str, csr: str, ttl: int | None) -> str:
        """A client certificate, PEM. ``ttl`` in seconds, None: the operator's default."""
        return str(self._call("sign", context=context.to_wire(), cluster_uuid=cluster_uuid, csr=csr, ttl=ttl))

    def plan(self, cluster: dict[str, Any], groups: list[dict[str, Any]], action: str) -> dict[str, Any]:
        """What a change would do (see ``conductor.plan``); rows in a form that JSON can hold."""
        return dict(self._call("plan", cluster=cluster, groups=groups, action=action))

    def enrol(self, request: dict[str, Any]) -> dict[str, Any]:
        """A node's enrolment (or renewal, when ``signed_by`` says whose key signed it)."""
        return dict(self._call("enrol", request=request))

    def keep_join_tokens(self, node_id: str, tokens: dict[str, str]) -> None:
        """A manager's Swarm join tokens, to be sealed."""
        self._call("keep_join_tokens", node_id=node_id, tokens=tokens)

    def join_token(self, node_id: str) -> str | None:
        """The join token that this node may have."""
        return self._call("join_token", node_id=node_id)

    def _call(self, method: str, **arguments: Any) -> Any:
        answer = self._in_time(method, arguments)
        if "error" in answer:
            _raise(answer["error"])
        return answer["result"]

    def _in_time(self, method: str, arguments: dict[str, Any]) -> Any:
        """A call in a thread of its own: a broker that is there and says nothing holds up what oslo.messaging
        sends, beyond every timeout of its own. Raises Unavailable.
        """
        client, about = self._client, {"request_id": current_request()}
        found: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                found.put((client.call(about, method, **arguments), None))
            except Exception as error:  # noqa: BLE001  the caller raises it
                found.put((None, error))
            finally:
                self._room.release()

        if not self._room.acquire(timeout=self._timeout):
            raise errors.Unavailable("conductor")
        threading.Thread(target=work, name=f"call {method}", daemon=True).start()
        try:
            answer, error = found.get(timeout=self._timeout + PATIENCE)
        except queue.Empty:
            raise errors.Unavailable("conductor") from None
        if error is None:
            return answer
        from oslo_messaging import MessagingException

        if (
            isinstance(error, MessagingException | OSError)
            or type(error).__module__.partition(".")[0] in _BUS
        ):
            raise errors.Unavailable("conductor") from error
        # a built-in one, remade from the wire: its text is not for callers
        raise errors.MagnumLiteError("The conductor failed; its log says more.") from error
