"""Signals for an event loop: also those that came before it ran, and those that come while it ends."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from roost.runtime import early_signals

__all__ = ["handle", "run"]

_HANDLED: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[[], object]) -> None:
    """Let `call` be called in `loop` at the signal `number`; soon, when it has come already."""
    loop.add_signal_handler(number, call)
    if number in early_signals.remembered:
        early_signals.remembered.discard(number)
        loop.call_soon(call)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in an event loop of its own, at the end of the process.

    Signals are blocked when it is over: one that comes while the interpreter ends changes no exit code.
    """
    with asyncio.Runner() as runner:
        try:
            runner.run(work)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
