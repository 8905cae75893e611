"""A port of the loopback address that leads to a unix socket: browsers know no sockets, and no namespaces."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["relay"]


@contextlib.contextmanager
def relay(path: Path) -> Iterator[str]:
    """Give the address (http://127.0.0.1:PORT/) that leads to the socket at `path`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, path), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def _accept(listening: socket.socket, path: Path) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(path))
        except OSError:
            client.close()
            continue
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
