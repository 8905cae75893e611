"""Asking the LAN before answering, where what gossip says is not enough.

A node that has just started, or that did not run or hear anybody for a while, knows nothing that is fresh;
and whom gossip alone has lost may still answer. Such an address is answered only after nobody else did.
While a node that was away has heard nobody at all it may be deaf: then silence answers no question.
Pure: time comes in, addresses to ask for come out; the answers come as claims.
"""

import math
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from roost.model.address import IPAddress, in_order
from roost.protocols.witness.budget import UNLIMITED, Budget

__all__ = ["Asking"]

_AT: Final = (0.0, 0.55)  # parts of the patience at which an address is asked for: one frame may be lost
_ANSWER: Final = 0.06  # seconds for an answer
_BATCH: Final = 100  # addresses asked for at once, every:
_BREATH: Final = 0.02  # seconds


@dataclass(slots=True)
class _Question:
    since: float
    patience: float
    asked: int = 0
    heard: bool = False  # somebody answers, who will not go on

    @property
    def ends(self) -> float:
        return self.since + self.patience

    @property
    def asks(self) -> bool:
        return self.asked < len(_AT)

    @property
    def due(self) -> float:
        return self.since + self.patience * _AT[self.asked] if self.asks else self.ends


class Asking:
    """The addresses that this node would answer for, and asks for first; times are seconds.

    What `budget` does not allow yet is asked for later, and waits as much longer.
    """

    def __init__(self, budget: Budget = UNLIMITED) -> None:
        self._budget = budget
        self._open: dict[IPAddress, _Question] = {}
        self._away: float | None = None  # until when this node was, if nobody was heard since
        self._soonest = math.inf  # a bound: early is harmless, and a look at all for each claim is not cheap

    @property
    def open(self) -> AbstractSet[IPAddress]:
        """The addresses not to be answered for yet."""
        return self._open.keys()

    def begin(self, addresses: Iterable[IPAddress], now: float, patience: float) -> None:
        """Ask for these for `patience` seconds; what is being asked for already goes on as it is."""
        for address in in_order(addresses):
            self._open.setdefault(address, _Question(now, patience))
            self._soonest = min(self._soonest, now)

    def begin_anew(self, addresses: Iterable[IPAddress], now: float, patience: float) -> None:
        """Ask as for the first time: silence before now says nothing. Open questions keep their patience."""
        for address in in_order(addresses):
            known = self._open.pop(address, None)
            self.begin([address], now, known.patience if known else patience)

    @property
    def trusts_silence(self) -> bool:
        """Whether silence is an answer."""
        return self._away is None

    def distrust_silence(self, now: float) -> None:
        """Take silence for no answer until anybody is heard."""
        self._away = now

    def trust_silence(self, at: float, now: float) -> bool:
        """Learn that anybody was heard at `at`; tells whether anything is asked for anew."""
        if self._away is None or at < self._away:
            return False
        self._away = None
        over = [address for address, question in self._open.items() if question.ends <= now]
        self.begin_anew(over, now, 0.0)
        return bool(over)

    def heard(self, address: IPAddress) -> None:
        """Take note that somebody answers for `address`, to whom this node does not yield."""
        if question := self._open.get(address):
            question.heard = True

    def end(self, addresses: Collection[IPAddress]) -> None:
        """Ask no more for these."""
        for address in addresses:
            self._open.pop(address, None)

    def unanswered(self, now: float) -> frozenset[IPAddress]:
        """Return what was asked for, and nobody has answered for in the time that this takes."""
        return frozenset(
            address
            for address, question in self._open.items()
            if question.asked and not question.heard and now - question.since >= _ANSWER
        )

    def end_all(self) -> frozenset[IPAddress]:
        """Ask for nothing any more, as what is known is fresh; return what was asked for."""
        ended, self._open, self._away = frozenset(self._open), {}, None
        return ended

    def wake(self, now: float) -> tuple[frozenset[IPAddress], frozenset[IPAddress], frozenset[IPAddress]]:
        """Return (addresses to ask for now, those asked for long enough, those that nobody answers for)."""
        if now < self._soonest:
            return frozenset(), frozenset(), frozenset()
        ask: set[IPAddress] = set()
        free: set[IPAddress] = set()
        for address, question in self._open.items():
            if question.due > now:
                continue
            if question.asks:
                if len(ask) < _BATCH and self._budget.take(now, urgent=True):
                    question.asked += 1
                    # Who asks late waits late: the answer needs its time.
                    question.since = max(question.since, now - question.patience * _AT[question.asked - 1])
                    ask.add(address)
            elif self.trusts_silence:
                free.add(address)
        alone = frozenset(address for address in free if not self._open[address].heard)
        for address in free:
            del self._open[address]
        waiting = (each for each in self._open.values() if each.asks or self.trusts_silence)
        self._soonest = min((question.due for question in waiting), default=math.inf)
        if self._soonest <= now:  # some have to wait for others
            self._soonest = now + max(_BREATH, self._budget.wait(now, urgent=True))
        return frozenset(ask), frozenset(free), alone

    def next_wake(self) -> float | None:
        """When `wake` is wanted next, or None while nothing is asked for."""
        if not self._open:
            return None
        return self._soonest
