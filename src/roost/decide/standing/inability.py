"""Addresses that nodes cannot hold, by their own word: who cannot hold one does not lead it. Pure.

A host may have the address itself, or a service may not fit it. The word is told to everybody when it
changes, to whoever comes, and again now and then while there is anything to say: a lost message costs
moments.
"""

from collections.abc import Mapping
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.words.unable import UNABLE_LIMIT, Unable

__all__ = ["Inability"]

_AGAIN: Final = 2.0  # seconds
_NODES: Final = 1024  # remembered


class Inability:
    """What node `me` and the others cannot hold; times are seconds."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._unable: dict[str, frozenset[IPAddress]] = {}
        self._again: float | None = None
        self.spoken = False  # whether peers may remember an earlier word

    @property
    def by_node(self) -> Mapping[str, frozenset[IPAddress]]:
        """The addresses of each node that has any."""
        return self._unable

    @property
    def word(self) -> Unable:
        """What this node says."""
        own = self._unable.get(self._me, frozenset())
        first = sorted(own, key=lambda each: (each.version, int(each)))[:UNABLE_LIMIT]
        return Unable(self._me, tuple(first))

    def own(self, addresses: frozenset[IPAddress], now: float) -> bool:
        """Take what this host cannot hold; tells whether that changed, and so has to be told."""
        if addresses == self._unable.get(self._me, frozenset()):
            return False
        self._set(self._me, addresses)
        self.spoken = True
        self._again = now + _AGAIN if addresses else None
        return True

    def hear(self, word: Unable) -> bool:
        """Take the word of another node; tells whether that is news."""
        addresses = frozenset(word.addresses)
        if word.node == self._me or addresses == self._unable.get(word.node, frozenset()):
            return False
        self._set(word.node, addresses)
        return True

    def wake(self, now: float) -> bool:
        """Tell whether this node's word has to be said again."""
        if self._again is None or now < self._again:
            return False
        self._again = now + _AGAIN
        return True

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is nothing to say."""
        return self._again

    def _set(self, node: str, addresses: frozenset[IPAddress]) -> None:
        self._unable.pop(node, None)
        if addresses:
            self._unable[node] = addresses
            if len(self._unable) > _NODES:
                del self._unable[next(iter(self._unable))]
