"""Whether this node still hears of changes, and what it does when others do and it does not.

A node that lost its source goes on with what it knows: where all lost it, nothing moves. Where others still
hear of changes, they know better whose an address is now, so it gives way to their claims at once; after a
while it leads only what nobody else can, because it never hears of what is new. Like damping it says so
itself, and every election passes it over alike. Pure: time comes in.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["Freshness"]

_DEBOUNCE: Final = 2.0  # seconds in which a source may fail, or work again, before it counts
_OUTDATED_AFTER: Final = 30.0  # seconds: longer than other nodes need to find that they lost the source, too


class Freshness:
    """`blind` while the source tells nothing, `outdated` when it has told only others for long."""

    def __init__(self) -> None:
        self.blind = False
        self.outdated = False
        self._differs_since: float | None = None  # since when trouble and `blind` differ
        self._alone_since: float | None = None  # since when others are told and this node is not

    def look(self, now: float, *, troubled: bool, others_hear: Callable[[], bool]) -> bool:
        """Take whether the source is in trouble and whether any other node hears of changes.

        Tells whether `blind` or `outdated` changed. `others_hear` is asked only by a blind node.
        """
        before = self.blind, self.outdated
        self._differs_since = _since(self._differs_since, now, holds=troubled != self.blind)
        if self._differs_since is not None and now - self._differs_since >= _DEBOUNCE:
            self.blind, self._differs_since = troubled, None
        self._alone_since = _since(self._alone_since, now, holds=self.blind and others_hear())
        self.outdated = self._alone_since is not None and now - self._alone_since >= _OUTDATED_AFTER
        return before != (self.blind, self.outdated)


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    return (now if since is None else since) if holds else None
