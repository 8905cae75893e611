"""Sending: messages into packets, with as much of the broadcast queue as still fits (memberlist `net.go`)."""

from typing import Final

from roost.protocols.machine import Endpoint, Randomness, SendDatagram
from roost.protocols.memberlist.broadcast import BroadcastQueue, transmit_limit
from roost.protocols.memberlist.codec import encode_message
from roost.protocols.memberlist.effects import Outbox, SendFrame
from roost.protocols.memberlist.members import Member, MemberTable
from roost.protocols.memberlist.messages import Message, Status
from roost.protocols.memberlist.packet import PARTS_LIMIT, PacketCodec
from roost.protocols.memberlist.profile import Profile

__all__ = ["Transmitter"]

_CRC_SINCE: Final = 5  # protocol version
_SEQUENCES: Final = 1 << 32


class Transmitter:
    """Packs, seals and hands packets to the outbox; also numbers the pings of this node."""

    def __init__(
        self,
        *,
        profile: Profile,
        codec: PacketCodec,
        table: MemberTable,
        queue: BroadcastQueue,
        outbox: Outbox,
        random: Randomness,
    ) -> None:
        self._profile = profile
        self._codec = codec
        self._table = table
        self._queue = queue
        self._outbox = outbox
        self._random = random
        self._sequence = random.randrange(_SEQUENCES)  # acks to a former process must not fit

    def next_sequence(self) -> int:
        """Return a number for a ping, unused for the last 2**32 of them."""
        self._sequence = (self._sequence + 1) % _SEQUENCES
        return self._sequence

    def send(self, target: Endpoint, *messages: Message, to: Member | None = None) -> None:
        """Send messages in one packet, and gossip with them; `to` is the member there, where it is known."""
        parts = [encode_message(message) for message in messages]
        parts += self._broadcasts(parts)
        self._send(target, self._seal(parts, to))

    def send_beside(self, to: Member, *messages: Message) -> None:
        """Send messages in a frame of the LAN alone."""
        self._put_beside(to, self._seal([encode_message(message) for message in messages], to))

    def send_alone(self, target: Endpoint, message: Message, to: Member) -> None:
        """Send one message, and no gossip along: many at once would use that up in one moment."""
        self._send_both_ways(target, self._seal([encode_message(message)], to), to)

    def gossip(self, now: float) -> None:
        """Tell a few members what is queued; with nobody there to be told, forget it.

        The lately dead are told too: one that is not dead after all learns so and refutes.
        """
        dead_since = now - self._profile.gossip_to_the_dead_time

        def hears(member: Member) -> bool:
            return member.live or (member.status is Status.DEAD and member.since >= dead_since)

        listeners = self._table.choose(self._profile.gossip_nodes, self._random, hears)
        if not listeners:
            self._queue.clear()  # who comes later learns everything by push/pull
        for listener in listeners:
            if parts := self._broadcasts([]):
                self._outbox.counters["gossip_sent"] += 1
                self._send_both_ways(listener.endpoint, self._seal(parts, listener), listener)

    def _broadcasts(self, parts: list[bytes]) -> list[bytes]:
        """Return broadcasts that fit into a packet behind `parts`."""
        if not self._queue:
            return []
        per_part = self._codec.overhead(3) - self._codec.overhead(2)
        used = self._codec.overhead(2) - 2 * per_part + sum(len(part) + per_part for part in parts)
        return self._queue.take(
            self._profile.udp_buffer_size - used,
            overhead=per_part,
            transmits=transmit_limit(self._profile.retransmit_mult, len(self._table)),
            count=PARTS_LIMIT - len(parts),
        )

    def _send_both_ways(self, target: Endpoint, packet: bytes, to: Member) -> None:
        """Send what is news over UDP and in a frame: nothing tells soon enough that one of them is blocked.

        Pings and their answers are not: they go on all the time, and in frames only where UDP is silent.
        """
        self._send(target, packet)
        self._put_beside(to, packet)

    def _send(self, target: Endpoint, packet: bytes) -> None:
        self._outbox.counters["packets_sent"] += 1
        self._outbox.put_losable(SendDatagram(target, packet))

    def _put_beside(self, to: Member, packet: bytes) -> None:
        self._outbox.put_losable(SendFrame(to.name, to.endpoint, packet))

    def _seal(self, parts: list[bytes], to: Member | None) -> bytes:
        crc = to is not None and to.versions.pmax >= _CRC_SINCE
        return self._codec.seal(parts, crc=crc)
