"""Asking now and then for what this node answers itself, while gossip may not reach others that are there.

Two that answer for one address do not hear each other's answers, which go to the askers alone. A question by
one of them is answered by the other, and one claim is enough to settle everything between them. Pure.
"""

import math
from collections.abc import Collection
from typing import Final

from roost.model.address import IPAddress
from roost.protocols.witness.budget import UNLIMITED, Budget

__all__ = ["Patrol"]

_INTERVAL: Final = 0.25  # seconds: a few packets per second are within any budget
_HURRY: Final = 1.0  # seconds for which it asks, once another has been found:
_HURRIED: Final = 0.08  # at this interval (seconds)
_TOGETHER: Final = 8  # and for so many addresses at once


class Patrol:
    """Goes round the addresses that are answered here, a few at a time; times are seconds.

    What `budget` does not allow is asked for in the next round.
    """

    def __init__(self, budget: Budget = UNLIMITED) -> None:
        self._budget = budget
        self._doubt = False
        self._hurried_until = -math.inf
        self._due: float | None = None
        self._round: list[IPAddress] = []

    def doubt(self, now: float, *, holds: bool) -> None:
        """Take whether there may be others that gossip does not reach."""
        self._doubt = holds
        if holds and self._due is None:
            self._due = now + _INTERVAL

    def look_again(self, address: IPAddress, now: float, after: float) -> None:
        """Ask for `address` next, `after` seconds from now: somebody else has just claimed it."""
        self._round.append(address)
        self._due = min(self._due or math.inf, now + after)

    def hurry(self, now: float) -> None:
        """Ask for all soon: another that gossip does not reach answers for one, and may for the others."""
        if now > self._hurried_until and not self._budget.limited:
            self._hurried_until = now + _HURRY
            self._due = min(self._due or math.inf, now + _HURRIED)

    def wake(self, now: float, answered: Collection[IPAddress], most: int = 1) -> frozenset[IPAddress]:
        """Return up to `most` addresses to ask for now, if it is time for some."""
        if self._due is None or now < self._due:
            return frozenset()
        hurried = now <= self._hurried_until
        if hurried:
            most = max(most, _TOGETHER)
        self._due = now + (_HURRIED if hurried else _INTERVAL) if self._doubt or hurried else None
        chosen = self._next(answered, most)
        if len(chosen) < most:  # also where one is disputed, and looked at again and again: it is not alone
            self._round = [each for each in answered if each not in chosen]
            chosen |= self._next(answered, most - len(chosen))
        return frozenset(each for each in chosen if self._budget.take(now, urgent=True))

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while there is no doubt."""
        return self._due

    def _next(self, answered: Collection[IPAddress], most: int) -> frozenset[IPAddress]:
        """Take up to `most` of this round that are answered still."""
        chosen: set[IPAddress] = set()
        while self._round and len(chosen) < most:
            address = self._round.pop()
            if address in answered:
                chosen.add(address)
        return frozenset(chosen)
