"""Packet sockets for the witnesses: questions to peers' kernels and processes, and their answers.

    decider -> targets -> one socket per link in use        frames -> on_answer(link, address, MAC, time)

No verdict is made here.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import Final

from roost.decide.effects import Target
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols import arp, ethernet, ndp
from roost.protocols import filter as filters
from roost.protocols.errors import PacketError
from roost.runtime.packet_socket import PacketSocket

__all__ = ["Probes"]

_log = logging.getLogger("roost.membership")

_HOSTS: Final = 4  # asked at once when this node has to prove its own link
_NEIGHBOURS: Final = Path("/proc/net/arp")
_COMPLETE: Final = 0x2  # ATF_COM: the neighbour's hardware address is known

OnAnswer = Callable[[int, IPAddress, bytes, float], None]


class Probes:
    """Asks targets; `on_answer(link, address, mac, at)` gets what comes back, during `drain`.

    Answers can wait for the next look: waking for each would be most of the cost.
    """

    def __init__(self, on_answer: OnAnswer) -> None:
        self.counters: Counter[str] = Counter()
        self._on_answer = on_answer
        self._links: Mapping[int, Link] = {}
        self._sockets: dict[int, PacketSocket] = {}
        self._targets: tuple[Target, ...] = ()

    def use(self, links: Sequence[Link]) -> None:
        """Ask on these links from now on. Raises CapabilityError."""
        before, self._links = self._links, {link.index: link for link in links}
        for index in [each for each in self._sockets if self._links.get(each) != before.get(each)]:
            self._sockets.pop(index).close()
        self._open()

    def listen(self, targets: Sequence[Target]) -> None:
        """Hear answers of exactly these. Raises CapabilityError."""
        self._targets = tuple(targets)
        self._open()

    def ask(self, target: Target) -> None:
        """Ask one target once."""
        link = self._links.get(target.link)
        if link is not None and target.link in self._sockets:
            self._send(link, target.address, target.mac)

    def ask_hosts(self, hosts: Iterable[tuple[IPAddress, bytes]]) -> None:
        """Ask some other hosts, (address, MAC of 6 bytes), and neighbours that the kernel knows."""
        own = {target.address for target in self._targets}
        for index, link in self._links.items():
            if index not in self._sockets:
                continue
            others = (host for host in (*_neighbours(link.name), *hosts) if host[0] not in own)
            asked = list(islice(others, _HOSTS))
            known = [target.address for target in self._targets if target.link == index]
            self._sockets[index].set_filter(filters.build([*known, *(address for address, _ in asked)]))
            for address, mac in asked:
                self.counters["lan_asked"] += 1
                self._send(link, address, mac)

    def drain(self) -> None:
        """Read the answers that are here."""
        for each in tuple(self._sockets.values()):
            each.drain()

    def close(self) -> None:
        """Ask and hear nothing more."""
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    def _open(self) -> None:
        used = {target.link for target in self._targets} & self._links.keys()
        for index in self._sockets.keys() - used:
            self._sockets.pop(index).close()
        for index in used:
            program = filters.build([each.address for each in self._targets if each.link == index])
            if index in self._sockets:
                self._sockets[index].set_filter(program)
                continue
            try:
                heard = partial(self._heard, index)
                self._sockets[index] = PacketSocket(self._links[index], program, heard, waking=False)
            except OSError as error:  # gone since netlink told of it; it will tell that too
                _log.debug("link %s cannot be probed on: %s", self._links[index].name, error)

    def _send(self, link: Link, address: IPAddress, mac: bytes) -> None:
        source = next((each.ip for each in link.addresses if isinstance(each.ip, IPv6Address)), None)
        if frame := _question(link.mac, source, address, mac):
            self._sockets[link.index].send(frame)

    def _heard(self, index: int, data: bytes) -> None:
        try:
            frame = ethernet.parse(data)
            address, mac = _answer(frame)
        except PacketError:
            return
        if frame.destination == self._links[index].mac and mac == frame.source:
            self._on_answer(index, address, mac, asyncio.get_running_loop().time())


@lru_cache(maxsize=256)
def _question(mac: bytes, source: IPv6Address | None, address: IPAddress, target: bytes) -> bytes | None:
    """Return the unicast frame that asks the host at `target` for its own `address`."""
    if isinstance(address, IPv4Address):
        return arp.probe(mac, address, target)
    return None if source is None else ndp.question(mac, source, address, target)


def _answer(frame: ethernet.Frame) -> tuple[IPAddress, bytes]:
    """Return which address is at which MAC according to an answer; raises PacketError for other frames."""
    if frame.ethertype == ethernet.ARP:
        packet = arp.parse(frame.payload)
        if packet.operation == arp.REPLY:
            return packet.sender, packet.sender_mac
    elif frame.ethertype == ethernet.IPV6:
        message = ndp.parse(frame.payload)
        if isinstance(message, ndp.Advertisement):
            return message.target, message.link_layer or frame.source
    raise PacketError("not an answer")


def _neighbours(interface: str) -> list[tuple[IPv4Address, bytes]]:
    """Return the IPv4 neighbours that the kernel knows on `interface`, gateways and clients among them."""
    try:
        lines = _NEIGHBOURS.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [
        (IPv4Address(address), bytes.fromhex(mac.replace(":", "")))
        for address, _, flags, mac, _, device in rows
        if device == interface and int(flags, 16) & _COMPLETE
    ]
