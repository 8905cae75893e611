"""The one stream of what happened: log lines, history, metrics and whoever else follows a node."""

import logging
from collections.abc import Callable
from typing import Final

from roost.model.event import Event, Level

__all__ = ["Events"]

_log = logging.getLogger("roost.speaker")

_LEVELS: Final = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}

Follower = Callable[[Event], None]


class Events:
    """Hands each event to the log and to all followers, in the order in which it happened."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Call `follower` with every event from now on."""
        self._followers.append(follower)

    def happened(self, event: Event) -> None:
        """Publish an event."""
        _log.log(_LEVELS[event.level], "%s", event.text, extra=dict(event.facts))
        for follower in self._followers:
            follower(event)
