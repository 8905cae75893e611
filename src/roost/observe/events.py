"""The one stream of what happened: log lines, history, metrics and whoever else follows a node."""

import logging
import time
from collections.abc import Callable
from typing import Final

from roost.model.event import Event, Happening, Level
from roost.observe.quiet import Quiet

__all__ = ["Events"]

_log = logging.getLogger("roost.speaker")

_LEVELS: Final = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}

_CLAIMS: Final = 10.0  # seconds between two log lines about claims for one address
_NAMED: Final = 8  # services in one line
_LINES: Final = 16  # about claims for all addresses in that time
_SUBJECTS: Final = {"service": "services", "address": "addresses"}  # what many events alike are about
_TOGETHER: Final = 0.1  # seconds in which what happens to single addresses is one line

Follower = Callable[[Event], None]


class Events:
    """Hands each event to all followers, and to the log, in the order in which it happened.

    Claims may come at any rate, from ever new machines: the log gets some. What happens to many services or
    addresses, and is else the same, is one line. `later` calls a function after so many seconds; 0: once all
    has happened that does now.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], object] = lambda _, call: call()) -> None:
        self._later = later
        self._gathering: Happening | None = None
        self._gathered: dict[tuple[object, ...], list[Event]] = {}
        self._followers: list[Follower] = []
        self._quiet = Quiet(_CLAIMS, most=_LINES)

    def follow(self, follower: Follower) -> None:
        """Call `follower` with every event from now on."""
        self._followers.append(follower)

    def happened(self, event: Event) -> None:
        """Publish an event."""
        if event.what is not Happening.CLAIMED and event.facts.keys() & _SUBJECTS.keys():
            self._gather(event)
        else:
            self.flush()
            self._log(event)
        for follower in self._followers:
            follower(event)

    def flush(self) -> None:
        """Log what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for alike in gathered.values():
            first = alike[0]
            facts = dict(first.facts)
            if len(alike) > 1:
                subject = _subject(first)
                del facts[subject]
                names = [str(each.facts[subject]) for each in alike]
                more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
                facts = {_SUBJECTS[subject]: ", ".join([*names[:_NAMED], *more])} | facts
            _log.log(_LEVELS[first.level], "%s", first.text, extra=facts)

    def _gather(self, event: Event) -> None:
        own = (_subject(event), "silent_s")
        facts = str([fact for fact in event.facts.items() if fact[0] not in own])
        if event.what is not self._gathering:
            self.flush()
        is_first = not self._gathered
        self._gathering = event.what
        self._gathered.setdefault((event.level, event.text, facts), []).append(event)
        if is_first:
            self._later(0.0 if event.what is Happening.LEAD_MOVED else _TOGETHER, self.flush)

    def _log(self, event: Event) -> None:
        suppressed = 0
        if event.what is Happening.CLAIMED:
            due = self._quiet.due(event.facts["address"], time.monotonic())
            suppressed = -1 if due is None else due
        if suppressed >= 0:
            facts = dict(event.facts) | ({"suppressed": suppressed} if suppressed else {})
            _log.log(_LEVELS[event.level], "%s", event.text, extra=facts)


def _subject(event: Event) -> str:
    return next(each for each in _SUBJECTS if each in event.facts)
