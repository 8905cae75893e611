"""Runs a gossip machine on asyncio: its datagrams, its streams and its one timer.

The adapter decides nothing. Whatever the network refuses costs a counter; whatever the machine reports
goes to the observer. Times are the loop's.
"""

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from roost.protocols.errors import PacketError
from roost.protocols.machine import Effect, Endpoint, Machine, SendDatagram
from roost.protocols.memberlist.effects import Fault, OpenExchange
from roost.protocols.memberlist.exchanges import begun_just_now
from roost.protocols.memberlist.messages import Message, PushPull
from roost.protocols.memberlist.stream import StreamCodec
from roost.runtime.bind import BindError, bind_pair, endpoint_of, sockaddr
from roost.runtime.driver import Driver
from roost.runtime.memberlist_streams import MemberlistStreams

__all__ = ["BindError", "GossipMachine", "MemberlistTransport", "Observer", "PacketTap"]

_BATCH: Final = 64  # datagrams read before other events get their turn
_DATAGRAM_LIMIT: Final = 65_535  # bytes
_EXCHANGES_LIMIT: Final = 128  # outgoing ones at once


PacketTap = Callable[[Endpoint, bytes, bool], None]  # gets the peer, the packet, and whether it went out


class GossipMachine(Machine, Protocol):
    """What is driven: `roost.protocols.memberlist.swim.Swim`, or anything shaped like it."""

    def receive(self, datagram: bytes, source: Endpoint, now: float) -> None: ...  # noqa: D102
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
    """One UDP socket and one TCP listener on the same endpoint, driving one machine.

    Binding happens here: raises BindError. `deadline` is seconds for an incoming stream.
    `tap` sees datagrams.
    """

    def __init__(
        self, bind: Endpoint, codec: StreamCodec, deadline: float, tap: PacketTap | None = None
    ) -> None:
        self._udp, self._listener, self.endpoint = bind_pair(bind)
        self.counters: Counter[str] = Counter()
        self._tap = tap
        self._streams = MemberlistStreams(codec, deadline, self.counters, self._report)
        self._exchanges: dict[asyncio.Task[None], tuple[Endpoint, float]] = {}  # -> with whom, since when
        self._driver: Driver | None = None

    async def start(self, machine: GossipMachine, observer: Observer) -> None:
        """Begin to drive `machine`, which was started with the loop's time."""
        self._loop = asyncio.get_running_loop()
        self._machine = machine
        self._observer = observer
        self._driver = Driver(machine, self._carry_out, before_wake=self._drain)
        self._loop.add_reader(self._udp, self._readable)
        await self._streams.start(self._listener, self)
        self._driver.start()

    async def stop(self) -> None:
        """Close everything at once, without a word to the peers."""
        if self._driver is not None:
            self._driver.stop()
            self._driver = None
            self._loop.remove_reader(self._udp)
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
        try:
            reply = await self._streams.exchange(effect.target, effect.request, effect.deadline)
        except TimeoutError:
            self._failed(effect, "no answer in time")
        except EOFError:
            self._failed(effect, "closed without an answer")
        except PacketError as fault:
            self._report(str(fault), effect.target)
            self._failed(effect, str(fault))
        except OSError as error:
            self._failed(effect, os.strerror(error.errno) if error.errno else str(error))
        except ValueError as error:  # our state is too large to send
            self._failed(effect, str(error))
        else:
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
