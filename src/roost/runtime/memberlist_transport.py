"""Runs a gossip machine on asyncio: its datagrams, its streams and its one timer.

The adapter decides nothing. Whatever the network refuses costs a counter; whatever the machine reports
goes to the observer. Times are the loop's.
"""

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from roost.model.link import Link
from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect, Endpoint, Machine, SendDatagram
from roost.protocols.memberlist.effects import Fault, OpenExchange, SendFrame
from roost.protocols.memberlist.exchanges import begun_just_now
from roost.protocols.memberlist.frames import AGAIN
from roost.protocols.memberlist.messages import Message, PushPull
from roost.protocols.memberlist.stream import StreamCodec
from roost.runtime.bind import BindError, bind_pair, endpoint_of, sockaddr
from roost.runtime.driver import Driver
from roost.runtime.memberlist_frames import MemberlistFrames
from roost.runtime.memberlist_streams import MemberlistStreams
from roost.runtime.packet_socket import Tap

__all__ = ["BindError", "GossipMachine", "MemberlistTransport", "Observer", "PacketTap"]

_BATCH: Final = 64  # datagrams read before other events get their turn
_DATAGRAM_LIMIT: Final = 65_535  # bytes
_EXCHANGES_LIMIT: Final = 128  # outgoing ones at once


PacketTap = Callable[[Endpoint, bytes, bool], None]  # gets the peer, the packet, and whether it went out


class GossipMachine(Machine, Protocol):
    """What is driven: `roost.protocols.memberlist.swim.Swim`, or anything shaped like it."""

    def receive(self, datagram: bytes, source: Endpoint, now: float, *, in_frame: bool = False) -> None: ...  # noqa: D102
    def serve(self, request: Message, source: Endpoint, now: float) -> Message | None: ...  # noqa: D102
    def exchange_answered(self, id: int, reply: Message, now: float) -> None: ...  # noqa: A002, D102
    def exchange_failed(self, id: int, reason: str, now: float) -> None: ...  # noqa: A002, D102


class Observer(Protocol):
    """What hears of everything that is not for the network."""

    def effect(self, effect: Effect) -> None:
        """Take an effect that no socket can carry out."""

    def synchronized(self) -> None:
        """Hear that full state was exchanged with a peer, after the effects of that."""


class MemberlistTransport:
    """One UDP socket and one TCP listener on the same endpoint, and frames beside them, driving one machine.

    Binding happens here: raises BindError. `deadline` is seconds for an incoming stream.
    `macs(name)` are the hardware addresses of a member. `tap` sees datagrams, `frame_tap` frames.
    """

    def __init__(
        self,
        bind: Endpoint,
        codec: StreamCodec,
        deadline: float,
        *,
        macs: Callable[[str], Sequence[bytes]] = lambda _: (),
        tap: PacketTap | None = None,
        frame_tap: Tap | None = None,
    ) -> None:
        self._udp, self._listener, self.endpoint = bind_pair(bind)
        self.counters: Counter[str] = Counter()
        self._frames = MemberlistFrames(codec, self.counters, macs, frame_tap)
        self._tap = tap
        self._streams = MemberlistStreams(codec, deadline, self.counters, self._report)
        self._exchanges: dict[asyncio.Task[None], tuple[Endpoint, float]] = {}  # -> with whom, since when
        self._driver: Driver | None = None

    async def start(self, machine: GossipMachine, observer: Observer, own: Endpoint | None = None) -> None:
        """Begin to drive `machine`, which was started with the loop's time.

        Peers know it at `own`, by default where it is bound.
        """
        self._loop = asyncio.get_running_loop()
        self._machine = machine
        self._observer = observer
        self._driver = Driver(machine, self._carry_out, before_wake=self._drain_all)
        self._loop.add_reader(self._udp, self._readable)
        await self._streams.start(self._listener, self)
        self._frames.start(own or self.endpoint, self._take_packet, self, self._report)
        self._driver.start()

    def use(self, links: Sequence[Link]) -> None:
        """Send and hear frames on these links from now on."""
        self._frames.use(links)

    async def stop(self) -> None:
        """Close everything at once, without a word to the peers."""
        if self._driver is not None:
            self._driver.stop()
            self._driver = None
            self._loop.remove_reader(self._udp)
            self._frames.stop()
            for task in self._exchanges:
                task.cancel()
            await asyncio.gather(*self._exchanges, return_exceptions=True)
            await self._streams.stop()
        self._listener.close()
        self._udp.close()

    @property
    def exchanging(self) -> frozenset[Endpoint]:
        """The peers with which an exchange of ours is under way that was begun just now."""
        return begun_just_now(self._exchanges.values(), self._loop.time())

    def flush(self) -> None:
        """Carry out what the machine wants; to be called after every call of its methods."""
        if self._driver is not None:
            self._driver.flush()

    async def hold(self, target: Endpoint, established: Callable[[], None]) -> None:
        """Hold a lifeline to a Roost node; see `MemberlistStreams.hold`."""
        await self._streams.hold(target, established)

    def serve(self, request: Message, source: Endpoint) -> Message | None:
        """Let the machine answer an incoming stream."""
        reply = self._machine.serve(request, source, self._loop.time())
        self.flush()
        if isinstance(reply, PushPull):
            self._observer.synchronized()
        return reply

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, SendDatagram):
            self._send(effect)
        elif isinstance(effect, SendFrame):
            self._frames.send(effect.to, effect.target, effect.data)
        elif isinstance(effect, OpenExchange):
            self._open(effect)
        else:
            self._observer.effect(effect)

    def _send(self, effect: SendDatagram) -> None:
        try:
            self._udp.sendto(effect.data, sockaddr(effect.target, self._udp.family))
        except OSError as error:  # a full queue, a link that is down, no route, a firewall: SWIM copes
            self.counters[f"send_{errno.errorcode.get(error.errno or 0, 'unknown')}"] += 1
        else:
            self.counters["datagrams_sent"] += 1
            if self._tap is not None:
                self._tap(effect.target, effect.data, True)  # noqa: FBT003 - called for each packet

    def _readable(self) -> None:
        self._drain()
        self.flush()

    def _take_packet(self, packet: bytes, source: Endpoint) -> None:
        self._machine.receive(packet, source, self._loop.time(), in_frame=True)
        self.flush()

    def _drain_all(self) -> None:
        self._frames.drain()
        self._drain()

    def _drain(self) -> None:
        now = self._loop.time()
        for _ in range(_BATCH):
            try:
                datagram, address = self._udp.recvfrom(_DATAGRAM_LIMIT)
            except BlockingIOError:
                return
            except OSError as error:  # an ICMP error for an earlier datagram; the next call goes on
                self.counters[f"receive_{errno.errorcode.get(error.errno or 0, 'unknown')}"] += 1
                continue
            self.counters["datagrams_received"] += 1
            source = endpoint_of(address)
            if self._tap is not None:
                self._tap(source, datagram, False)  # noqa: FBT003 - called for each packet
            self._machine.receive(datagram, source, now)

    def _open(self, effect: OpenExchange) -> None:
        if len(self._exchanges) >= _EXCHANGES_LIMIT:
            self._loop.call_soon(self._failed, effect, "too many exchanges at once")
            return
        task = self._loop.create_task(self._exchange(effect))
        self._exchanges[task] = effect.target, self._loop.time()
        task.add_done_callback(self._exchanges.pop)

    async def _exchange(self, effect: OpenExchange) -> None:
        """Ask over TCP, and in frames of the LAN where that is not answered soon; the first answer counts."""
        async with asyncio.TaskGroup() as group:
            over_tcp = group.create_task(self._over_tcp(effect))
            in_frames = group.create_task(self._in_frames(effect, over_tcp))
        failure = over_tcp.result()
        if failure and in_frames.result():
            self._observer.effect(Fault("exchange-failed", failure, effect.target))
        elif failure:
            self._failed(effect, failure)

    async def _over_tcp(self, effect: OpenExchange) -> str:
        """Return why there was no answer, "" where there was one."""
        try:
            reply = await self._streams.exchange(effect.target, effect.request, effect.deadline)
        except TimeoutError:
            return "no answer in time"
        except EOFError:
            return "closed without an answer"
        except PacketError as fault:
            self._report(str(fault), effect.target)
            return str(fault)
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
        except ValueError as error:  # our state is too large to send
            return str(error)
        self._answered(effect, reply)
        return ""

    async def _in_frames(self, effect: OpenExchange, over_tcp: asyncio.Task[str]) -> bool:
        """Tell whether an answer came in frames, asked for because there was none over TCP for a moment."""
        await asyncio.wait({over_tcp}, timeout=AGAIN)
        answered = over_tcp.done() and not over_tcp.result()
        if answered or not self._frames.is_open or not isinstance(effect.request, PushPull):
            return False
        try:
            reply = await self._frames.exchange(effect.target, effect.request)
        except (TimeoutError, ValueError):  # nobody there, what cannot be read, or a state that is too large
            return False
        self._answered(effect, reply)
        return True

    def _answered(self, effect: OpenExchange, reply: Message) -> None:
        self._machine.exchange_answered(effect.id, reply, self._loop.time())
        self.flush()
        if isinstance(reply, PushPull):
            self._observer.synchronized()

    def _failed(self, effect: OpenExchange, reason: str) -> None:
        if self._driver is None:
            return
        self._machine.exchange_failed(effect.id, reason, self._loop.time())
        self.flush()

    def _report(self, detail: str, source: Endpoint) -> None:
        self._observer.effect(Fault("stream", detail, source))
