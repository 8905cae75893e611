"""Answering pings of service addresses, where neither this host's kernel nor kube-proxy does.

    decider: answered here, led by others and still followed -> addresses     echo requests -> replies

Echo requests come to whom the client's neighbour table names: to the leader, and for a moment after a move to
whom led before. Both pass the address's traffic on, so both answer; where nobody leads, nobody does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from roost.decide import effects
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.link import Link
from roost.protocols import ethernet, icmp
from roost.protocols import filter as filters
from roost.protocols.bounded import remember
from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect
from roost.runtime.echo_dropper import EchoDropper
from roost.runtime.packet_socket import PacketSocket, Sent

__all__ = ["PingAnswerer"]

_RATE: Final = 2000.0  # requests read per second and link; the kernel drops what is more
_BURST: Final = 500.0
_PAUSE: Final = 0.02  # seconds in which nothing is read once the rate is used up
_BUFFER: Final = 1 << 18  # bytes of requests that wait
_ONCE: Final = 1.0  # seconds in which a request that comes again is no other one
_REMEMBERED: Final = 4096  # requests

_Key = tuple[int, str, bytes]  # what makes a link another one
_Request = tuple[IPAddress, IPAddress, int, int]


class PingAnswerer:
    """Answers ICMP and ICMPv6 echo on all links; what happens is counted in `counters`.

    Addresses that this host holds itself are left to its kernel. Times are the event loop's.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._answered: Mapping[IPAddress, Announcement] = {}
        self._followed: frozenset[IPAddress] = frozenset()
        self._known: frozenset[IPAddress] = frozenset()
        self._own: frozenset[IPAddress] = frozenset()
        self._until = float("-inf")
        self._links: dict[_Key, _PingLink] = {}
        self._dropper = EchoDropper()

    def carry_out(self, effect: Effect) -> None:
        """Answer pings of what is answered for, and of what this node still passes on for others."""
        match effect:
            case effects.Answer(announcements):
                self._answered = announcements
            case effects.Follow(addresses):
                self._followed = addresses
            case effects.Notice(addresses):
                self.notice(addresses)
                return
            case effects.Renew(until):
                self._until = until
                return
            case effects.Open(links):
                self.open(links)
                return
            case _:
                return
        self._spread()

    def open(self, links: Iterable[Link]) -> None:
        """Answer on exactly these links. Raises CapabilityError."""
        wanted = {(link.index, link.name, link.mac): link for link in links}
        for key in self._links.keys() - wanted.keys():
            self._links.pop(key).close()
        for key in wanted.keys() - self._links.keys():
            try:
                self._links[key] = _PingLink(wanted[key], self._may_answer, self._counters)
            except OSError:  # gone since netlink told of it; it will tell that too
                continue
        self._spread()

    def hold(self, addresses: Iterable[IPAddress]) -> None:
        """Leave these to the kernel: they are this host's own."""
        self._own = frozenset(addresses)
        self._spread()

    def notice(self, addresses: frozenset[IPAddress]) -> None:
        """Keep the kernel from forwarding pings of these: it does not know who has them."""
        self._known = addresses
        self._spread()

    def close(self) -> None:
        """Fall silent, and let the kernel do again as it did."""
        for each in self._links.values():
            each.close()
        self._links.clear()
        self._dropper.close()

    def _spread(self) -> None:
        for (_, name, _), answering in self._links.items():
            here = {address for address, how in self._answered.items() if how.allows(name)}
            answering.set(frozenset(here | self._followed) - self._own)
        self._dropper.want({index for index, _, _ in self._links}, self._known - self._own)

    def _may_answer(self, now: float) -> bool:
        return now <= self._until


class _PingLink:
    """Echo requests for some addresses on one link, and their answers."""

    def __init__(self, link: Link, may_answer: Callable[[float], bool], counters: Counter[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._may_answer = may_answer
        self._counters = counters
        self._addresses: frozenset[IPAddress] = frozenset()
        self._seen: dict[_Request, float] = {}
        self._tokens, self._filled = _BURST, self._loop.time()
        self._pause: asyncio.TimerHandle | None = None
        program = filters.build_echo_requests(())
        self._socket = PacketSocket(link, program, self._on_frame, waking=False, buffer=_BUFFER)
        self._loop.add_reader(self._socket, self._read)

    def set(self, addresses: frozenset[IPAddress]) -> None:
        """Answer for exactly these."""
        if addresses != self._addresses:
            self._addresses = addresses
            self._socket.set_filter(filters.build_echo_requests(addresses))

    def close(self) -> None:
        """Fall silent."""
        if self._pause is not None:
            self._pause.cancel()
        self._socket.close()

    def _read(self) -> None:
        now = self._loop.time()
        self._tokens = min(_BURST, self._tokens + (now - self._filled) * _RATE)
        self._filled = now
        if self._tokens > 0:
            self._socket.drain()
        else:  # a flood costs this process nothing: what finds no room is the kernel's to drop
            self._counters["pings_held_back"] += 1
            self._loop.remove_reader(self._socket)
            self._pause = self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._read)

    def _on_frame(self, data: bytes) -> None:
        self._tokens -= 1
        now = self._loop.time()
        try:
            frame = ethernet.parse(data)
            echo = icmp.parse_request(frame)
        except PacketError:
            self._counters["pings_malformed"] += 1
            return
        if not self._may_answer(now) or not self._is_answerable(echo, frame, now):
            self._counters["pings_dropped"] += 1
            return
        reply = icmp.Echo(echo.destination, echo.source, echo.identifier, echo.sequence, echo.data)
        if self._socket.send(icmp.reply_frame(reply, frame.destination, frame.source)) is Sent.YES:
            self._counters["pings_answered"] += 1

    def _is_answerable(self, echo: icmp.Echo, frame: ethernet.Frame, now: float) -> bool:
        """Tell whether the request is for us, from one station, and no copy that a router sent back."""
        source = echo.source
        if echo.destination not in self._addresses or source in self._addresses:
            return False
        if source.is_multicast or source.is_unspecified or source.is_loopback:
            return False
        if int(source) == 0xFFFFFFFF or not ethernet.is_unicast(frame.source):
            return False
        request = (echo.destination, source, echo.identifier, echo.sequence)
        if now - self._seen.get(request, float("-inf")) < _ONCE:
            return False
        remember(self._seen, request, now, _REMEMBERED)
        return True
