"""Which backend gets which clients: slots, that a client's address and port are hashed to, over targets.

Weighted rendezvous hashing (Thaler and Ravishankar 1998), run as a race: each target draws moments for slots,
at a rate of its weight, from a stream that is its own; a slot is the first one's who draws it. So all nodes
have the same slots without a word, a target that goes loses only its slots, one that comes takes only what
becomes its own, and so with weights. It costs about `size * log(size)` draws however many targets there are,
where a score for each pair would cost their product.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from hashlib import shake_128
from math import inf, log
from struct import Struct
from typing import Final

from roost.model.forwarding import Target

__all__ = ["SIZES", "Slots", "size_for"]

SIZES: Final = (1021, 4093, 16381)  # primes: the kernel takes a hash modulo one of them
_EACH: Final = 64  # slots for each target, where there are enough: its share is right within an eighth or so
_BLOCK: Final = 128  # draws made at once
_SPARE: Final = 4.0  # rounds beyond the expected ones: with them one slot in e**4 tables stays empty
_WORDS: Final = Struct(f"<{2 * _BLOCK}I")  # a moment and a slot each
_WORD: Final = 1 << 32


def size_for(targets: int) -> int:
    """Return how many slots so many targets, in use or not, share out."""
    return next((size for size in SIZES if size >= _EACH * targets), SIZES[-1])


class Slots:
    """Shares slots out; it remembers the draws of the targets that it was asked for last."""

    def __init__(self) -> None:
        self._draws: dict[tuple[Target, int], _Draws] = {}

    def share(self, weights: Mapping[Target, int], size: int) -> tuple[Target, ...]:
        """Return whose each of `size` slots is; () when no target has a weight.

        Equal targets are one object, also in what was returned before: what has changed is found quickly.
        """
        in_order = sorted(weights.items(), key=lambda each: each[0].order)
        running = [(self._draws_of(target, size), weight) for target, weight in in_order if weight > 0]
        if not running:
            return ()
        horizon = (log(size) + _SPARE) / sum(weight for _, weight in running)
        owners = _race(running, size, horizon)
        while None in owners:
            horizon *= 2
            owners = _race(running, size, horizon)
        return tuple(owner for owner in owners if owner is not None)

    def keep(self, targets: Iterable[Target]) -> None:
        """Remember the draws of these targets alone."""
        wanted = frozenset(targets)
        self._draws = {key: draws for key, draws in self._draws.items() if key[0] in wanted}

    def _draws_of(self, target: Target, size: int) -> "_Draws":
        draws = self._draws.get((target, size))
        if draws is None:
            draws = self._draws[target, size] = _Draws(target, size)
        return draws


def _race(running: list[tuple["_Draws", int]], size: int, horizon: float) -> list[Target | None]:
    """Return who is first at each slot, None where nobody is before the horizon."""
    owners: list[Target | None] = [None] * size
    best = [inf] * size
    for draws, weight in running:
        count, target = draws.before(horizon * weight), draws.target
        moments: Iterable[float] = draws.moments[:count]
        if weight != 1:
            moments = [moment / weight for moment in moments]
        for moment, slot in zip(moments, draws.slots, strict=False):
            if moment < best[slot]:
                best[slot] = moment
                owners[slot] = target
    return owners


class _Draws:
    """The draws of one target at weight 1: moments that rise, each with a slot; the same on all nodes."""

    def __init__(self, target: Target, size: int) -> None:
        self.target = target
        self.moments = array("d")
        self.slots = array("H")
        self._name = str(target).encode()
        self._size = size
        self._blocks = 0

    def before(self, limit: float) -> int:
        """Return how many draws are not later than `limit`, after drawing that far."""
        while not self.moments or self.moments[-1] <= limit:
            self._draw()
        return bisect_right(self.moments, limit)

    def _draw(self) -> None:
        stream = shake_128(b"%b/%d" % (self._name, self._blocks)).digest(_BLOCK * 8)
        self._blocks += 1
        words = _WORDS.unpack(stream)
        now = self.moments[-1] if self.moments else 0.0
        for at in range(0, _BLOCK * 2, 2):
            now -= log((words[at] + 1) / _WORD) / self._size
            self.moments.append(now)
            self.slots.append(words[at + 1] * self._size >> 32)
