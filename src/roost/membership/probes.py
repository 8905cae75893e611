"""Packet sockets for the witnesses: questions to peers' kernels and processes, and their answers.

    decider -> targets -> one socket per link in use        frames -> on_answer

No verdict is made here.
"""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from roost.decide.effects import Target
from roost.decide.witnessing.targets import in_turn
from roost.membership.promptness import Promptness
from roost.model.address import IPAddress
from roost.model.link import Link
from roost.observe.round_trips import RoundTrip, RoundTrips
from roost.protocols import arp, ethernet, icmp, ndp
from roost.protocols import filter as filters
from roost.protocols.bounded import remember
from roost.protocols.errors import PacketError
from roost.protocols.witness.voice import ProbeKind
from roost.runtime.packet_socket import PacketSocket, Tap

__all__ = ["Probes"]

_log = logging.getLogger("roost.membership")

_NEIGHBOURS: Final = Path("/proc/net/arp")
_ECHO_REPLY6: Final = b"\x81"
_COMPLETE: Final = 0x2  # ATF_COM: the neighbour's hardware address is known

_PROMPT: Final = 1  # milliseconds that answers are waited for
_REMEMBERED: Final = 1024  # answers
_IPV4: Final = ethernet.IPV4.to_bytes(2, "big")

_Question = tuple[int, IPAddress, ProbeKind]  # the link, whom, how
_Answer = tuple[ProbeKind, IPAddress, bytes]  # how, who, its hardware address
_Key = tuple[int, ProbeKind]  # a question on a link, with the address as a number: it is looked for often
OnAnswer = Callable[[int, IPAddress, bytes, ProbeKind, float], None]


class Probes:
    """Asks targets; `on_answer(link, address, mac, kind, at)` gets what comes back, during `drain`.

    Answers can wait for the next look: waking for each would be most of the cost. On a LAN most are there
    within a fraction of a millisecond: `await_answers` reads them, which spares a wake to look for what is
    missing. `tap` sees answers and questions.
    """

    def __init__(self, on_answer: OnAnswer, tap: Tap | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self._on_answer = on_answer
        self._tap = tap
        self._links: Mapping[int, Link] = {}
        self._sockets: dict[int, PacketSocket] = {}
        self._targets: tuple[Target, ...] = ()
        self._turn = 0
        self._own: frozenset[IPAddress] = frozenset()
        self._identifier = secrets.randbelow(icmp.IDENTIFIERS)  # of echo requests
        self._trips: RoundTrips[_Question] | None = None
        self._prompt: dict[int, Promptness[_Key]] = {}  # by link
        self._known: dict[bytes, _Answer] = {}  # frames that were read before
        self._frames: dict[tuple[str, bool, ProbeKind], tuple[bytes, _Key] | None] = {}  # of the targets

    def use(self, links: Sequence[Link]) -> None:
        """Ask on these links from now on. Raises CapabilityError."""
        before, self._links = self._links, {link.index: link for link in links}
        self._frames.clear()
        for index in [each for each in self._sockets if self._links.get(each) != before.get(each)]:
            self._close(index)
        self._open()

    def listen(self, targets: Sequence[Target]) -> None:
        """Hear answers of exactly these. Raises CapabilityError."""
        self._targets = tuple(targets)
        self._frames.clear()
        self._prompt = {index: Promptness() for index in self._sockets}
        self._own = frozenset(target.address for target in targets)
        self._open()

    def measure(self, *, on: bool) -> None:
        """Measure round trips from now on, or no more; nothing is asked for that."""
        self._trips = RoundTrips() if on else None
        for each in self._sockets.values():
            each.stamp(on=on)

    def round_trips(self) -> Mapping[str, Mapping[ProbeKind, RoundTrip]]:
        """Return those of the peers' hosts while they are measured, by peer and kind of question."""
        if self._trips is None:
            return {}
        names = {(each.link, each.address): each.name for each in self._targets if not each.process}
        self._trips.keep(frozenset((*where, kind) for where in names for kind in ProbeKind))
        found: dict[str, dict[ProbeKind, RoundTrip]] = {}
        for (link, address, kind), trip in self._trips.look(time.time()):
            found.setdefault(names[link, address], {})[kind] = trip
        return found

    def ask(self, target: Target, kind: ProbeKind) -> None:
        """Ask one of the targets once."""
        each = self._sockets.get(target.link)
        if each is None:
            return
        name = (target.name, target.process, kind)
        if name not in self._frames:
            self._frames[name] = self._made(target, kind)
        if (made := self._frames[name]) is None:
            return
        frame, key = made
        if self._trips is not None:
            self._trips.asked((target.link, target.address, kind), time.time())
        each.send(frame)
        if not target.process:
            self._prompt[target.link].asked(key)

    def ask_hosts(self, hosts: Iterable[tuple[IPAddress, bytes]], kind: ProbeKind, count: int) -> None:
        """Ask up to `count` other hosts, (address, MAC of 6 bytes), or neighbours that the kernel knows."""
        self._turn += 1
        for index, link in self._links.items():
            if index not in self._sockets and not self._open_on(index):  # where no target is left
                continue
            known_hosts = dict.fromkeys((*hosts, *_neighbours(link.name)))
            others = [host for host in known_hosts if host[0] not in self._own]
            asked = in_turn(others, count, self._turn)
            if kind is ProbeKind.ARP:
                self._sockets[index].set_filter(self._filter(index, [address for address, _ in asked]))
            for address, mac in asked:
                self.counters["lan_asked"] += 1
                if frame := self._question(link, address, mac, kind):
                    self._sockets[index].send(frame)

    def drain(self) -> None:
        """Read the answers that are here."""
        for each in [*self._sockets.values()]:
            each.drain()

    def await_answers(self) -> None:
        """Read the answers to what was just asked; those of hosts, where they come within a millisecond."""
        for index, prompt in self._prompt.items():
            if not prompt.open:
                continue
            each = self._sockets[index]
            while prompt.open and each.take():
                pass
            if prompt.wanted():
                until = time.monotonic() + _PROMPT / 1e3
                while prompt.open and each.wait(_PROMPT) and each.take() and time.monotonic() < until:
                    pass
            prompt.end()

    def close(self) -> None:
        """Ask and hear nothing more."""
        for index in tuple(self._sockets):
            self._close(index)

    def _close(self, index: int) -> None:
        self._sockets.pop(index).close()
        del self._prompt[index]

    def _made(self, target: Target, kind: ProbeKind) -> tuple[bytes, _Key] | None:
        """Return the frame of a question; None where it cannot be asked."""
        link = self._links.get(target.link)
        if link is None:
            return None
        frame = self._question(link, target.address, target.mac, kind, anonymous=target.process)
        return (frame, (int(target.address), kind)) if frame else None

    def _open(self) -> None:
        used = {target.link for target in self._targets} & self._links.keys()
        for index in self._sockets.keys() - used:
            self._close(index)
        for index in used:
            if index in self._sockets:
                self._sockets[index].set_filter(self._filter(index))
            else:
                self._open_on(index)

    def _open_on(self, index: int) -> bool:
        """Open a link; tells whether that worked."""
        link = self._links[index]
        try:
            heard = partial(self._heard, index)
            opened = PacketSocket(link, self._filter(index), heard, waking=False, tap=self._tap)
        except OSError as error:  # gone since netlink told of it; it will tell that too
            _log.debug("link %s cannot be probed on: %s", link.name, error)
            return False
        self._sockets[index], self._prompt[index] = opened, Promptness()
        if self._trips is not None:
            opened.stamp(on=True)
        return True

    def _filter(self, index: int, others: Iterable[IPAddress] = ()) -> list[filters.Instruction]:
        """Return what passes answers of the targets on a link, and of `others` there."""
        asked = (target.address for target in self._targets if target.link == index)
        return filters.build([*asked, *others], echo=self._identifier)

    def _question(
        self, link: Link, address: IPAddress, mac: bytes, kind: ProbeKind, *, anonymous: bool = False
    ) -> bytes | None:
        """Return the frame that asks for an address of the host at `mac`; None where that cannot be."""
        own = [each for each in link.addresses if each.version == address.version]
        source = next((each.ip for each in own if address in each.network), own[0].ip if own else None)
        own_ip = None if anonymous and isinstance(address, IPv4Address) else source
        return _question(kind, link.mac, own_ip, address, mac, identifier=self._identifier)

    def _heard(self, index: int, data: bytes) -> None:
        answer = self._read(data)
        if answer is None or data[:6] != self._links[index].mac:
            return
        kind, address, mac = answer
        if self._trips is not None and (arrived := self._sockets[index].arrived) is not None:
            self._trips.answered((index, address, kind), arrived)
        self._prompt[index].answered((int(address), kind))
        self._on_answer(index, address, mac, kind, time.monotonic())  # what the event loop counts by, too

    def _read(self, data: bytes) -> _Answer | None:
        """Return what kind of answer a frame is, which address is at which MAC; None for other frames.

        Answers are alike, but for what the header of an IPv4 packet counts on.
        """
        # All of it, or all but an IPv4 packet's identification and header checksum.
        alike = data if data[12:14] != _IPV4 else data[:18] + data[20:24] + data[26:]
        known = self._known.get(alike)
        if known is not None:
            return known
        try:
            frame = ethernet.parse(data)
            answer = _answer(frame)
        except PacketError:
            return None
        if answer[2] != frame.source:
            return None
        remember(self._known, alike, answer, _REMEMBERED)
        return answer


@lru_cache(maxsize=256)
def _question(
    kind: ProbeKind,
    mac: bytes,
    source: IPAddress | None,
    address: IPAddress,
    target: bytes,
    *,
    identifier: int,
) -> bytes | None:
    """Return the unicast frame that asks the host at `target` for `address`, None where that cannot be."""
    if kind is ProbeKind.ECHO:
        if source is None:
            return None
        return icmp.request_frame(icmp.Echo(source, address, identifier, 0), mac, target)
    if isinstance(address, IPv4Address):
        if isinstance(source, IPv4Address):
            return arp.question(mac, source, address, target)
        return arp.probe(mac, address, target)  # a leader must not take this node for a client of the address
    return ndp.question(mac, source, address, target) if isinstance(source, IPv6Address) else None


def _answer(frame: ethernet.Frame) -> tuple[ProbeKind, IPAddress, bytes]:
    """Return which address is at which MAC, by what kind of answer; raises PacketError for other frames."""
    echo6 = frame.ethertype == ethernet.IPV6 and frame.payload[40:41] == _ECHO_REPLY6
    if frame.ethertype == ethernet.IPV4 or echo6:
        return ProbeKind.ECHO, icmp.parse_reply(frame).source, frame.source
    if frame.ethertype == ethernet.ARP:
        packet = arp.parse(frame.payload)
        if packet.operation == arp.REPLY:
            return ProbeKind.ARP, packet.sender, packet.sender_mac
    elif frame.ethertype == ethernet.IPV6:
        message = ndp.parse(frame.payload)
        if isinstance(message, ndp.Advertisement):
            return ProbeKind.ARP, message.target, message.link_layer or frame.source
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
