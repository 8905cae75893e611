"""Draining a node: it leads nothing while others can, and goes on serving who still sends to it.

wish (from here or from a peer) -> gossiped by the node itself -> every election passes it over
done, and not undone for a while -> gossiped, too: somebody may have forgotten it

Pure.
"""

from collections.abc import Callable
from typing import Final

from roost.protocols.words.draining import Ask, Progress

__all__ = ["Drain"]

_REMEMBERED: Final = 64  # nodes whose progress is kept
_STANDS: Final = 30.0  # seconds after the last open connection,
_STANDS_AT_LAST: Final = 600.0  # or after the wish: some connections stay open for days
_LOOK: Final = 1.0  # seconds


class Drain:
    """The wishes and the progress that node `me` knows of; `since` is when its own wish came (seconds).

    It `stands` once it is done, and has not been undone for half a minute: no longer only work that goes on.

    `measure(now)` gives how many addresses this node leads, packets for others' so far, seconds without
    any, and connections for them that are open here.
    """

    def __init__(self, me: str, measure: Callable[[float], tuple[int, int, float, int]]) -> None:
        self.draining = False
        self.since = 0.0
        self.stands = False
        self._in_use = 0.0  # when connections were open here last
        self._look: float | None = None
        self._me = me
        self._measure = measure
        self._heard: dict[str, Progress] = {}

    def wish(self, wish: bool | None, now: float) -> bool:  # noqa: FBT001 - a wish is its own name
        """Take a wish for this node, None asks only; tells whether that changes anything."""
        if wish is None or wish == self.draining:
            return False
        self.draining, self.since, self.stands = wish, now, False
        self._in_use = now
        self._look = now + _LOOK if wish else None
        return True

    def wake(self, now: float) -> bool:
        """Look whether the drain stands; tells whether that is new."""
        if self._look is None or now < self._look:
            return False
        self._look = now + _LOOK
        *_, connections = self._measure(now)
        if connections:
            self._in_use = now
        self.stands = now - self._in_use >= _STANDS or now - self.since >= _STANDS_AT_LAST
        if self.stands:
            self._look = None
        return self.stands

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing can change."""
        return self._look

    def ask(self, wish: bool | None, node: str) -> Ask:  # noqa: FBT001 - a wish is its own name
        """Return the word that passes a wish on to another node."""
        return Ask(self._me, node, wish)

    def note(self, progress: Progress) -> None:
        """Take a peer's progress."""
        if progress.node in self._heard or len(self._heard) < _REMEMBERED:
            self._heard[progress.node] = progress

    def progress(self, node: str, now: float) -> Progress | None:
        """Return how far `node` is by its own last word, or None before it has said any."""
        return self.own(now) if node == self._me else self._heard.get(node)

    def own(self, now: float) -> Progress:
        """Return how far this node is."""
        leads, packets, quiet, connections = self._measure(now)
        quiet = max(0.0, min(quiet, now - self.since)) if self.draining else 0.0
        return Progress(self._me, self.draining, leads, packets, quiet, connections)
