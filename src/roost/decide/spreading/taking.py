"""Which nodes take connections of which addresses, by their own word. Pure.

A node that has just come may not have the address yet, or not know of it: nothing is sent there before it
says that it takes some. The word is told when it changes, to whoever comes, and again now and then: a lost
message costs moments.
"""

from collections.abc import Collection
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.protocols.bounded import remember
from roost.protocols.words.serials import next_serial
from roost.protocols.words.takes import Takes

__all__ = ["Taking"]

_AGAIN: Final = 2.0  # seconds
_WITHDRAWN: Final = 2  # how often it is said that an address is taken no more
_NODES: Final = 1024  # remembered
_ADDRESSES: Final = 4096  # of each


class Taking:
    """What node `me` and the others take; times are seconds of a clock that a restart does not set back."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._own: frozenset[IPAddress] = frozenset()
        self._withdrawn: dict[IPAddress, int] = {}
        self._serial = 0
        self._again: float | None = None
        self._of: dict[str, dict[IPAddress, tuple[int, bool]]] = {}  # -> serial of the word, and what it says

    def takes(self, node: str, address: IPAddress) -> bool:
        """Tell whether `node` takes connections of `address`, as far as is known."""
        if node == self._me:
            return address in self._own
        return self._of.get(node, {}).get(address, (0, False))[1]

    def own(self, addresses: frozenset[IPAddress], now: float) -> bool:
        """Take what this node takes; tells whether that changed, and so has to be told."""
        if addresses == self._own:
            return False
        self._withdrawn = {each: left for each, left in self._withdrawn.items() if each not in addresses}
        self._withdrawn |= dict.fromkeys(self._own - addresses, _WITHDRAWN)
        self._own = addresses
        self._serial = next_serial(self._serial, now)
        self._again = now + _AGAIN
        return True

    def words(self) -> list[Takes]:
        """Return what this node says."""
        rows = [(each, each in self._own) for each in in_order({*self._own, *self._withdrawn})]
        return list(Takes.batches(self._me, rows, self._serial))

    def hear(self, word: Takes) -> bool:
        """Take the word of another node; tells whether that is news."""
        if word.node == self._me:
            return False
        if word.node not in self._of:
            remember(self._of, word.node, {}, _NODES)
        known, news = self._of[word.node], False
        for address, takes in word.rows:
            serial, before = known.get(address, (0, False))
            if word.serial >= serial:
                remember(known, address, (word.serial, takes), _ADDRESSES)
                news |= takes != before
        return news

    def keep(self, nodes: Collection[str]) -> None:
        """Forget what others have said: who comes back may have begun to count anew."""
        self._of = {node: said for node, said in self._of.items() if node in nodes}

    def wake(self, now: float) -> bool:
        """Tell whether this node's word has to be said again."""
        if self._again is None or now < self._again:
            return False
        self._withdrawn = {each: left - 1 for each, left in self._withdrawn.items() if left > 1}
        self._again = now + _AGAIN if self._own or self._withdrawn else None
        return True

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is nothing to say."""
        return self._again
