"""Another speaker that is started beside this one: it ends at once, and only its own log would say so."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from roost.runtime.netns_lock import who_asked

__all__ = ["Rival", "rivals_told"]

_log = logging.getLogger("roost.speaker")


@dataclass(frozen=True, slots=True)
class Rival:
    """`process` tried to start in this network namespace at `at` (seconds, monotonic)."""

    process: str
    at: float


def _named(pid: int) -> str:
    """Return what people call a process; one of a pid namespace that is not seen from here has the id 0."""
    return f"process {pid}" if pid else "a process of another pid namespace"


@contextmanager
def rivals_told(lock: socket.socket, tell: Callable[[Rival], None]) -> Iterator[None]:
    """Tell of each that asks who holds `lock`, the namespace's, because it cannot have it."""
    loop = asyncio.get_running_loop()
    told = False

    def asked() -> None:
        nonlocal told
        if (pid := who_asked(lock)) is None:
            return
        if not told:  # what restarts for ever is one line
            _log.warning("another speaker was started in this network namespace, in vain: %s", _named(pid))
            told = True
        tell(Rival(_named(pid), loop.time()))

    loop.add_reader(lock, asked)
    try:
        yield
    finally:
        loop.remove_reader(lock)
