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

Follower = Callable[[Event], None]


class Events:
    """Hands each event to all followers, and to the log, in the order in which it happened.

    Claims may come at any rate, from ever new machines: the log gets some. Services whose lead moves from one
    node to another for one reason are one line; `soon` calls a function once all has happened that does now.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object] = lambda call: call()) -> None:
        self._soon = soon
        self._moves: dict[tuple[object, ...], list[Event]] = {}
        self._followers: list[Follower] = []
        self._quiet = Quiet(_CLAIMS, most=_LINES)

    def follow(self, follower: Follower) -> None:
        """Call `follower` with every event from now on."""
        self._followers.append(follower)

    def happened(self, event: Event) -> None:
        """Publish an event."""
        if event.what in (Happening.LEAD_MOVED, Happening.SHARES_MOVED):
            self._gather(event)
        else:
            self.flush()
            self._log(event)
        for follower in self._followers:
            follower(event)

    def flush(self) -> None:
        """Log the moves that were gathered."""
        moves, self._moves = self._moves, {}
        for alike in moves.values():
            first = alike[0]
            facts = dict(first.facts)
            if len(alike) > 1:
                del facts["service"]
                names = [str(each.facts["service"]) for each in alike]
                more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
                facts = {"services": ", ".join([*names[:_NAMED], *more])} | facts
            _log.log(_LEVELS[first.level], "%s", first.text, extra=facts)

    def _gather(self, event: Event) -> None:
        is_first = not self._moves
        facts = event.facts
        alike = (
            *(event.what, event.level, facts.get("from"), facts.get("to"), facts.get("why")),
            *(str(facts.get("left")), str(facts.get("joined"))),
        )
        self._moves.setdefault(alike, []).append(event)
        if is_first:
            self._soon(self.flush)

    def _log(self, event: Event) -> None:
        suppressed = 0
        if event.what is Happening.CLAIMED:
            due = self._quiet.due(event.facts["address"], time.monotonic())
            suppressed = -1 if due is None else due
        if suppressed >= 0:
            facts = dict(event.facts) | ({"suppressed": suppressed} if suppressed else {})
            _log.log(_LEVELS[event.level], "%s", event.text, extra=facts)
