"""Asking who of those that share an address answers for it, and who of them is mute. Pure.

Each node that shares an address answers its peers' questions for it. Whom gossip sees and who does not answer
hangs, or starts, or does not know the address: those that watch it stand in for its askers until it is heard.
"""

import math
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.witness.budget import Budget

__all__ = ["RollCall"]

_ANSWER: Final = 0.045  # seconds for an answer
_ASKS: Final = 2
_AGAIN: Final = 0.25  # seconds between two calls while somebody is mute
_BATCH: Final = 50  # addresses asked for at once
_BREATH: Final = 0.02  # seconds between two batches
_FIRST_LOOK: Final = 0.02  # seconds until who comes is asked for


@dataclass(slots=True)
class _Call:
    due: float
    asked: int = 0
    heard: set[str] = field(default_factory=set)
    again: bool = False  # something has changed since it was asked for: who was heard may be mute now
    came: set[str] = field(default_factory=set)  # who is mute because it has just come: it was not asked


class RollCall:
    """The addresses called for, and who is mute; times are seconds.

    What `budget` does not allow yet is asked for later; None: there is no limit.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = budget or Budget(None)
        self._calls: dict[IPAddress, _Call] = {}
        self._mute: dict[IPAddress, frozenset[str]] = {}

    @property
    def incomplete(self) -> AbstractSet[IPAddress]:
        """The addresses for which somebody is mute."""
        return self._mute.keys()

    def mute(self, address: IPAddress) -> frozenset[str]:
        """Return who does not answer its share of `address`."""
        return self._mute.get(address, frozenset())

    def call(self, addresses: Iterable[IPAddress], now: float, *, twice: bool = False) -> None:
        """Ask for these; what is being asked for already is asked for again afterwards.

        What has just changed is asked for `twice`: an answer may be on its way from before.
        """
        for address in addresses:
            known = self._calls.get(address)
            if known is None:
                self._calls[address] = _Call(now, again=twice)
            elif known.asked:
                known.again = True
            else:
                known.due = min(known.due, now)
                known.again |= twice

    def take_for_mute(self, addresses: Iterable[IPAddress], name: str, now: float) -> list[IPAddress]:
        """Take that node `name` answers for none of these; return those of which that is news."""
        return self._take(addresses, name, now + _AGAIN)

    def expect(self, address: IPAddress, name: str, now: float) -> None:
        """Take node `name`, which has just come, for mute until it is heard, and soon ask whether it is."""
        if self._take([address], name, now + _FIRST_LOOK):
            self._calls[address].came.add(name)
        elif self._calls[address].asked:  # an answer may be on its way from when it stood in for somebody
            self._calls[address] = _Call(now + _FIRST_LOOK)

    def _take(self, addresses: Iterable[IPAddress], name: str, due: float) -> list[IPAddress]:
        news = [each for each in addresses if name not in self.mute(each)]
        for address in news:
            self._mute[address] = self.mute(address) | {name}
            call = self._calls.setdefault(address, _Call(due))
            if call.asked:  # what was heard of it was from before
                call.heard.discard(name)
                call.again = True
        return news

    def heard(self, address: IPAddress, name: str, now: float) -> None:
        """Take that node `name` answers for `address`; who was mute is called for at once."""
        call = self._calls.get(address)
        if call is not None and call.asked:
            call.heard.add(name)
        elif call is not None and name in self.mute(address):
            call.due = now

    def wake(
        self, now: float, expected: Callable[[IPAddress], frozenset[str]]
    ) -> tuple[frozenset[IPAddress], frozenset[IPAddress], frozenset[str]]:
        """Return (addresses to ask for now, those of which others are mute than before, who is newly mute).

        `expected` are those who should answer for an address.
        """
        if not self._calls:
            return frozenset(), frozenset(), frozenset()
        ask, changed, found = set[IPAddress](), set[IPAddress](), set[str]()
        for address in [each for each, call in self._calls.items() if call.due <= now]:
            call = self._calls[address]
            mute = expected(address) - call.heard if call.asked else None
            if mute is not None and (not mute or call.asked >= _ASKS):
                found |= mute - (self.mute(address) - call.came)
                if self._close(address, mute, now):
                    changed.add(address)
                if not call.again:
                    continue
                call = self._calls[address] = _Call(now)
            if len(ask) < _BATCH and self._budget.take(now, urgent=True):
                call.asked += 1
                call.due = now + _ANSWER
                ask.add(address)
            else:
                call.due = now + max(_BREATH, self._budget.wait(now, urgent=True))
        return frozenset(ask), frozenset(changed), frozenset(found)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is asked for."""
        if not self._calls:
            return None
        due = min(call.due for call in self._calls.values())
        return None if due == math.inf else due

    def _close(self, address: IPAddress, mute: frozenset[str], now: float) -> bool:
        """Take who is mute; tells whether others are than before."""
        before = self._mute.pop(address, frozenset())
        if mute:
            self._mute[address] = mute
            self._calls[address] = _Call(now + _AGAIN)
        else:
            del self._calls[address]
        return mute != before
