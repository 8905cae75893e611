"""Draining a node: it leads nothing while others can, and goes on serving who still sends to it.

wish (from here or from a peer) -> gossiped by the node itself -> every election passes it over
"""

from collections.abc import Callable, Iterable
from typing import Final

from roost.protocols.words.codec import encode
from roost.protocols.words.draining import Ask, Progress

__all__ = ["Drain"]

_REMEMBERED: Final = 64  # nodes whose progress is kept

Tell = Callable[[Iterable[str], bytes], None]


class Drain:
    """The wishes and the progress that node `me` knows of.

    `measure()` gives what this node leads, the packets for others' addresses that came so far, and the time
    of the last one by `clock()` (seconds). `changed()` is called when it begins or ends to drain.
    """

    def __init__(
        self,
        me: str,
        tell: Tell,
        *,
        measure: Callable[[], tuple[int, int, float]],
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.draining = False
        self._since = 0.0
        self._clock = clock
        self._me = me
        self._tell = tell
        self._measure = measure
        self._changed = changed
        self._heard: dict[str, Progress] = {}

    def wish(self, node: str, wish: bool | None) -> None:  # noqa: FBT001 - a wish is its own name
        """Pass a wish on to `node`, or carry it out here; None asks how far it is."""
        if node == self._me:
            self._carry_out(wish)
        else:
            self._tell([node], encode(Ask(self._me, node, wish)))

    def receive(self, message: Ask | Progress) -> None:
        """Take a peer's wish or its progress."""
        if isinstance(message, Progress):
            if message.node in self._heard or len(self._heard) < _REMEMBERED:
                self._heard[message.node] = message
        elif message.node == self._me:
            self._carry_out(message.wish)
            self._tell([message.sender], encode(self._own()))

    def progress(self, node: str) -> Progress | None:
        """Return how far `node` is by its own last word, or None before it has said any."""
        return self._own() if node == self._me else self._heard.get(node)

    def _own(self) -> Progress:
        leads, packets, last_packet = self._measure()
        quiet = max(0.0, self._clock() - max(last_packet, self._since))
        return Progress(self._me, self.draining, leads, packets, quiet)

    def _carry_out(self, wish: bool | None) -> None:  # noqa: FBT001 - a wish is its own name
        if wish is not None and wish != self.draining:
            self.draining, self._since = wish, self._clock()
            self._changed()
