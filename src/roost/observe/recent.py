"""The last events of a node, for who asks what has just happened."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from roost.model.event import Event, Happening, Level

__all__ = ["Recent", "Record"]

_MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Record:
    """An event and when it happened (UTC); `serial` counts all events since the start."""

    serial: int
    when: datetime
    event: Event


class Recent:
    """Keeps the last events; what only developers read is left out."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._records: deque[Record] = deque(maxlen=_MOST)
        self._serial = 0

    def follow(self, event: Event) -> None:
        """Take an event."""
        if event.level is Level.DEBUG or event.what is Happening.CLAIMED:  # any number of these may come
            return
        self._serial += 1
        self._records.append(Record(self._serial, self._clock(), event))

    def since(self, serial: int) -> Sequence[Record]:
        """Return what has happened after the event `serial`, oldest first."""
        return [record for record in self._records if record.serial > serial]
