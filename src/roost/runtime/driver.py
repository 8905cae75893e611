"""The one place that arms, wakes and flushes machines on asyncio. Times are the loop's."""

import asyncio
from collections.abc import Callable
from typing import Final

from roost.protocols.machine import Effect, Machine

__all__ = ["Driver"]

_SHORTEST_SLEEP: Final = 0.001  # seconds: a machine that never has enough must not take the loop
_REARM: Final = (
    0.005  # seconds: a wake in vain costs more than to arm again, a timer that is hardly early less
)


class Driver:
    """Drives `machine`: its effects go to `carry_out`, one after the other.

    `before_wake()` reads what has arrived: an answer that is here already must not count as missing.
    `after_wake()` may bring the machine what a wake has asked for. `failed` gets what a wake raised: a
    machine that cannot be woken does nothing any more.
    """

    def __init__(
        self,
        machine: Machine,
        carry_out: Callable[[Effect], None],
        *,
        before_wake: Callable[[], None] = lambda: None,
        after_wake: Callable[[], None] = lambda: None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._machine = machine
        self._carry_out = carry_out
        self._before_wake = before_wake
        self._after_wake = after_wake
        self._failed = failed
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._again = False
        self._running = False

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._running = True
        self.flush()

    def stop(self) -> None:
        """Wake the machine no more, and carry out nothing."""
        self._running = False
        self._disarm()

    def flush(self) -> None:
        """Carry out what the machine wants; to be called after every call of its methods."""
        if not self._running:
            return
        if self._flushing:
            self._again = True  # carrying out an effect has called the machine: the loop below sees to it
            return
        try:
            self._carry_out_all()
        finally:
            self._arm()

    def _carry_out_all(self) -> None:
        self._flushing = self._again = True
        try:
            while self._again:
                self._again = False
                for effect in tuple(self._machine.effects()):
                    self._carry_out(effect)
        finally:
            self._flushing = False

    def _wake(self) -> None:
        self._timer = None
        try:
            self._flushing = True  # what is read now the wake sees to
            self._before_wake()
            self._machine.wake(self._loop.time())
            if self._running:  # what was read may have stopped it
                self._carry_out_all()
                self._flushing, self._again = True, False
                self._after_wake()
                if self._again:
                    self._carry_out_all()
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(error)
        finally:
            self._flushing = False
            self._arm()

    def _arm(self) -> None:
        wanted = self._machine.next_wake() if self._running else None
        if wanted is None:
            self._disarm()
            return
        when = max(wanted, self._loop.time() + _SHORTEST_SLEEP)
        if self._timer is None or not 0 <= when - self._timer.when() <= _REARM:
            self._disarm()
            self._timer = self._loop.call_at(when, self._wake)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
