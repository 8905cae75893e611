"""The service behind every address of a node: sends back each datagram, with the node's name, and TCP.

`python -m roost.lab.echo NODE PORT [tcp]`: TCP where that is said. Answers leave from the address that was
asked (RFC 3542 section 4).
"""

import selectors
import socket
import struct
import sys
from typing import Final

__all__ = ["main"]

_IP_PKTINFO: Final = 8
_IPV6_PKTINFO: Final = 50
_CONNECTIONS: Final = 1024  # at once


def main(node: str, port: int, *, connections: bool) -> None:
    """Serve until killed."""
    selector = selectors.DefaultSelector()
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - in a lab's namespace
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)  # noqa: FBT003 - the library's signature
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.bind((any_address, port))
        selector.register(sock, selectors.EVENT_READ, "datagrams")
        if connections:
            selector.register(_listening(family, any_address, port), selectors.EVENT_READ, "listening")
    name = node.encode()
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - registered above
            if key.data == "datagrams":
                _serve(key.fileobj, name)
            elif key.data == "listening":
                _accept(key.fileobj, selector)
            elif not _send_back(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def _listening(family: socket.AddressFamily, any_address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setblocking(False)  # noqa: FBT003 - the library's signature
    sock.bind((any_address, port))
    sock.listen(128)
    return sock


def _accept(listening: socket.socket, selector: selectors.BaseSelector) -> None:
    try:
        connection, _ = listening.accept()
    except OSError:
        return  # it has ended already
    if len(selector.get_map()) > _CONNECTIONS:
        connection.close()
        return
    connection.setblocking(False)  # noqa: FBT003 - the library's signature
    selector.register(connection, selectors.EVENT_READ, "connection")


def _send_back(connection: socket.socket) -> bool:
    """Send back what was said; tells whether the connection goes on."""
    try:
        if said := connection.recv(1024):
            connection.send(said)
        return bool(said)
    except BlockingIOError:
        return True  # the client reads nothing: what was said is lost, and nobody waits for it
    except OSError:
        return False


def _serve(sock: socket.socket, name: bytes) -> None:
    for _ in range(64):
        try:
            data, control, _flags, sender = sock.recvmsg(64, 128)
            sock.sendmsg([data[:8] + name], [_from_same(each) for each in control], 0, sender)
        except BlockingIOError:
            return
        except OSError:
            continue  # the address was taken away a moment ago, or the client is gone


def _from_same(control: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """Turn the note of where a datagram came to into the one of where its answer goes from."""
    level, _kind, data = control
    if level == socket.IPPROTO_IP:
        _index, _spec, address = struct.unpack("I4s4s", data)
        return level, _IP_PKTINFO, struct.pack("I4s4s", 0, address, bytes(4))
    return level, _IPV6_PKTINFO, data[:16] + struct.pack("I", 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), connections=sys.argv[3:] == ["tcp"])
