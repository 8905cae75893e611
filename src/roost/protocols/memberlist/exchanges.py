"""Requests over TCP that this node has asked its driver for and that are not answered yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.effects import OpenExchange, Outbox
from roost.protocols.memberlist.messages import Message, PushPull

__all__ = ["Exchange", "Exchanges", "begun_just_now"]

_LIMIT: Final = 256
_FRESH: Final = 0.25  # seconds for which an exchange is left alone


@dataclass(frozen=True, slots=True)
class Exchange:
    """One open request: to whom, of which kind, since and until when it may be answered; to join or not."""

    target: Endpoint
    kind: type[Message]
    opened: float  # seconds
    deadline: float
    join: bool


class Exchanges:
    """The open requests by id, at most 256; a driver that never answers costs only its own place."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: dict[int, Exchange] = {}
        self._last = 0

    def open(self, target: Endpoint, request: Message, *, deadline: float, now: float) -> int | None:
        """Ask the driver for an exchange and return its id; None when too many are open."""
        if len(self._open) >= _LIMIT:
            self._open = {key: value for key, value in self._open.items() if value.deadline >= now}
        if len(self._open) >= _LIMIT:
            self._outbox.counters["exchanges_refused"] += 1
            return None
        self._last += 1
        join = isinstance(request, PushPull) and request.join
        self._open[self._last] = Exchange(target, type(request), now, deadline, join)
        self._outbox.counters["exchanges_opened"] += 1
        self._outbox.put(OpenExchange(self._last, target, request, deadline))
        return self._last

    def close(self, key: int) -> Exchange | None:
        """Take an exchange off the list; None when it is not open (any more)."""
        return self._open.pop(key, None)


def begun_just_now(exchanges: Iterable[tuple[Endpoint, float]], now: float) -> frozenset[Endpoint]:
    """Return with whom an exchange was begun just now, of all under way: (peer, since when), seconds.

    An older one may hang: its first SYN was lost, and TCP sends the next one after a second.
    """
    return frozenset(target for target, began in exchanges if now - began < _FRESH)
