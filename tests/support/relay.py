"""Ways for TCP connections to another address, also out of a network namespace."""

import contextlib
import ctypes
import socket
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000


def relay(address, target):
    """Connections to ``address`` go on to ``target``, as long as this process lives; the port there."""
    listener = socket.create_server(address)
    threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
    return listener.getsockname()[1]


@contextlib.contextmanager
def relay_inside(namespace, address):
    """Connections to ``address``, ``(host, port)``, from within a network namespace (its file) end outside of it."""
    made = []

    def listen():  # in a thread of its own, as it never comes back
        with Path(namespace).open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                return
        made.append(socket.create_server(address))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    (listener,) = made
    with listener:
        threading.Thread(target=_accept, args=(listener, address), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener, target):
    with contextlib.suppress(OSError):  # it is closed
        while True:
            near, _ = listener.accept()
            try:
                far = socket.create_connection(target)
            except OSError:
                near.close()
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pass, args=pair, daemon=True).start()


def _pass(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
