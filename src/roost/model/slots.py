"""Which backend gets which clients: slots, that a client's address and port are hashed to, over targets.

Weighted rendezvous hashing (Thaler and Ravishankar 1998), run as a race: each target draws moments for slots,
at a rate of its weight, from a stream that is its own; a slot is the first one's who draws it. So all nodes
have the same slots without a word, a target that goes loses only its slots, one that comes takes only what
becomes its own, and so with weights. It costs about `size * log(size)` draws however many targets there are,
where a score for each pair would cost their product. After a change, only the slots that it touches are raced
for again.
"""

from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from hashlib import shake_128
from math import inf, log, nan
from struct import Struct
from typing import Final
from weakref import WeakValueDictionary

from roost.model.forwarding import Target

__all__ = ["SIZES", "Slots", "size_for"]

SIZES: Final = (1021, 4093, 16381)  # primes: the kernel takes a hash modulo one of them
_EACH: Final = 64  # slots for each target, where there are enough: its share is right within an eighth or so
_BLOCK: Final = 128  # draws made at once
_SHORT: Final = 8.0  # rounds (draws for each slot): after them one slot in hundreds is still free
_SPARE: Final = 4.0  # rounds beyond the expected ones: with them one slot in e**4 tables stays empty
_MUCH: Final = 20  # one target in so many: where more have changed, to begin anew takes less time
_WORDS: Final = Struct(f"<{2 * _BLOCK}I")  # a moment and a slot each
_WORD: Final = 1 << 32


def size_for(targets: int) -> int:
    """Return how many slots so many targets, in use or not, share out."""
    return next((size for size in SIZES if size >= _EACH * targets), SIZES[-1])


class Slots:
    """Shares the slots of pools out; it remembers how it shared them out last."""

    def __init__(self) -> None:
        self._pools: dict[Hashable, _Pool] = {}
        self._known: _Known = WeakValueDictionary()

    def share(self, pool: Hashable, weights: Mapping[Target, int], size: int) -> tuple[Target, ...]:
        """Return whose each of the pool's `size` slots is; () when no target has a weight.

        That depends on weights and size alone; what was shared out before, as `pool`, makes it fast.
        Equal targets are one object, also in what was returned then: what has changed is found quickly.
        """
        known = self._pools.get(pool)
        if known is None or known.size != size:
            known = self._pools[pool] = _Pool(size)
        return known.share(weights, self._known)

    def keep(self, pools: Iterable[Hashable]) -> None:
        """Remember these pools alone."""
        wanted = frozenset(pools)
        self._pools = {name: pool for name, pool in self._pools.items() if name in wanted}


class _Pool:
    """The slots of one pool: their owners, who would be next, and the moments at which they drew a slot.

    When an owner is lost its slots are the next ones'. Then the moment of who is next is not a number: nobody
    knows who that is, until somebody comes who draws the slot sooner than its owner.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._running: dict[Target, _Runner] = {}
        self._shared: tuple[Target, ...] = ()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._owners: list[Target | None] = [None] * self.size
        self._moments = [inf] * self.size
        self._next: list[Target | None] = [None] * self.size
        self._next_moments = [inf] * self.size
        self._free = set(range(self.size))  # slots that everybody races for

    def share(self, weights: Mapping[Target, int], known: "_Known") -> tuple[Target, ...]:
        """Return whose each slot is by these weights; who has drawn before is `known`."""
        before = self._running
        self._running = {}
        staying, coming = list[_Runner](), list[_Runner]()
        for target, weight in weights.items():
            runner = before.get(target)
            if runner is not None and runner[1] == weight:
                staying.append(runner)
            elif weight > 0:
                runner = _draws_of(target, self.size, known), weight
                coming.append(runner)
            if runner is not None and weight > 0:
                self._running[runner[0].target] = runner
        lost = len(before) - len(staying)
        if coming or lost:
            if _MUCH * (len(coming) + lost) < len(staying):
                stay = set(map(id, staying))
                self._release([each for each in before.values() if id(each) not in stay])
                self._race(staying, coming)
            else:
                self._begin_anew()
                self._race([], list(self._running.values()))
            self._shared = tuple(owner for owner in self._owners if owner is not None)
        return self._shared

    def _release(self, lost: Sequence["_Runner"]) -> None:
        """Take their slots from those who are lost."""
        for draws, _ in lost:
            for slot in draws.slots:
                if self._next[slot] is draws.target:
                    self._next[slot], self._next_moments[slot] = None, nan
        for draws, _ in lost:
            for slot in draws.slots:
                if self._owners[slot] is draws.target:
                    self._inherit(slot)

    def _inherit(self, slot: int) -> None:
        """Give a slot to who is next; it is free where nobody knows who that is."""
        if self._next_moments[slot] < inf:
            self._owners[slot], self._moments[slot] = self._next[slot], self._next_moments[slot]
        else:
            self._owners[slot], self._moments[slot] = None, inf
            self._free.add(slot)
        self._next[slot], self._next_moments[slot] = None, nan

    def _race(self, staying: Sequence["_Runner"], coming: Sequence["_Runner"]) -> None:
        """Give each slot to who draws it first: all race for the free ones, who comes for all others, too.

        It goes in legs: what is drawn in one takes no slot from who drew it in a leg before.
        """
        if not self._running:
            return
        total = sum(weight for _, weight in self._running.values())
        enough = (log(self.size) + _SPARE) / total
        begin, end = 0.0, _SHORT / total if staying else enough
        while True:
            for runner in coming:
                self._run(runner, begin, end)
            for runner in staying if self._free else ():
                draws, weight = runner
                if not self._free.isdisjoint(draws.slots[draws.between(begin * weight, end * weight)]):
                    self._run(runner, begin, end)
            self._free = {slot for slot in self._free if self._moments[slot] > end}
            if max(self._moments) <= end:
                break
            begin, end = end, max(enough, 2 * end)
        if coming:  # what they draw after that may be sooner than who is known to be next
            self._next_moments = [moment if moment <= end else nan for moment in self._next_moments]

    def _run(self, runner: "_Runner", begin: float, end: float) -> None:
        """Let one race for all slots, from one moment to another."""
        draws, weight = runner
        target, owners, best = draws.target, self._owners, self._moments
        after, next_best = self._next, self._next_moments
        drawn = draws.between(begin * weight, end * weight)
        moments: Iterable[float] = draws.moments[drawn]
        if weight != 1:
            moments = [moment / weight for moment in moments]
        for moment, slot in zip(moments, draws.slots[drawn], strict=True):
            if moment <= best[slot]:
                owner = owners[slot]
                if owner is None:
                    best[slot], owners[slot] = moment, target
                elif owner is not target and (moment < best[slot] or target < owner):
                    next_best[slot], after[slot] = best[slot], owner
                    best[slot], owners[slot] = moment, target
            elif moment < next_best[slot] and owners[slot] is not target:
                next_best[slot], after[slot] = moment, target


class _Draws:
    """The draws of one target at weight 1: moments that rise, each with a slot; the same on all nodes."""

    def __init__(self, target: Target, size: int) -> None:
        self.target = target
        self.moments = array("d")
        self.slots = array("H")
        self._name = str(target).encode()
        self._size = size
        self._blocks = 0

    def between(self, begin: float, end: float) -> slice:
        """Return the places of draws later than `begin` and not later than `end`, after drawing that far."""
        while not self.moments or self.moments[-1] <= end:
            self._draw()
        return slice(bisect_right(self.moments, begin), bisect_right(self.moments, end))

    def _draw(self) -> None:
        stream = shake_128(b"%b/%d" % (self._name, self._blocks)).digest(_BLOCK * 8)
        self._blocks += 1
        words = _WORDS.unpack(stream)
        now = self.moments[-1] if self.moments else 0.0
        for at in range(0, _BLOCK * 2, 2):
            now -= log((words[at] + 1) / _WORD) / self._size
            self.moments.append(now)
            self.slots.append(words[at + 1] * self._size >> 32)


_Runner = tuple[_Draws, int]  # with its weight
_Known = WeakValueDictionary[tuple[Target, int], _Draws]  # by target and number of slots


def _draws_of(target: Target, size: int, known: _Known) -> _Draws:
    draws = known.get((target, size))
    if draws is None:
        draws = known[target, size] = _Draws(target, size)
    return draws
