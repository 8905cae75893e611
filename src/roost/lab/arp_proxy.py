"""A fabric that answers ARP for the dead: switches that suppress ARP do, from tables that nobody cleared.

`python -m roost.lab.arp_proxy PORT=ADDRESS=MAC...` runs in the switch's namespace until stdin is closed;
there it is told "down PORT" and "up PORT". It answers requests, broadcast and unicast, for the address of a
host whose port is down, with the host's real MAC.
"""

import selectors
import socket
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address

from roost.lab.arp_tap import tap
from roost.protocols import arp, ethernet
from roost.protocols.errors import PacketError

__all__ = ["Known", "answer", "main"]


@dataclass(frozen=True, slots=True)
class Known:
    """What the fabric remembers of a host: its port, and its hardware address (6 bytes)."""

    port: str
    mac: bytes


def answer(frame: bytes, known: dict[IPv4Address, Known]) -> tuple[Known, bytes] | None:
    """Return whom an ARP request is about and the frame that answers it, None for anything else. Pure."""
    try:
        packet = arp.parse(ethernet.parse(frame).payload)
    except PacketError:
        return None
    host = known.get(packet.target)
    if packet.operation != arp.REQUEST or host is None or packet.sender == packet.target:
        return None
    reply = arp.Arp(arp.REPLY, host.mac, packet.target, packet.sender_mac, packet.sender)
    return host, ethernet.build(packet.sender_mac, host.mac, ethernet.ARP, reply.encode())


def main(hosts: list[str]) -> None:
    """Answer until stdin is closed."""
    down: set[str] = set()
    known: dict[IPv4Address, Known] = {}
    selector = selectors.DefaultSelector()
    for host in hosts:
        port, address, mac = host.split("=")
        known[IPv4Address(address)] = Known(port, bytes.fromhex(mac.replace(":", "")))
        selector.register(tap(port), selectors.EVENT_READ, port)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if isinstance(key.fileobj, socket.socket):
                _serve(key.fileobj, key.data, known, down)
                continue
            word, _, port = sys.stdin.readline().strip().partition(" ")
            if not word:
                return
            (down.add if word == "down" else down.discard)(port)


def _serve(sock: socket.socket, port: str, known: dict[IPv4Address, Known], down: set[str]) -> None:
    found = answer(sock.recv(256), known)
    if found is None or port in down:
        return
    host, reply = found
    if host.port in down:
        sock.send(reply)


if __name__ == "__main__":
    main(sys.argv[1:])
