"""What a node remembers for people: its events in every form in which they are asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from roost.model.event import Event, Happening
from roost.observe.event_store import EventStore
from roost.observe.events import Events
from roost.observe.fault_log import FaultLog
from roost.observe.histogram import Histogram
from roost.observe.history import History
from roost.observe.reach import Reach
from roost.observe.recent import Recent
from roost.observe.recorder import Recorder

__all__ = ["Records"]


class Records:
    """Follows `events`; what has to outlive the process is kept in `folder`, in files that begin with `stem`.

    `later(seconds, call)` is the event loop's.
    """

    def __init__(self, folder: Path, stem: str, later: Callable[[float, Callable[[], None]], object]) -> None:
        self.events = Events(later)
        self.history = History(_now)
        self.failovers = Histogram()  # from a lost leader's last sign of life to the announcement here
        self.faults = FaultLog(_now)
        self.reach = Reach()
        self.recent = Recent(_now)
        self.recorder = Recorder()
        self.event_store = EventStore(folder, stem, _now)
        for part in (self.history, self.recent, self.event_store, self.recorder):
            self.events.follow(part.follow)
        self.events.follow(self._measure)

    def close(self) -> None:
        """Write what is not on the disk yet."""
        self.event_store.close()

    def _measure(self, event: Event) -> None:
        moved = event.what in (Happening.LEAD_MOVED, Happening.SHARES_MOVED)
        if moved and (silent := event.facts.get("silent_s")) is not None:
            self.failovers.observe(silent)


def _now() -> datetime:
    return datetime.now(UTC)
