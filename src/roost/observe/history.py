"""Since when each service has its leader, and what changed it last: the memory behind `explain`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from roost.model.event import Event, Happening

__all__ = ["Change", "History"]


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of a service's leader: when (UTC) and why, in words for the operator."""

    leader: str | None
    since: datetime
    why: str


class History:
    """The last change of every service that is wanted now; forgets services that are not."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._started = clock()
        self._changes: dict[str, Change] = {}

    def follow(self, event: Event) -> None:
        """Take an event."""
        if event.what in (Happening.LEAD_MOVED, Happening.SHARES_MOVED):
            self.record(event.facts["service"], event.facts["to"], event.facts["why"])

    def record(self, service: str, leader: str | None, why: str) -> None:
        """Note that `service` is led by `leader` from now on."""
        self._changes[service] = Change(leader, self._clock(), why)

    def keep(self, services: Collection[str]) -> None:
        """Forget every service outside `services`."""
        self._changes = {name: change for name, change in self._changes.items() if name in services}

    def last(self, service: str) -> Change:
        """Return the last change of `service`; one that never had a leader dates from the start."""
        return self._changes.get(service) or Change(None, self._started, "no node could lead it so far")
