"""The flight recorder: what was on the wire and decided of late, in bounded memory, always on.

    packet sockets, gossip, events -> three rings -> `since`, in the order in which it happened

A flood of one kind takes nothing from the others. To note a packet is to put it into a ring: nothing is read
in it or made of it before somebody asks.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from roost.model.event import Event, Happening, Level
from roost.protocols.machine import Endpoint

__all__ = ["Datagram", "Decision", "Entry", "Frame", "Recorder"]

_FRAMES: Final = 2 << 20  # bytes, as the next ones: with what keeping them takes
_GOSSIP: Final = 2 << 20
_DECISIONS: Final = 1 << 20
_KEPT: Final = 250  # bytes that an entry takes beside its packet
_EVENT: Final = 600  # bytes of an event, without its text


@dataclass(frozen=True, slots=True)
class Entry:
    """Something at a time, in nanoseconds since 1970; `serial` counts all that was noted."""

    serial: int
    when: int


@dataclass(frozen=True, slots=True)
class Frame(Entry):
    """A whole Ethernet frame, that went out on the link of that name, or came in."""

    link: str
    data: bytes
    sent: bool


@dataclass(frozen=True, slots=True)
class Datagram(Entry):
    """A packet of gossip as it was on the wire; `peer` is who got or sent it."""

    peer: Endpoint
    data: bytes
    sent: bool


@dataclass(frozen=True, slots=True)
class Decision(Entry):
    """What this node decided or found out."""

    event: Event


E = TypeVar("E", bound=Entry)


class _Ring(Generic[E]):
    """Keeps the fields of the last entries, of `most` bytes; `make` makes entries of them."""

    def __init__(self, make: Callable[..., E], most: int) -> None:
        self._make = make
        self._most = most
        self._size = 0
        self._entries: deque[tuple[int, tuple[object, ...]]] = deque()

    def put(self, size: int, *fields: object) -> None:
        size += _KEPT
        self._entries.append((size, fields))
        self._size += size
        while self._size > self._most:
            self._size -= self._entries.popleft()[0]

    def since(self, serial: int) -> list[E]:
        found = []
        for _, fields in reversed(self._entries):
            entry = self._make(*fields)
            if entry.serial <= serial:
                break
            found.append(entry)
        return found[::-1]


class Recorder:
    """Notes what passes; `clock` gives nanoseconds since 1970."""

    def __init__(self, clock: Callable[[], int] = time.time_ns, *, most: int | None = None) -> None:
        self._clock = clock
        self._serial = 0
        self._frames = _Ring(Frame, most or _FRAMES)
        self._gossip = _Ring(Datagram, most or _GOSSIP)
        self._decisions = _Ring(Decision, most or _DECISIONS)

    def frame(self, link: str, data: bytes, sent: bool) -> None:  # noqa: FBT001 - called for each packet
        """Note a frame on `link`."""
        self._serial += 1
        self._frames.put(len(data), self._serial, self._clock(), link, data, sent)

    def datagram(self, peer: Endpoint, data: bytes, sent: bool) -> None:  # noqa: FBT001 - as above
        """Note a packet of gossip."""
        self._serial += 1
        self._gossip.put(len(data), self._serial, self._clock(), peer, data, sent)

    def follow(self, event: Event) -> None:
        """Note an event; claims are on the wire already, and what only developers read is left out."""
        if event.level is Level.DEBUG or event.what is Happening.CLAIMED:
            return
        self._serial += 1
        self._decisions.put(_EVENT + len(event.text), self._serial, self._clock(), event)

    def since(self, serial: int) -> Iterator[Entry]:
        """Yield what was noted after the entry `serial` and is there still, oldest first."""
        rings = (self._frames.since(serial), self._gossip.since(serial), self._decisions.since(serial))
        return heapq.merge(*rings, key=lambda entry: entry.serial)
