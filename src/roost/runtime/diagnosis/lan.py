"""Questions to the LAN, few and slow: switches that inspect ARP shut a port at 15 packets in a second.

Everything is asked from this host's own address and teaches nobody anything new. A burst is sent only
where asked for.
"""

import contextlib
import secrets
import select
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from roost.model.address import IPAddress
from roost.model.diagnosis.facts import Gossip, Lan, Peer, Tally
from roost.model.link import Link, reaches
from roost.protocols import arp, ethernet, icmp, icmp_clock, ndp
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.runtime.diagnosis import gossip
from roost.runtime.diagnosis.gossip import Self

__all__ = ["Inquiry", "Known", "look"]

_TRIES: Final = 2
_WAIT: Final = 0.4  # seconds for an answer
_APART: Final = 0.1  # seconds between two questions for addresses
_ADDRESSES: Final = 64
_PEERS: Final = 16
_BURST: Final = 20  # questions
_BURST_APART: Final = 0.02  # seconds
_ALL: Final = 3  # ETH_P_ALL
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23
_LARGEST: Final = 65_536  # bytes
_HEADERS: Final = {4: 28, 6: 48}  # bytes of IP and ICMP

Known = tuple[str, Endpoint, tuple[bytes, ...]]  # a node's name, its gossip endpoint, its hardware addresses


class _Asker:
    """A packet socket on `link`: sends a frame and looks among what comes for its answer."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.settimeout(0)
        self._socket.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        self._socket.bind((link.name, _ALL))

    def close(self) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # too large for the link, or it is down: no answer comes
            self._socket.send(frame)

    def heard(self, until: float) -> Iterable[ethernet.Frame]:
        """Yield the frames that come until then."""
        while (left := until - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                with contextlib.suppress(OSError, PacketError):
                    yield ethernet.parse(self._socket.recv(_LARGEST))

    def tally(self, frame: bytes, is_answer: Callable[[ethernet.Frame], bool], tries: int = _TRIES) -> Tally:
        """Ask until one answer came."""
        for sent in range(1, tries + 1):
            self.send(frame)
            if any(is_answer(each) for each in self.heard(time.monotonic() + _WAIT)):
                return Tally(sent, 1)
        return Tally(tries, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What to ask for, and as whom.

    `own` is this node's name, `me` how it gossips (None: it does not), `known` are the nodes, perhaps with
    this one among them, `led` are those of the `addresses` that are answered here.
    """

    own: str
    links: Sequence[Link]
    announcing: Sequence[Link]
    known: Sequence[Known]
    addresses: Sequence[IPAddress]
    led: Collection[IPAddress] = ()
    me: Self | None = None
    burst: bool = False


def look(what: Inquiry) -> Lan:
    """Ask the peers (16 of them) and, on the LANs of the links that announce, for the addresses (64)."""
    links = what.links
    peers = [each for each in what.known if each[0] != what.own and not _is_mine(links, each[1].host)]
    nodes = {mac: name for name, _, macs in what.known for mac in macs}
    nodes |= {link.mac: what.own for link in links if link.mac}
    with _askers(what.announcing) as askers:
        peers = peers[:_PEERS]
        heard = _gossip(what.me, peers)
        found = [
            _peer(each, askers, said, burst=what.burst and each is peers[0])
            for each, said in zip(peers, heard, strict=True)
        ]
        holders = _holders(askers, what.addresses[:_ADDRESSES])
        odd = [each for each, who in holders.items() if _is_odd(who, nodes) or (who and each in what.led)]
        if odd:  # it may have been moving
            time.sleep(_WAIT)
            holders |= _holders(askers, odd)
    macs = {link.name: link.mac for link in links}
    for address in what.led:  # no host hears its own questions
        if who := holders.get(address):
            holders[address] = (*who, *((name, macs[name]) for name in {name for name, _ in who}))
    whole = bool(what.known) and all(macs for _, _, macs in what.known)
    left_out = max(0, len(what.addresses) - _ADDRESSES)
    return Lan(peers=tuple(found), holders=holders, nodes=nodes if whole else {}, left_out=left_out)


def _gossip(me: Self | None, peers: Sequence[Known]) -> list[Gossip]:
    """Ask all at once: those that are silent take seconds each."""
    if me is None:
        return [Gossip() for _ in peers]
    with ThreadPoolExecutor(_PEERS) as pool:
        return list(pool.map(partial(gossip.ask, me), (endpoint for _, endpoint, _ in peers)))


def _is_odd(who: Sequence[tuple[str, bytes]], nodes: Mapping[bytes, str]) -> bool:
    return len(who) > 1 or any(mac not in nodes for _, mac in who)


def _is_mine(links: Iterable[Link], host: str) -> bool:
    return any(str(own.ip) == host for link in links for own in link.addresses)


@contextlib.contextmanager
def _askers(links: Iterable[Link]) -> Iterator[Sequence[_Asker]]:
    with contextlib.ExitStack() as stack:
        made = []
        for link in links:
            try:
                asker = _Asker(link)
            except OSError:
                continue  # without CAP_NET_RAW nothing is asked; that is a finding of its own
            stack.callback(asker.close)
            made.append(asker)
        yield made


# -- one peer --------------------------------------------------------------------------------------


def _peer(known: Known, askers: Sequence[_Asker], heard: Gossip, *, burst: bool) -> Peer:
    name, endpoint, macs = known
    host = ip_address(endpoint.host)
    asker = next((each for each in askers if reaches(each.link, host)), None)
    if asker is None:
        return Peer(name=name, address=endpoint.host, gossip=heard, clock=_clock(host))
    own = next(each.ip for each in asker.link.addresses if host in each.network)
    found = _Answers(asker, own, host)
    broadcast = found.by_all()
    mac = found.mac or next(iter(macs), None) or _neighbour(host)
    asked = Peer(
        name=name,
        address=endpoint.host,
        link=asker.link.name,
        gossip=heard,
        broadcast=broadcast,
        clock=_clock(host),
    )
    if mac is None:
        return asked
    unicast = found.alone(mac)
    if broadcast.silent and unicast.silent:  # what inspects may drop questions without a sender
        broadcast, unicast = found.with_sender(mac)
    many = found.burst(mac) if burst and host.version == 4 else (Tally(0, 0), Tally(0, 0))
    mtu = asker.link.mtu
    return replace(
        asked,
        broadcast=broadcast,
        unicast=unicast,
        echo=found.echo(mac, 8),
        full_echo=found.echo(mac, mtu - _HEADERS[host.version]),
        mtu=mtu,
        burst=many[0],
        after_burst=many[1],
    )


class _Answers:
    """Questions to one host; `mac` is the address that it answered from.

    A speaker here asks it all the time. So as not to take its answers for ours, we ask without a sender: the
    answer of ARP is then to nobody (RFC 5227), that of ND to all nodes (RFC 4862).
    """

    def __init__(self, asker: _Asker, own: IPAddress, host: IPAddress) -> None:
        self._asker, self._own, self._host = asker, own, host
        self.mac: bytes | None = None

    def by_all(self) -> Tally:
        """Ask all for the host's address; for IPv6 those of its solicited-node group."""
        return self._asker.tally(_probe(self._asker.link, self._host), self._is_to_nobody)

    def alone(self, mac: bytes) -> Tally:
        """Ask the host itself, at its hardware address."""
        if isinstance(self._host, IPv4Address):
            return self._asker.tally(arp.probe(self._asker.link.mac, self._host, mac), self._is_to_nobody)
        return self._asker.tally(self._question(mac), self._is_answer)

    def with_sender(self, mac: bytes) -> tuple[Tally, Tally]:
        """Ask as a host of this LAN does: all, then the host itself."""
        group = ndp.solicited_node_mac(self._host) if isinstance(self._host, IPv6Address) else None
        frames = self._question(group or ethernet.BROADCAST), self._question(mac)
        to_all, alone = (self._asker.tally(each, self._is_answer) for each in frames)
        return to_all, alone

    def echo(self, mac: bytes, size: int) -> Tally:
        """Ask for an echo of so many bytes of data."""
        number = secrets.randbits(16)
        echo = icmp.Echo(self._own, self._host, number, 1, bytes(max(8, size)))

        def is_answer(frame: ethernet.Frame) -> bool:
            with contextlib.suppress(PacketError):
                reply = icmp.parse_reply(frame)
                return reply.identifier == number and reply.source == self._host
            return False

        return self._asker.tally(icmp.request_frame(echo, self._asker.link.mac, mac), is_answer)

    def burst(self, mac: bytes) -> tuple[Tally, Tally]:
        """Ask many times in less than a second; return what was answered, and the echoes after that."""
        assert isinstance(self._host, IPv4Address)  # noqa: S101 - the caller looks
        frame, answered = arp.probe(self._asker.link.mac, self._host, mac), 0
        for _ in range(_BURST):
            self._asker.send(frame)
            answered += sum(map(self._is_to_nobody, self._asker.heard(time.monotonic() + _BURST_APART)))
        answered += sum(map(self._is_to_nobody, self._asker.heard(time.monotonic() + _WAIT)))
        return Tally(_BURST, min(answered, _BURST)), self.echo(mac, 8)

    def _question(self, to: bytes) -> bytes:
        mac, own, host = self._asker.link.mac, self._own, self._host
        if isinstance(own, IPv4Address) and isinstance(host, IPv4Address):
            return arp.question(mac, own, host, to)
        assert isinstance(own, IPv6Address)  # noqa: S101 - one subnet holds both
        assert isinstance(host, IPv6Address)  # noqa: S101
        return ndp.question(mac, own, host, to)

    def _is_answer(self, frame: ethernet.Frame) -> bool:
        return self._is_from_host(frame, _claimed(frame))

    def _is_to_nobody(self, frame: ethernet.Frame) -> bool:
        return self._is_from_host(frame, _claimed(frame, to_nobody=True))

    def _is_from_host(self, frame: ethernet.Frame, claimed: IPAddress | None) -> bool:
        if claimed != self._host:
            return False
        self.mac = frame.source
        return True


def _claimed(frame: ethernet.Frame, *, to_nobody: bool = False) -> IPAddress | None:
    """Return the address that an answer says is at its sender's, None for any other frame.

    `to_nobody`: only that of an answer to a question without a sender.
    """
    with contextlib.suppress(PacketError):
        if frame.ethertype == ethernet.ARP:
            packet = arp.parse(frame.payload)
            fits = packet.operation == arp.REPLY and not (to_nobody and int(packet.target))
            return packet.sender if fits else None
        if frame.ethertype == ethernet.IPV6:
            message = ndp.parse(frame.payload)
            fits = isinstance(message, ndp.Advertisement) and not (to_nobody and message.solicited)
            return message.target if fits else None
    return None


def _neighbour(host: IPAddress) -> bytes | None:
    """Return what the kernel's table has for an IPv4 host."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/thread-self/net/arp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[0] == str(host) and any(mac := bytes.fromhex(fields[3].replace(":", ""))):
                return mac
    return None


def _clock(host: IPAddress) -> float | None:
    """Return by how many seconds an IPv4 host's clock is ahead, None where it does not say."""
    if host.version != 4:
        return None
    identifier = secrets.randbits(16)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.sendto(icmp_clock.request(identifier, 1, _now()), (str(host), 0))
            until = time.monotonic() + _WAIT
            while (left := until - time.monotonic()) > 0:
                sock.settimeout(left)
                packet = sock.recv(_LARGEST)
                with contextlib.suppress(PacketError):
                    return icmp_clock.ahead(packet, identifier, 1, _now())
    except OSError:
        return None
    return None


def _now() -> int:
    return int(time.time() * 1000) % icmp_clock.DAY


# -- service addresses -----------------------------------------------------------------------------


def _holders(
    askers: Sequence[_Asker], addresses: Sequence[IPAddress]
) -> dict[IPAddress, tuple[tuple[str, bytes], ...]]:
    """Ask each LAN for each address, one every tenth of a second; return who answered, by link and MAC."""
    found: dict[IPAddress, dict[tuple[str, bytes], None]] = {each: {} for each in addresses}
    for asker in askers:
        for number, address in enumerate(addresses, 1):
            asker.send(_probe(asker.link, address))
            wait = _WAIT if number == len(addresses) else _APART
            for frame in asker.heard(time.monotonic() + wait):
                claimed = _claimed(frame)
                if claimed in found:
                    found[claimed][asker.link.name, frame.source] = None
    return {address: tuple(who) for address, who in found.items()}


def _probe(link: Link, address: IPAddress) -> bytes:
    if isinstance(address, IPv4Address):
        return arp.probe(link.mac, address)
    return ndp.solicitation_frame(link.mac, address)
