"""When a simulated process runs, and what waits for it meanwhile.

A frozen or slow process finds in its buffers what came in; what those cannot hold is lost. After a stretch
without running, which buffer it looks at first is open, and whether before or after its timers.
"""

import random
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

__all__ = ["Action", "Inbox", "Queue"]

_LIMIT: Final = 200  # datagrams or frames that a socket buffer holds

Action = Callable[[float], None]  # takes the time on the host's scale


class Queue(IntEnum):
    """Where something waits."""

    FRAMES = 0
    GOSSIP = 1
    EVENTS = 2  # of the kernel, and streams
    BESIDE = 3  # gossip in frames


class Inbox:
    """What has come in and was not handled yet, in bounded queues."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._queues: tuple[deque[Action], ...] = tuple(deque() for _ in Queue)

    def put(self, queue: Queue, action: Action) -> None:
        """Let `action` wait, unless the buffer is full."""
        waiting = self._queues[queue]
        if len(waiting) < _LIMIT:
            waiting.append(action)

    def drain(self, timers: Action) -> list[Action]:
        """Return everything in an order that the machine may meet it in; `timers` are due, too."""
        *batches, beside = [list(waiting) for waiting in self._queues]
        batches.append([timers])
        if beside:  # else runs without any are as they were before there were frames
            batches.append(beside)
        self._chance.shuffle(batches)
        self.clear()
        return [action for batch in batches for action in batch]

    def clear(self) -> None:
        """Lose everything."""
        for waiting in self._queues:
            waiting.clear()
