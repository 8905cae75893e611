"""Exchanges of gossip between simulated processes: one request, one reply, or a failure in time.

They go over TCP, and in frames of the LAN where that does not answer.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.exchanges import begun_just_now
from roost.protocols.memberlist.frames import AGAIN, TRIES
from roost.protocols.memberlist.messages import Message, PushPull
from roost.protocols.memberlist.swim import OpenExchange
from roost.simulator.clock import Clock
from roost.simulator.inbox import Queue

if TYPE_CHECKING:
    from roost.simulator.host import Host
    from roost.simulator.process import Process

__all__ = ["Streams"]

_CONNECT: Final = 1.0  # seconds: the first SYN was lost, and the driver does not wait for the second
_RESEND: Final = 0.2  # seconds until TCP sends a lost segment again


class Streams:
    """The exchanges that one process has opened."""

    def __init__(self, process: "Process", clock: Clock, chance: random.Random) -> None:
        self._process = process
        self._clock = clock
        self._chance = chance
        self._open: dict[int, tuple[Endpoint, float]] = {}  # -> with whom, since when

    @property
    def exchanging(self) -> frozenset[Endpoint]:
        """The peers with which an exchange of ours is under way that was begun just now."""
        return begun_just_now(self._open.values(), self._clock.now)

    def open(self, effect: OpenExchange) -> None:
        """Begin an exchange: over TCP, and in frames of the LAN where that is not answered soon."""
        self._open[effect.id] = effect.target, self._clock.now
        host = self._process.host
        peer = host.find(effect.target)
        deadline = effect.deadline - host.offset
        if peer is not None and isinstance(effect.request, PushPull):
            for turn in range(1, TRIES + 1):
                self._clock.after(turn * AGAIN, partial(self._ask_beside, effect, peer))
        if peer is None or not host.passes(peer) or self._is_lost(host, peer):
            failure, reason = min(deadline, self._clock.now + _CONNECT), "no answer in time"
            self._clock.at(failure, partial(self._fail, effect.id, reason))
            return
        there = host.flight(peer) + host.flight(peer)
        if not peer.listening:
            self._clock.after(there, partial(self._fail, effect.id, "Connection refused"))
            return
        self._clock.at(deadline, partial(self._fail, effect.id, "no answer in time"))
        late = _RESEND if self._is_lost(host, peer) else 0.0
        self._clock.after(
            there + host.flight(peer) + late, partial(self._arrive, effect, peer, Queue.EVENTS, over_tcp=True)
        )

    def _ask_beside(self, effect: OpenExchange, peer: "Host") -> None:
        """Ask for the peer in a frame; what it says sends the request there, if that is wanted still."""
        host = self._process.host

        def here(_: float) -> None:
            self._in_frame(peer, host, lambda: self._process.take(Queue.BESIDE, found))

        def found(_: float) -> None:
            if effect.id in self._open:
                self._in_frame(host, peer, partial(self._arrive, effect, peer, Queue.BESIDE, over_tcp=False))

        def asked() -> None:
            if peer.process is not None:
                peer.process.take(Queue.BESIDE, here)

        if effect.id in self._open:
            self._in_frame(host, peer, asked)

    def _in_frame(self, one: "Host", other: "Host", arrive: Callable[[], None]) -> None:
        if one.passes_frames(other) and not self._is_lost(one, other):
            self._clock.after(one.flight(other), arrive)

    def _arrive(self, effect: OpenExchange, peer: "Host", queue: Queue, *, over_tcp: bool) -> None:
        if peer.process is not None:
            peer.process.take(queue, partial(self._serve, effect, peer.process, over_tcp=over_tcp))

    def _serve(self, effect: OpenExchange, server: "Process", now: float, *, over_tcp: bool) -> None:
        """Let the peer answer; it may have taken so long that nobody waits any more."""
        host, peer = self._process.host, server.host
        if effect.id not in self._open or self._process.ended:
            return
        reply = server.swim.serve(effect.request, host.endpoint, now)
        server.pump()
        if isinstance(reply, PushPull):
            server.synchronized(now)
            server.pump()
        if reply is None:
            return
        if not over_tcp:
            self._in_frame(peer, host, partial(self._reply, effect.id, reply))
        elif host.passes(peer):
            late = _RESEND if self._is_lost(host, peer) else 0.0
            self._clock.after(peer.flight(host) + late, partial(self._reply, effect.id, reply))

    def _reply(self, key: int, reply: Message) -> None:
        if key in self._open:
            self._process.take(Queue.EVENTS, partial(self._take_reply, key, reply))

    def _take_reply(self, key: int, reply: Message, now: float) -> None:
        if key not in self._open:
            return
        del self._open[key]
        self._process.swim.exchange_answered(key, reply, now)
        if isinstance(reply, PushPull):
            self._process.synchronized(now)

    def _fail(self, key: int, reason: str) -> None:
        if key in self._open:
            self._process.take(Queue.EVENTS, partial(self._take_failure, key, reason))

    def _take_failure(self, key: int, reason: str, now: float) -> None:
        if key in self._open:
            del self._open[key]
            self._process.swim.exchange_failed(key, reason, now)

    def _is_lost(self, host: "Host", peer: "Host") -> bool:
        loss = max(host.port.loss, peer.port.loss)
        return bool(loss) and self._chance.random() < loss
