"""What this node knows first is sent to the others directly, and again a few times: Roost's own.

Gossip is slower and now and then misses one, and who heard nothing for a moment would wait for the next
push/pull. Whoever speaks memberlist takes it: the messages are those that gossip carries, too.
"""

from dataclasses import dataclass, field
from typing import Final

from roost.protocols.bounded import remember
from roost.protocols.machine import Randomness, soonest
from roost.protocols.memberlist.members import MemberTable
from roost.protocols.memberlist.messages import Alive, Dead, Status, UserMessage
from roost.protocols.memberlist.transmit import Transmitter
from roost.protocols.repeating import Repeating

__all__ = ["DirectWords"]

_TOLD: Final = 64  # members that hear news before gossip brings it
_SUBJECTS: Final = 64  # members of which something is said again at once


@dataclass(slots=True)
class _Insisted:
    beside: UserMessage | None  # what memberlist's own message has no room for
    repeating: Repeating = field(default_factory=Repeating)


class DirectWords:
    """Says things of members to all that live; times are seconds."""

    def __init__(self, table: MemberTable, transmitter: Transmitter, random: Randomness) -> None:
        self._table = table
        self._transmitter = transmitter
        self._random = random
        self._insisting: dict[str, _Insisted] = {}

    def say(self, message: Alive | Dead, beside: UserMessage | None = None) -> None:
        """Tell everybody, up to some; what is `beside` it first, so that it is there when it is needed."""
        for other in self._table.choose(_TOLD, self._random, lambda each: each.live):
            for each in (beside, message) if beside is not None else (message,):
                self._transmitter.send_alone(other.endpoint, each, other)

    def insist(self, name: str, now: float, beside: UserMessage | None = None) -> None:
        """Tell what is so of member `name`, this node or one that is dead; again while it stays so."""
        if (message := self._message(name)) is not None:
            self.say(message, beside)
            insisted = _Insisted(beside)
            insisted.repeating.begin(now)
            remember(self._insisting, name, insisted, _SUBJECTS)

    def take_back(self) -> None:
        """Say nothing of others again: it is this node that is cut off, as far as it knows."""
        for name in self._insisting.keys() - {self._table.me.name}:
            del self._insisting[name]

    def wake(self, now: float) -> None:
        """Say again what is due."""
        for name, insisted in list(self._insisting.items()):
            message = self._message(name)
            if message is not None and insisted.repeating.wake(now):
                self.say(message, insisted.beside)
            if message is None or insisted.repeating.often:
                del self._insisting[name]

    def next_due(self) -> float | None:
        """When `wake` is wanted next, or None."""
        return soonest([each.repeating.next_wake() for each in self._insisting.values()])

    def _message(self, name: str) -> Alive | Dead | None:
        """Return what is to be said of a member; None: it is not so any more, or this node has left."""
        me, member = self._table.me, self._table.get(name)
        if member is me:
            return me.as_alive() if me.live else None
        if member is None or member.status is not Status.DEAD or not me.live:
            return None
        return Dead(member.incarnation, name, me.name)
