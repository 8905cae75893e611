"""Looking that a new leader is really there, and standing in for one that is not.

An address that has moved to another node is awaited: its claim is heard by everybody. When no claim comes,
the next in rank asks for it; when nobody answers, it answers itself, until the leader is heard. So a
successor that hangs, or that does not know the address, costs moments. Pure: time comes in, addresses to
ask for come out.
"""

import math
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.protocols.witness.budget import UNLIMITED, Budget

__all__ = ["Succession"]

WAIT: Final = 0.07  # seconds for the claim of the new leader, once more for each node between it and this one
_ANSWER: Final = 0.045  # seconds for an answer
_ASKS: Final = 2
_FEW: Final = 20  # addresses awaited at once; with more, claims and answers come one by one:
_EACH: Final = 0.001  # seconds that everything takes longer for each further one
_BATCH: Final = 100  # addresses asked for at once
_BREATH: Final = 0.02  # seconds between two batches
_RESUMED: Final = 0.5  # seconds in which a leader that was awaited in vain, and led no more, is awaited on


@dataclass(slots=True)
class _Awaited:
    leader: str
    since: float
    due: float
    asked: int = 0
    question: bool = False  # only an answer to a question counts
    claimed: bool = False  # by its leader, before it was known whether that hears


class Succession:
    """The addresses that others lead now and that were not heard from since; times are seconds.

    What `budget` does not allow yet is asked for later.
    """

    def __init__(self, budget: Budget = UNLIMITED) -> None:
        self._budget = budget
        self._awaited: dict[IPAddress, _Awaited] = {}
        self._mute: dict[IPAddress, str] = {}  # -> who leads it and was not heard
        self._given_up: dict[IPAddress, _Awaited] = {}  # not heard, but something else was decided
        self._soonest = math.inf  # a bound: early is harmless, and a look at all for each claim is not cheap

    @property
    def stood_in(self) -> AbstractSet[IPAddress]:
        """The addresses that this node answers in place of their leader."""
        return self._mute.keys()

    def instead_of(self, address: IPAddress) -> str | None:
        """Return the leader of `address` that this node stands in for, or None."""
        return self._mute.get(address)

    def expect(
        self, address: IPAddress, leader: str, now: float, *, wait: float, question: bool = False
    ) -> None:
        """Await a claim of `leader` within `wait` seconds; standing in for somebody else is over.

        A lead that goes to and fro begins nothing anew: its leader was silent all along.
        With `question` it has to answer one: what comes earlier may be from before what it is doubted for.
        """
        if self._mute.get(address) == leader:
            return
        self._mute.pop(address, None)
        known = self._awaited.get(address)
        if known is None or known.leader != leader:
            since = self._silent_since(address, leader, now)
            due = max(now, since + wait)
            self._awaited[address] = _Awaited(leader, since, due, question=question)
            self._soonest = min(self._soonest, due)
        else:
            known.question |= question

    def stand_in(self, address: IPAddress, leader: str) -> None:
        """Stand in for `leader` at once: it was awaited long enough."""
        self._awaited.pop(address, None)
        self._mute[address] = leader

    def forget(self, addresses: Iterable[IPAddress]) -> None:
        """Await nothing for these, and stand in for nobody."""
        for address in addresses:
            if (awaited := self._awaited.pop(address, None)) is not None:
                self._given_up[address] = awaited
            self._mute.pop(address, None)

    def awaits(self, address: IPAddress) -> bool:
        """Tell whether a claim of its leader is due."""
        return address in self._awaited

    def heard(self, address: IPAddress) -> None:
        """Take note that another node answers for `address`."""
        self._given_up.pop(address, None)
        awaited = self._awaited.get(address)
        if awaited is not None and (awaited.asked or not awaited.question):
            del self._awaited[address]

    def claimed(self, address: IPAddress, peer: str) -> None:
        """Take note that `peer` says that it answers for `address`; it may be that it hears no questions."""
        awaited = self._awaited.get(address)
        if awaited is not None and awaited.leader == peer:
            awaited.claimed = True

    def claimed_by(self, address: IPAddress) -> str | None:
        """Return the awaited leader of `address` that claimed it so, or None."""
        awaited = self._awaited.get(address)
        if awaited is None or awaited.question or not awaited.claimed:
            return None
        return awaited.leader

    def heard_leader(self, address: IPAddress) -> bool:
        """Take note that its leader, or one before this node, claims it; tells whether this one stood in."""
        self._awaited.pop(address, None)
        self._given_up.pop(address, None)
        return self._mute.pop(address, None) is not None

    def wake(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress]]:
        """Return (addresses to ask for now, addresses to answer for from now on: nobody else does)."""
        if now < self._soonest:
            return frozenset(), frozenset()
        crowd = self._crowd()
        self._given_up = {
            each: awaited for each, awaited in self._given_up.items() if now - awaited.since < _RESUMED
        }
        ask: set[IPAddress] = set()
        mute: set[IPAddress] = set()
        for address, awaited in self._awaited.items():
            if awaited.due + crowd > now:
                continue
            if awaited.asked >= _ASKS:
                mute.add(address)
            elif len(ask) < _BATCH and self._budget.take(now, urgent=True):
                awaited.asked += 1
                awaited.due = now + _ANSWER
                ask.add(address)
            else:
                awaited.due = now + max(_BREATH, self._budget.wait(now, urgent=True))
        for address in in_order(mute):
            self._mute[address] = self._awaited.pop(address).leader
        crowd = self._crowd()
        self._soonest = min((awaited.due for awaited in self._awaited.values()), default=math.inf) + crowd
        return frozenset(ask), frozenset(mute)

    def _silent_since(self, address: IPAddress, leader: str, now: float) -> float:
        """Return since when `leader` was not heard: from before the lead left it, where that was just now."""
        before = self._given_up.pop(address, None)
        if before is None or before.leader != leader or now - before.since >= _RESUMED:
            return now
        return before.since

    def _crowd(self) -> float:
        return _EACH * max(0, len(self._awaited) - _FEW)

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is awaited."""
        return self._soonest if self._awaited else None
