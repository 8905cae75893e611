"""Work in a thread that is hardly ever in the event loop's way."""

import asyncio
import sys
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

__all__ = ["beside_the_loop"]

_SWITCH: Final = 0.0002  # seconds that a busy thread keeps the interpreter from the event loop

P = ParamSpec("P")
T = TypeVar("T")


class _Switching:
    """The interpreter's switch interval: short while anybody works beside the loop."""

    def __init__(self) -> None:
        self._working = 0
        self._before = 0.0

    def begin(self) -> None:
        if self._working == 0:
            self._before = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH)
        self._working += 1

    def end(self) -> None:
        self._working -= 1
        if self._working == 0:
            sys.setswitchinterval(self._before)


_switching = _Switching()


async def beside_the_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Let `work` run in a thread.

    Each time that the loop asks the kernel for something it gives up the interpreter, and a busy thread keeps
    it for the switch interval: 5 ms by default, so that a request and its answer would take 15.
    """
    _switching.begin()
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    finally:
        _switching.end()
