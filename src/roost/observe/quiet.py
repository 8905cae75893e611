"""Saying a thing, and not for ever: what could flood a log is asked here first. Pure: time comes in."""

from collections.abc import Hashable
from typing import Final

__all__ = ["Once", "Quiet"]

_MOST: Final = 64  # keys


class Quiet:
    """Lets a line through per key and `interval` seconds, and at most `most` per interval over all keys.

    Keys may come from the network: no more than `most` are held, and who makes up new ones gains no line.
    """

    def __init__(self, interval: float, *, most: int = _MOST) -> None:
        self._interval = interval
        self._most = most
        self._until: dict[Hashable, float] = {}
        self._suppressed: dict[Hashable, int] = {}
        self._others = 0  # suppressed ones of keys that found no room

    def due(self, key: Hashable, now: float) -> int | None:
        """Tell whether a line about `key` may be written at `now`, in monotonic seconds.

        None means no. Otherwise it is the number of those that were left out before it, of this key and of
        keys that found no room.
        """
        if now < self._until.get(key, now):
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return None
        if key not in self._until and not self._has_room(now):
            self._others += 1
            return None
        self._until[key] = now + self._interval
        left_out, self._others = self._suppressed.pop(key, 0) + self._others, 0
        return left_out

    def _has_room(self, now: float) -> bool:
        if len(self._until) >= self._most:
            over = [key for key, until in self._until.items() if until <= now]
            for key in over:
                del self._until[key]
                self._others += self._suppressed.pop(key, 0)
        return len(self._until) < self._most


class Once:
    """Tells a complaint that was just made from a new one; `over` when all is well again."""

    def __init__(self) -> None:
        self._last: str | None = None

    def new(self, complaint: object) -> bool:
        """Tell whether `complaint` reads differently from the last one, and remember it."""
        text = str(complaint)
        is_new, self._last = text != self._last, text
        return is_new

    def over(self) -> None:
        """Forget the last complaint: the same one is new again."""
        self._last = None
