"""Handing an address over without a moment in which nobody answers.

When the lead for an address goes to another living node, the old leader goes on answering until it
has heard the new one's claim on the wire, or a deadline has passed. A new leader that has answered all along
(two led after a split) claims nothing anew, so it is asked for. Losing the lead to nobody, or a service
that is gone, ends the answering at once. Pure: time comes in, addresses to ask for come out.
"""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.witness.budget import UNLIMITED, Budget

__all__ = ["HOLD", "Handover"]

HOLD: Final = 4.0  # seconds that an old leader waits for the new one's claim
_ASK_AT: Final = (0.03, 0.07, 0.1, 0.2)  # seconds, one after the other: most claims have come by the first
_ASK_INTERVAL: Final = 0.4  # seconds, from then on


class Handover:
    """Tracks the addresses that this node still answers although another node leads them now.

    What `budget` does not allow is asked for the next time.
    """

    def __init__(self, hold: float = HOLD, budget: Budget = UNLIMITED) -> None:
        self._budget = budget
        self._hold = hold
        self._held: dict[IPAddress, float] = {}  # -> until when
        self._unheard: set[IPAddress] = set()  # of what others share from now on, who answers for it
        self._next_ask: float | None = None
        self._asked = 0  # times, since an address was passed on last

    @property
    def held(self) -> AbstractSet[IPAddress]:
        """The addresses still answered for the sake of the handover."""
        return self._held.keys()

    def pass_on(self, addresses: Collection[IPAddress], now: float, hold: float | None = None) -> None:
        """Hold addresses that this node answered for and that another living node leads now.

        `hold` is for how many seconds at most, where it is not as long as always.
        """
        new = [address for address in addresses if address not in self._held]
        self._held.update(dict.fromkeys(new, now + (self._hold if hold is None else hold)))
        if new:
            self._asked = 0
            self._next_ask = now + _ASK_AT[0]

    def keep(self, address: IPAddress, now: float, seconds: float) -> None:
        """Hold an address that others share from now on, and never claim: for so long, once one answers."""
        if address not in self._held:
            self.pass_on([address], now, seconds)
            self._unheard.add(address)

    def answered(self, address: IPAddress) -> None:
        """Take note that one of those who share an address has answered for it."""
        self._unheard.discard(address)

    def let_go(self, addresses: Collection[IPAddress]) -> None:
        """Hold these no longer: this node leads them again, or nobody does."""
        for address in addresses:
            self._held.pop(address, None)
        self._unheard.difference_update(addresses)

    def claimed(self, address: IPAddress) -> bool:
        """Take note that another node was heard claiming `address`; tells whether it was held."""
        self._unheard.discard(address)
        return self._held.pop(address, None) is not None

    def wake(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        """Return (addresses to ask the LAN for now, addresses whose deadline has passed)."""
        over = frozenset(address for address in self._held if self._ends(address) <= now)
        self.let_go(over)
        if self._next_ask is None or self._next_ask > now:
            return frozenset(), over
        self._asked += 1
        self._next_ask = now + (_ASK_AT[self._asked] if self._asked < len(_ASK_AT) else _ASK_INTERVAL)
        return frozenset(each for each in self._held if self._budget.take(now, urgent=True)), over

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is held."""
        if not self._held:
            return None
        first = min(map(self._ends, self._held))
        return first if self._next_ask is None else min(first, self._next_ask)

    def _ends(self, address: IPAddress) -> float:
        """Return when to hold an address no longer, as it stands."""
        return self._held[address] + (self._hold if address in self._unheard else 0.0)
