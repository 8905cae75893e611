"""memberlist's TCP side between simulated processes: one request, one reply, or a failure in time."""

import random
from functools import partial
from typing import TYPE_CHECKING, Final

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.exchanges import begun_just_now
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
        """Begin an exchange."""
        self._open[effect.id] = effect.target, self._clock.now
        host = self._process.host
        peer = host.find(effect.target)
        deadline = effect.deadline - host.offset
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
        self._clock.after(there + host.flight(peer) + late, partial(self._arrive, effect, peer))

    def _arrive(self, effect: OpenExchange, peer: "Host") -> None:
        if peer.process is not None:
            peer.process.take(Queue.EVENTS, partial(self._serve, effect, peer.process))

    def _serve(self, effect: OpenExchange, server: "Process", now: float) -> None:
        """Let the peer answer; it may have taken so long that nobody waits any more."""
        host, peer = self._process.host, server.host
        if effect.id not in self._open or self._process.ended:
            return
        reply = server.swim.serve(effect.request, host.endpoint, now)
        server.pump()
        if isinstance(reply, PushPull):
            server.synchronized(now)
            server.pump()
        if reply is not None and host.passes(peer):
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
