"""What this node has to tell everybody, until each item was sent often enough (memberlist `queue.go`)."""

import math
from bisect import bisect_left, insort
from typing import Final

__all__ = ["BroadcastQueue", "transmit_limit"]

_MISSES: Final = 8  # items that do not fit before a packet counts as full

_Rank = tuple[int, int, str]  # times sent, minus the serial number, member: the order of sending


def transmit_limit(multiplier: int, members: int) -> int:
    """Return how often a broadcast is sent among `members` members before it is dropped."""
    return multiplier * math.ceil(math.log10(members + 1))


class BroadcastQueue:
    """At most `limit` encoded messages, one per member: a newer one replaces the older.

    Those sent least go first, among them the newest; when the queue is full, the last in that order
    is lost (push/pull repairs it).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._order: list[_Rank] = []
        self._items: dict[str, tuple[_Rank, bytes]] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, member: str) -> bool:
        return member in self._items

    def put(self, member: str, message: bytes) -> None:
        """Queue an encoded message about `member`."""
        self.discard(member)
        if len(self._order) >= self._limit:
            self.discard(self._order[-1][2])
        self._serial += 1
        self._insert((0, -self._serial, member), message)

    def discard(self, member: str) -> None:
        """Forget what is queued about `member`, if anything."""
        item = self._items.pop(member, None)
        if item is not None:
            del self._order[bisect_left(self._order, item[0])]

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self._items.clear()

    def keep_only(self, member: str) -> None:
        """Forget everything but what is queued about `member`."""
        for other in [name for name in self._items if name != member]:
            self.discard(other)

    def take(self, size: int, *, overhead: int, transmits: int, count: int) -> list[bytes]:
        """Return up to `count` messages for one packet and count them as sent.

        `size` bytes must hold them with `overhead` bytes for each; a message that was sent
        `transmits` times is dropped.
        """
        picked = self._pick(size, overhead, count)
        messages = []
        for rank in picked:
            sent, serial, member = rank
            message = self._items[member][1]
            messages.append(message)
            self.discard(member)
            if sent + 1 < transmits:
                self._insert((sent + 1, serial, member), message)
        return messages

    def _pick(self, size: int, overhead: int, count: int) -> list[_Rank]:
        picked: list[_Rank] = []
        misses = 0
        for rank in self._order:
            if misses >= _MISSES or len(picked) >= count:
                break
            needed = len(self._items[rank[2]][1]) + overhead
            if needed <= size:
                size -= needed
                picked.append(rank)
            else:
                misses += 1
        return picked

    def _insert(self, rank: _Rank, message: bytes) -> None:
        self._items[rank[2]] = (rank, message)
        insort(self._order, rank)
