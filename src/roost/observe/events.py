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
_LINES: Final = 16  # about claims for all addresses in that time

Follower = Callable[[Event], None]


class Events:
    """Hands each event to all followers, and to the log, in the order in which it happened.

    Claims may come at any rate, from ever new machines: the log gets some.
    """

    def __init__(self) -> None:
        self._followers: list[Follower] = []
        self._quiet = Quiet(_CLAIMS, most=_LINES)

    def follow(self, follower: Follower) -> None:
        """Call `follower` with every event from now on."""
        self._followers.append(follower)

    def happened(self, event: Event) -> None:
        """Publish an event."""
        suppressed = 0
        if event.what is Happening.CLAIMED:
            due = self._quiet.due(event.facts["address"], time.monotonic())
            suppressed = -1 if due is None else due
        if suppressed >= 0:
            facts = dict(event.facts) | ({"suppressed": suppressed} if suppressed else {})
            _log.log(_LEVELS[event.level], "%s", event.text, extra=facts)
        for follower in self._followers:
            follower(event)
