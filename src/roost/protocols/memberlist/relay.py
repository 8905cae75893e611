"""Probing on behalf of others: the ack or nack goes back to who asked (memberlist `net.go`)."""

from dataclasses import dataclass
from typing import Final

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import Outbox
from roost.protocols.memberlist.members import MemberTable, address_text
from roost.protocols.memberlist.messages import Ack, IndirectPing, Nack, Ping
from roost.protocols.memberlist.transmit import Transmitter

__all__ = ["Relays"]

_LIMIT: Final = 256  # at once


@dataclass(frozen=True, slots=True)
class _Relay:
    asker: Endpoint
    asker_name: str
    sequence: int
    nack: bool
    deadline: float


class Relays:
    """Pings under way for others, at most 256, each for `timeout` seconds."""

    def __init__(self, timeout: float, table: MemberTable, transmitter: Transmitter, outbox: Outbox) -> None:
        self._timeout = timeout
        self._table = table
        self._transmitter = transmitter
        self._outbox = outbox
        self._pending: dict[int, _Relay] = {}  # oldest first, so the first is due first

    def take(self, request: IndirectPing, source: Endpoint, now: float) -> None:
        """Ping the target that `request` names."""
        if len(self._pending) >= _LIMIT:
            self._outbox.counters["relays_refused"] += 1
            return
        me = self._table.me
        sequence = self._transmitter.next_sequence()
        asker = answer_to(request, source)
        self._pending[sequence] = _Relay(
            asker, request.source_node, request.seq, request.nack, now + self._timeout
        )
        self._outbox.counters["relays"] += 1
        target = Endpoint(address_text(request.target), request.port or me.endpoint.port)
        ping = Ping(sequence, request.node, me.address, me.endpoint.port, me.name)
        self._transmitter.send(target, ping, to=self._table.get(request.node))

    def acked(self, sequence: int) -> bool:
        """Forward an ack to a relayed ping; tell whether it was one."""
        relay = self._pending.pop(sequence, None)
        if relay is None:
            return False
        self._answer(relay, Ack(relay.sequence))
        return True

    def next_due(self) -> float | None:
        """Return when the oldest relayed ping counts as unanswered."""
        return next(iter(self._pending.values())).deadline if self._pending else None

    def wake(self, now: float) -> None:
        """Say for every relayed ping without an ack in time that this node at least is well."""
        for relay in self._take_overdue(now):
            if relay.nack:
                self._outbox.counters["nacks_sent"] += 1
                self._answer(relay, Nack(relay.sequence))

    def postpone(self, now: float) -> None:
        """Drop in silence what is overdue: this node was not there to hear the acks."""
        self._take_overdue(now)

    def _take_overdue(self, now: float) -> list[_Relay]:
        overdue = [sequence for sequence, relay in self._pending.items() if relay.deadline <= now]
        return [self._pending.pop(sequence) for sequence in overdue]

    def _answer(self, relay: _Relay, message: Ack | Nack) -> None:
        self._transmitter.send(relay.asker, message, to=self._table.get(relay.asker_name))


def answer_to(request: Ping | IndirectPing, source: Endpoint) -> Endpoint:
    """Return where the answer to `request` goes: what it names, else where it came from."""
    if request.source_address is not None and request.source_port:
        return Endpoint(address_text(request.source_address), request.source_port)
    return source
