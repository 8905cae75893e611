"""Addresses that nodes cannot hold, by their own word: who cannot hold one does not lead it. Pure.

A host may have the address itself, or a service may not fit it. The word is told to everybody when it
changes, again a few times, to whoever comes, and now and then while there is anything to say.
"""

from collections.abc import Mapping
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.protocols.bounded import remember
from roost.protocols.repeating import Repeating
from roost.protocols.words.serials import next_serial
from roost.protocols.words.unable import UNABLE_LIMIT, Unable

__all__ = ["Inability"]

_NODES: Final = 1024  # remembered


class Inability:
    """What node `me` and the others cannot hold; times are seconds."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._unable: dict[str, frozenset[IPAddress]] = {}
        self._repeating = Repeating()
        self._serial = 0  # of this node's last word
        self._serials: dict[str, int] = {}  # of the others'

    @property
    def by_node(self) -> Mapping[str, frozenset[IPAddress]]:
        """The addresses of each node that has any."""
        return self._unable

    @property
    def spoken(self) -> bool:
        """Whether peers may remember a word of this node."""
        return self._serial > 0

    @property
    def word(self) -> Unable:
        """What this node says."""
        own = self._unable.get(self._me, frozenset())
        first = in_order(own)[:UNABLE_LIMIT]
        return Unable(self._me, tuple(first), self._serial)

    def own(self, addresses: frozenset[IPAddress], now: float) -> bool:
        """Take what this host cannot hold; tells whether that changed, and so has to be told."""
        if addresses == self._unable.get(self._me, frozenset()):
            return False
        self._set(self._me, addresses)
        self._serial = next_serial(self._serial, now)
        self._repeating.begin(now)
        return True

    def hear(self, word: Unable) -> bool:
        """Take the word of another node; tells whether that is news."""
        addresses = frozenset(word.addresses)
        if word.node == self._me or word.serial < self._serials.get(word.node, 0):
            return False
        remember(self._serials, word.node, word.serial, _NODES)
        if addresses == self._unable.get(word.node, frozenset()):
            return False
        self._set(word.node, addresses)
        return True

    def came(self, node: str) -> None:
        """Take that a node is there again: it may have begun to count anew, and says what it has to say."""
        self._serials.pop(node, None)

    def wake(self, now: float) -> bool:
        """Tell whether this node's word has to be said again."""
        due = self._repeating.wake(now)
        if due and self._repeating.often and self._me not in self._unable:
            self._repeating.end()
        return due

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is nothing to say."""
        return self._repeating.next_wake()

    def _set(self, node: str, addresses: frozenset[IPAddress]) -> None:
        if addresses:
            remember(self._unable, node, addresses, _NODES)
        else:
            self._unable.pop(node, None)
